"""The prepared store: a folder of photographs decoded once, then read through memory mapping.

    RESLAB_DATA/.reslab/prepared/<folder>-<shorter side>/
      00000.safetensors …   the `pixels` of SHARD files' images, uint8 (H, W, 3), one after another
                            in the order of names; of every file its name, its size, and its image's
                            height and width, or why it has none
      store.json            written last: how many shards, of what, and the files without an image

An image whose shorter side is longer than asked is resized to it (bilinear, antialiased); others
are kept as they are. A shard is there as a whole or not at all: an interrupted preparation goes on
with those that are not. A store that is opened is held against its shards' lengths and the sums of
all but the pixels; `prepare` checks the pixels, too.
"""

import hashlib
import json
import os
import shutil
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torchvision.transforms.v2.functional import resize
from tqdm import tqdm

from reslab import disk
from reslab.config.data import Data
from reslab.config.datasets import cache_path
from reslab.config.photographs import PREPARED, how_to_prepare, prepared_folder, refuse_missing
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.photographs.survey import Survey
from reslab.data.workers import chunks, default_workers, in_workers
from reslab.errors import UserError
from reslab.folders import Listing, is_split, list_folder, size_of
from reslab.text import printable, size

SHARD = 512
"""Files of a shard: what each process of a preparation that is killed has to do again."""
SAMPLE = 64
"""Files from which a store's size is estimated."""

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.bytes_]
File = tuple[str, int]
"""Its name and its size in bytes."""


class Damaged(UserError):
    """A shard that is not what was written."""


# ---- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prepared:
    """An open store; `survey` tells of the files in use that have no image."""

    folder: Path
    names: Names
    images: Ints
    """Of each file where its image begins in the pixels of its shard, its height and width."""
    in_shard: int
    """Files of a shard; the last one may have fewer."""
    survey: Survey

    def __call__(self, name: bytes) -> Tensor:
        """What was prepared of a file's image, uint8 (3, H, W), channels last in memory.

        It is a view of the mapped file, of which only what is used is read; not to be written to.
        """
        place = int(np.searchsorted(self.names, name))
        start, height, width = self.images[place].tolist()
        pixels = _pixels(self.folder, place // self.in_shard)
        start += pixels.storage_offset()
        return pixels.as_strided((3, height, width), (1, 3 * width, 3), start)


@cache
def _pixels(folder: Path, shard: int) -> Tensor:
    """Each process maps them for itself: handed to a worker, they would be copied.

    A mapping keeps no file open, and only each alone counts as memory that the machine must have.
    """
    return _read(_path(folder, shard))[1]


def _path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05}.safetensors"


def _read(path: Path) -> tuple[dict[str, Any], Tensor]:
    """What `_write` has written; the pixels are only mapped, not looked at. Raises `Damaged`."""
    try:
        with safe_open(path, "pt") as shard:
            about = json.loads(shard.metadata()["reslab"])
            pixels = shard.get_tensor("pixels")
        if about["files_sum"] != _sum_of_files(about["files"]):
            raise ValueError("its files are not those that were written")
    except FileNotFoundError:
        raise Damaged(f"{path} is missing") from None
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise Damaged(f"{path} is damaged: {error}") from None
    return about, pixels


def _sum_of_files(files: list[Any]) -> int:
    return zlib.crc32(json.dumps(files).encode())


def open_prepared(data: Data, listing: Listing) -> Prepared:
    """The store of shorter side `data.prepared` that has the images of a listing.

    `UserError` if there is none, if a shard is cut off or altered, if an older version made it, or
    if a photograph was changed or added since it was made.
    """
    assert data.prepared is not None
    refuse_missing(data)
    folder, command = prepared_folder(listing.root, data.prepared), how_to_prepare(data)
    about = _about(folder, command)
    try:
        shards = [_read(_path(folder, shard))[0]["files"] for shard in range(about["shards"])]
    except Damaged as why:
        raise UserError(f"{why}; to make it again: {command}") from None
    files = [file for shard in shards for file in shard]
    names = np.array([os.fsencode(name) for name, *_ in files])
    used = np.array([os.fsencode(name) for name, _ in listing.train + listing.test])
    changed = _changed(listing.root, used, names, np.array([size for _, size, *_ in files]))
    if changed is not None:
        raise UserError(
            f"{listing.root / changed} is not what was prepared in {folder}; remove that folder "
            f"and make it again: {command}"
        )
    reasons = _reasons(files)
    bad = {name: reasons[name] for name in used.tolist() if name in reasons}
    survey = Survey(len(used), bad, folder / PREPARED)
    images = np.array([image for _, _, *image, _ in files], np.int64)
    return Prepared(folder, names, images, len(shards[0]), survey)


def _about(folder: Path, command: str) -> dict[str, Any]:
    """store.json, empty where there is none; `UserError` if an older version of reslab made it, or
    has begun to."""
    about: dict[str, Any] = disk.read_json(folder / PREPARED) or {"shards": 0, "source": None}
    older = folder.with_name(f".{folder.name}.partial") if "shards" in about else folder
    if older.exists():
        raise UserError(
            f"{older} was made by an older version of reslab; remove that folder and make it "
            f"again: {command}"
        )
    return about


def _reasons(files: list[Any]) -> dict[bytes, str]:
    return {os.fsencode(name): reason for name, *_, reason in files if reason}


def _changed(root: Path, used: Names, names: Names, sizes: Ints) -> str | None:
    """The first file in use that was not prepared, or has another size now."""
    places = np.minimum(np.searchsorted(names, used), len(names) - 1)
    found = np.array([size_of(root / os.fsdecode(name)) for name in used])
    wrong = np.flatnonzero((names[places] != used) | (sizes[places] != found))
    return os.fsdecode(used[wrong[0]]) if len(wrong) else None


# ---- making -----------------------------------------------------------------------------------


def prepare(root: Path, shorter_side: int, workers: int | None = None) -> Path:
    """Make the store of a folder of photographs, or what of it is missing or damaged; its folder.

    Without a word about `workers`, all cores decode.

    Says first what disk it takes, and in the end which files have no image. `UserError` if there is
    less, if no file has an image, if the photographs were changed since the store was made, or if
    an older version made it.
    """
    folder = prepared_folder(root, shorter_side)
    about = _about(folder, "by the same command")
    (cache_path(folder.parent.name) / folder.name).mkdir(parents=True, exist_ok=True)
    with disk.locked(folder):
        files = _files(root)
        source = hashlib.sha256(json.dumps([SHARD, shorter_side, files]).encode()).hexdigest()
        if about["source"] not in (None, source):
            raise UserError(f"{root} has changed since {folder} was made; remove that folder")
        shards = {_path(folder, i): part for i, part in enumerate(chunks(files, SHARD))}
        checked = tqdm(shards, "checking", unit="shard", disable=None)
        lacking = [(path, shards[path]) for path in checked if not _is_whole(path, source)]
        if lacking:
            workers = default_workers() + 1 if workers is None else workers
            _make(lacking, _Images(root, shorter_side, source), len(files), workers)
        found = _finish(root, folder, list(shards), source)
    found.tell(str(root))
    return folder


def _files(root: Path) -> list[File]:
    """All files of a folder, whatever their split, sorted as bytes."""
    listing = list_folder(root, test_fraction=None if is_split(root) else 0.5)
    names = sorted((name for name, _ in listing.train + listing.test), key=os.fsencode)
    return [(name, size_of(root / name)) for name in names]


def _is_whole(path: Path, source: str) -> bool:
    """Whether a shard is there, down to its pixels; one that is damaged is told."""
    if not path.exists():
        return False
    try:
        about, pixels = _read(path)
        if about["sum"] != zlib.crc32(pixels.numpy().data):
            raise Damaged(f"{path} is damaged: its pixels are not those that were written")
    except Damaged as why:
        print(f"{printable(str(why))}; it is made again", file=sys.stderr, flush=True)
        return False
    return bool(about["source"] == source)


@dataclass(frozen=True)
class _Images:
    """What shards are made of."""

    root: Path
    shorter_side: int
    source: str

    def write(self, shard: tuple[Path, list[File]]) -> int:
        """Make a shard; how many files it is of."""
        path, files = shard
        rows, pixels = self.decoded(files)
        about = {"source": self.source, "files": rows, "files_sum": _sum_of_files(rows)}
        about["sum"] = zlib.crc32(pixels.numpy().data)
        with disk.replacing(path) as temporary:
            save_file({"pixels": pixels}, temporary, {"reslab": json.dumps(about)})
        return len(files)

    def decoded(self, files: list[File]) -> tuple[list[Any], Tensor]:
        """The pixels of all images; of each file its name, its size, where its image begins, that
        image's height and width (0 without one), and why it has none."""
        rows: list[Any] = []
        pixels, start = [torch.empty(0, dtype=torch.uint8)], 0
        for file in files:
            try:
                image = decode(self.root / file[0])
            except Undecodable as reason:
                rows.append([*file, start, 0, 0, str(reason)])
                continue
            if min(image.shape[1:]) > self.shorter_side:
                image = resize(image, [self.shorter_side])
            rows.append([*file, start, *image.shape[1:], None])
            pixels.append(image.permute(1, 2, 0).flatten())
            start += image.numel()
        return rows, torch.cat(pixels)


def _make(
    lacking: list[tuple[Path, list[File]]], images: _Images, files: int, workers: int
) -> None:
    left = [file for _, part in lacking for file in part]
    _refuse_full_disk(lacking[0][0].parents[1], images, left, files)
    with tqdm(total=files, initial=files - len(left), unit="image", disable=None) as bar:
        for count in in_workers(images.write, lacking, workers):
            bar.update(count)


def _refuse_full_disk(folder: Path, images: _Images, left: list[File], files: int) -> None:
    sample = left[:: max(1, len(left) // SAMPLE)]
    needed = len(images.decoded(sample)[1]) * len(left) // len(sample)
    free = shutil.disk_usage(folder).free
    begun = f" ({files - len(left):,} of them are there)" if files > len(left) else ""
    print(
        f"{printable(str(images.root))}: {files:,} files{begun}, shorter side "
        f"{images.shorter_side} at most:\nabout {size(needed)} more, judged by {len(sample)} of "
        f"them; {size(free)} are free",
        flush=True,
    )
    if needed > free:
        raise UserError(
            f"{folder} lacks the disk for it; take a smaller --shorter-side, or set "
            "RESLAB_DATA to a folder on another disk"
        )


def _finish(root: Path, folder: Path, shards: list[Path], source: str) -> Survey:
    """The shards are a store from now on; which of its files have no image."""
    files = [file for path in shards for file in _read(path)[0]["files"]]
    found = Survey(len(files), _reasons(files), folder / PREPARED)
    if not found.decodable:
        shutil.rmtree(folder)
        head = f"{root}: none of the {found.files:,} files can be decoded; nothing is prepared:"
        raise UserError("\n       ".join([head, *found.first()]))
    for other in set(folder.glob("*.safetensors")) - set(shards):
        other.unlink()  # of the files that were there when it was begun
    bad = [{"file": printable(name), "reason": reason} for name, *_, reason in files if reason]
    about = {"source": source, "shards": len(shards), "undecodable": bad}
    if disk.read_json(folder / PREPARED) != about:
        disk.write_json(folder / PREPARED, about)
    return found
