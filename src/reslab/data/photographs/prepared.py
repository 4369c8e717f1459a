"""The prepared store: a folder of photographs decoded once, then read through memory mapping.

    RESLAB_DATA/.reslab/prepared/<folder>-<shorter side>/
      pixels.bin     the images' pixels, uint8 (H, W, 3), one after another in the order of names
      index.npz      of every file its name, its size, and its image's height and width (0: none);
                     of every few images the end of their pixels, and their sum
      store.json     how it was made, the files without an image, the sizes of the above, and the
                     index's sum

A store that is opened is held against sizes and the index's sum only; `prepare` reads all pixels
of one that is there and checks their sums.

An image whose shorter side is longer than asked is resized to it (bilinear, antialiased); others
are kept as they are. While it is made the store is a folder `.….partial` with a journal, a line for
every few images that are safe on disk: an interrupted preparation goes on after the last line.
"""

import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize
from tqdm import tqdm

from reslab import disk
from reslab.config.data import Data
from reslab.config.datasets import cache_path
from reslab.config.photographs import PREPARED, how_to_prepare, prepared_folder, refuse_missing
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.photographs.survey import Survey
from reslab.data.photographs.workers import chunks, in_workers
from reslab.errors import UserError
from reslab.folders import Listing, is_split, list_folder, size_of
from reslab.text import printable

FORMAT = 2
PIXELS, INDEX, ABOUT, JOURNAL = "pixels.bin", "index.npz", PREPARED, "journal.jsonl"
CHUNK = 64
"""Files between two lines of the journal."""
SAMPLE = 64
"""Files from which a store's size is estimated."""

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.bytes_]
Entry = tuple[int, int] | str
"""Of a file: its image's height and width, or why it has none."""


@dataclass(frozen=True)
class Chunk:
    """A few files: where the pixels of their images end, those pixels' sum, and the entries."""

    end: int
    sum: int
    entries: list[Entry]


# ---- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prepared:
    """An open store; `survey` tells of the files in use that have no image."""

    pixels: str
    """Their file."""
    names: Names
    starts: Ints
    shapes: Ints
    survey: Survey

    def __call__(self, name: bytes) -> Tensor:
        """What was prepared of a file's image, uint8 (3, H, W), channels last in memory.

        It is a view of the mapped file, of which only what is used is read; not to be written to.
        """
        place = int(np.searchsorted(self.names, name))
        height, width = self.shapes[place].tolist()
        strides = (1, 3 * width, 3)
        return _mapped(self.pixels).as_strided((3, height, width), strides, int(self.starts[place]))


@cache
def _mapped(path: str) -> Tensor:
    """Each process opens it for itself: handed to a worker, the whole would be copied.

    A mapping that could be written to would count as memory that the machine must have.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.memmap(path, np.uint8, mode="r"))


def open_prepared(data: Data, listing: Listing) -> Prepared:
    """The store of shorter side `data.prepared` that has the images of a listing.

    `UserError` if there is none, if one of its files is cut off or altered, or if a photograph was
    changed or added since it was made.
    """
    assert data.prepared is not None
    refuse_missing(data)
    folder = prepared_folder(listing.root, data.prepared)
    about = disk.read_json(folder / ABOUT)
    index = _checked(folder, about, f"remove {folder} and make it again: {how_to_prepare(data)}")
    names, shapes, sizes = index["names"], index["shapes"], index["sizes"]
    used = np.array([os.fsencode(name) for name, _ in listing.train + listing.test])
    changed = _changed(listing.root, used, names, sizes)
    if changed is not None:
        raise UserError(
            f"{listing.root / changed} is not what was prepared in {folder}; remove that folder "
            f"and make it again: {how_to_prepare(data)}"
        )
    lengths = 3 * shapes[:, 0] * shapes[:, 1]
    reasons = _survey(folder, names).undecodable
    bad = {name: reasons[name] for name in used.tolist() if name in reasons}
    survey = Survey(len(used), bad, folder / ABOUT)
    return Prepared(str(folder / PIXELS), names, np.cumsum(lengths) - lengths, shapes, survey)


def _checked(folder: Path, about: dict[str, Any], advice: str) -> dict[str, Any]:
    """The index, if both files have the sizes that they were written with, and it has its sum."""
    if about["format"] != FORMAT:
        raise UserError(f"{folder} was made by another version of reslab; {advice}")
    for name, size in about["bytes"].items():
        path = folder / name
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise UserError(f"{path} has {found:,} bytes, expected {size:,}; {advice}")
    content = (folder / INDEX).read_bytes()
    if about["index"] != _sum(content):
        raise UserError(f"{folder / INDEX} is not what was written there; {advice}")
    with np.load(folder / INDEX, allow_pickle=False) as arrays:
        return dict(arrays)


def _changed(root: Path, used: Names, names: Names, sizes: Ints) -> str | None:
    """The first file in use that was not prepared, or has another size now."""
    places = np.minimum(np.searchsorted(names, used), len(names) - 1)
    found = np.array([size_of(root / os.fsdecode(name)) for name in used])
    wrong = np.flatnonzero((names[places] != used) | (sizes[places] != found))
    return os.fsdecode(used[wrong[0]]) if len(wrong) else None


# ---- making -----------------------------------------------------------------------------------


def prepare(root: Path, shorter_side: int, workers: int) -> Path:
    """Make the store of a folder of photographs, or go on with it, or check it; its folder.

    Says first what disk it takes, and in the end which files have no image. `UserError` if there is
    less, if no file has an image, or if the store is there but damaged, or the photographs were
    changed since.
    """
    folder = prepared_folder(root, shorter_side)
    cache_path(folder.parent.name).mkdir(exist_ok=True)
    names, sizes = _files(root)
    with disk.locked(folder):
        about = disk.read_json(folder / ABOUT)
        if about is not None:
            index = _checked(folder, about, "remove the folder to have it made again")
            if not all(map(np.array_equal, (index["names"], index["sizes"]), (names, sizes))):
                raise UserError(f"{root} has changed since {folder} was made; remove that folder")
            _check_pixels(folder, index["ends"], index["sums"])
        else:
            unfinished = folder.with_name(f".{folder.name}.partial")
            _make(root, names, sizes, shorter_side, workers, unfinished)
            unfinished.rename(folder)
            (folder / JOURNAL).unlink()
    found = _survey(folder, names)
    if not found.decodable:
        shutil.rmtree(folder)
        head = f"{root}: none of the {found.files:,} files can be decoded; nothing is prepared:"
        raise UserError("\n       ".join([head, *found.first()]))
    found.tell(str(root))
    return folder


def _survey(folder: Path, names: Names) -> Survey:
    """Of all files that were prepared those without an image."""
    rows = disk.read_json(folder / ABOUT)["undecodable"]
    return Survey(len(names), {names[row["place"]]: row["reason"] for row in rows}, folder / ABOUT)


def _check_pixels(folder: Path, ends: Ints, sums: Ints) -> None:
    """`UserError` if some pixels are not those that were written."""
    path, start = folder / PIXELS, 0
    bar = tqdm(total=path.stat().st_size, desc="checking", unit="B", unit_scale=True, disable=None)
    with path.open("rb") as pixels, bar:
        for end, expected in zip(ends.tolist(), sums.tolist(), strict=True):
            if zlib.crc32(pixels.read(end - start)) != expected:
                raise UserError(
                    f"{path} is damaged between bytes {start:,} and {end:,}; remove "
                    f"{folder} to have it made again"
                )
            bar.update(end - start)
            start = end


def _files(root: Path) -> tuple[Names, Ints]:
    """Names of all files of a folder, whatever their split, and their sizes; sorted."""
    listing = list_folder(root, test_fraction=None if is_split(root) else 0.5)
    names = np.sort(np.array([os.fsencode(name) for name, _ in listing.train + listing.test]))
    return names, np.array([size_of(root / os.fsdecode(name)) for name in names])


def _make(
    root: Path, names: Names, sizes: Ints, shorter_side: int, workers: int, folder: Path
) -> None:
    folder.mkdir(exist_ok=True)
    made = {"format": FORMAT, "shorter_side": shorter_side, "source": _source(names, sizes)}
    done = _resumed(folder, made)
    files = sum(len(chunk.entries) for chunk in done)
    _refuse_full_disk(root, names, shorter_side, files, folder)
    left = chunks(names[files:], CHUNK)
    pictures = in_workers(partial(_prepared, root, shorter_side), left, workers)
    with tqdm(total=len(names), initial=files, unit="image", disable=None) as bar:
        for chunk in _appended(folder, pictures):
            done.append(chunk)
            bar.update(len(chunk.entries))
    _finish(folder, names, sizes, done, made)


def _source(names: Names, sizes: Ints) -> str:
    return _sum(b"\0".join(names.tolist()) + sizes.astype("<i8").tobytes())


def _resumed(folder: Path, made: dict[str, Any]) -> list[Chunk]:
    """What an interrupted preparation of the same files has left; pixels after it are cut off."""
    journal, pixels = folder / JOURNAL, folder / PIXELS
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []  # the last is torn
    if not lines or json.loads(lines[0]) != made:
        pixels.write_bytes(b"")
        disk.write_text(journal, json.dumps(made) + "\n")
        return []
    chunks = [Chunk(**json.loads(line)) for line in lines[1:]]
    journal.write_bytes(b"".join(line + b"\n" for line in lines))
    os.truncate(pixels, chunks[-1].end if chunks else 0)
    return chunks


def _refuse_full_disk(root: Path, names: Names, shorter_side: int, done: int, folder: Path) -> None:
    sample = names[done :: max(1, (len(names) - done) // SAMPLE)]
    entries, pixels = _prepared(root, shorter_side, sample)
    needed = len(pixels) * (len(names) - done) // max(1, len(entries))
    free = shutil.disk_usage(folder).free
    begun = f" ({done:,} of them are there)" if done else ""
    print(
        f"{printable(str(root))}: {len(names):,} files{begun}, shorter side {shorter_side} at "
        "most:\n"
        f"about {_size(needed)} more, judged by {len(entries)} of them; {_size(free)} are free",
        flush=True,
    )
    if needed > free:
        raise UserError(
            f"{folder.parent} lacks the disk for it; take a smaller --shorter-side, or set "
            "RESLAB_DATA to a folder on another disk"
        )


def _size(size: int) -> str:
    """`3.6 MB`, `147 GB`: three digits."""
    unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB")
    return f"{float(f'{size / unit:.3g}'):,g} {name}"


def _prepared(root: Path, shorter_side: int, names: Names) -> tuple[list[Entry], Tensor]:
    """Of each file its entry, and the pixels of all, one after another."""
    entries: list[Entry] = []
    pixels = [torch.empty(0, dtype=torch.uint8)]
    for name in names:
        try:
            image = decode(root / os.fsdecode(name))
        except Undecodable as reason:
            entries.append(str(reason))
            continue
        if min(image.shape[1:]) > shorter_side:
            image = resize(image, [shorter_side])
        entries.append((image.shape[1], image.shape[2]))
        pixels.append(image.permute(1, 2, 0).flatten())
    return entries, torch.cat(pixels)


def _appended(folder: Path, pictures: Iterable[tuple[list[Entry], Tensor]]) -> Iterator[Chunk]:
    """Each chunk, after its pixels and then its line of the journal are safe on disk."""
    with (folder / PIXELS).open("ab") as pixels, (folder / JOURNAL).open("ab") as journal:
        for entries, content in pictures:
            pixels.write(content.numpy().data)
            _flush(pixels)
            chunk = Chunk(pixels.tell(), zlib.crc32(content.numpy().data), entries)
            journal.write(json.dumps(vars(chunk)).encode() + b"\n")
            _flush(journal)
            yield chunk


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _finish(
    folder: Path, names: Names, sizes: Ints, chunks: list[Chunk], made: dict[str, Any]
) -> None:
    entries = [entry for chunk in chunks for entry in chunk.entries]
    ends, sums = (np.array([vars(c)[key] for c in chunks], np.int64) for key in ("end", "sum"))
    shapes = np.array([(0, 0) if isinstance(entry, str) else entry for entry in entries], np.int64)
    with disk.replacing(folder / INDEX) as temporary, temporary.open("wb") as file:
        np.savez(file, names=names, sizes=sizes, shapes=shapes, ends=ends, sums=sums)
    bad = [
        {"place": place, "file": printable(os.fsdecode(names[place])), "reason": entry}
        for place, entry in enumerate(entries)
        if isinstance(entry, str)
    ]
    written = {name: (folder / name).stat().st_size for name in (PIXELS, INDEX)}
    about = {"index": _sum((folder / INDEX).read_bytes()), "bytes": written, "undecodable": bad}
    disk.write_json(folder / ABOUT, made | about)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
