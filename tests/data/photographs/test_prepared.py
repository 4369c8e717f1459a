"""The prepared store: what decoding gives, or a refusal."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import DECODING, WORKERS
from tests.data.images import UNDECODABLE
from tests.data.photographs.reading import assert_equal, first, open_pictures, run
from tests.data.ranks import at
from torchvision.transforms.v2.functional import resize

from reslab.config.data import Data
from reslab.config.photographs import prepared_folder
from reslab.config.run import RunConfig
from reslab.data.modules import data_module
from reslab.data.photographs import prepared
from reslab.data.photographs.opened import open_photographs
from reslab.data.photographs.prepared import prepare
from reslab.errors import UserError
from reslab.text import size

pytestmark = [DECODING, WORKERS]

SIDE = 45
"""Of the folder's images some are larger, some smaller."""


def described(folder: Path, prepared_side: int | None = None) -> Data:
    return run(folder, data={"prepared": prepared_side} if prepared_side else {}).data


def undecodable(config: RunConfig) -> dict[bytes, str]:
    crops = config.recipe.photographs
    assert crops is not None
    return dict(open_photographs(config.data, crops, workers=0).survey.undecodable)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven of the folder's 27 files."""
    monkeypatch.setattr(prepared, "SHARD", 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_store_has_what_decoding_and_resizing_give(
    photographs: Path, small_shards: None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photographs / "train" / "chat" / "empty.jpg").write_bytes(b"")
    folder = prepare(photographs, SIDE, workers)
    assert set(content(folder)) == {
        "store.json",
        *(f"0000{shard}.safetensors" for shard in range(7)),
    }
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    sizes = set()
    for files, stored in zip(
        open_pictures(described(photographs))[:2],
        open_pictures(described(photographs, SIDE))[:2],
        strict=True,
    ):
        assert files.names.tolist() == stored.names.tolist()
        assert torch.equal(files.targets, stored.targets)
        for index in range(len(files)):
            image = files.image(index)
            larger = min(image.shape[1:]) > SIDE
            sizes.add(larger)
            expected = resize(image, [SIDE]) if larger else image
            assert torch.equal(stored.image(index), expected)
    assert sizes == {True, False}


def test_a_store_may_be_larger_than_the_memory(tmp_path: Path) -> None:
    """Of its shards each must fit."""
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    rows: list[Any] = []
    about = {"files": rows, "files_sum": prepared._sum_of_files(rows)}
    header = json.dumps(
        {
            "__metadata__": {"reslab": json.dumps(about)},
            "pixels": {"dtype": "U8", "shape": [half], "data_offsets": [0, half]},
        }
    ).encode()
    for shard in range(8):
        with prepared._path(tmp_path, shard).open("wb") as sparse:
            sparse.write(len(header).to_bytes(8, "little") + header)
            sparse.truncate(8 + len(header) + half)
    mapped = [prepared._pixels(tmp_path, shard) for shard in range(8)]
    assert sum(map(len, mapped)) == 8 * half


def test_reading_keeps_no_file_open(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be more shards than a process may have open files."""
    monkeypatch.setattr(prepared, "SHARD", 1)
    prepare(photographs, SIDE, 0)
    train, _, _ = open_pictures(described(photographs, SIDE))
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    images = [train.image(index) for index in range(len(train))]
    assert len(images) == 18 and len(list(descriptors.iterdir())) == before


def test_links_to_nowhere_and_trees_without_a_split_are_prepared_as_they_are_trained_on(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    shutil.rmtree(photographs / "val")
    (photographs / "train" / "chat" / "gone.jpg").symlink_to("nowhere")
    halves = {"test_fraction": 0.5}
    expected = undecodable(run(photographs, data=halves))
    prepare(photographs, SIDE, 0)
    assert undecodable(run(photographs, data={**halves, "prepared": SIDE})) == expected
    assert list(expected) == [b"train/chat/gone.jpg"]


def test_a_split_called_valid_and_what_windows_left_there_are_no_matter(photographs: Path) -> None:
    (photographs / "val").rename(photographs / "valid")
    (photographs / "valid" / "chat" / "Thumbs.db").write_bytes(b"no image")
    prepare(photographs, SIDE, 0)
    found = at(run(photographs, data={"prepared": SIDE}))
    assert (len(found.train), len(found.test), found.undecodable) == (18, 9, 0)


def test_a_folder_whose_name_is_no_text_is_prepared_and_told_in_escapes(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python has a byte that is no UTF-8, here ff, as the surrogate dcff."""
    odd = photographs.rename(photographs.with_name("\udcff\x1b[2J"))
    (odd / "train" / "chat" / "no.jpg").write_bytes(b"none")
    assert prepare(odd, SIDE, 0).is_dir()
    printed, errors = capsys.readouterr()
    (printed + errors).encode()  # no half of a pair
    assert "\x1b" not in printed + errors
    assert f"{odd.parent}/\\udcff\\x1b[2J: 28 files" in printed
    assert "28 files cannot be decoded" in errors


def test_a_folder_without_any_image_is_refused_and_nothing_is_left_of_it(
    photographs: Path, tmp_path: Path
) -> None:
    for file in photographs.rglob("*.jpg"):
        file.write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(UserError, match="none of the 27 files can be decoded; nothing is") as e:
            prepare(photographs, SIDE, 0)
        assert "train/Fuchs/0.jpg: neither JPEG, PNG, WebP, GIF, BMP nor TIFF" in str(e.value)
        assert "and 22 more" in str(e.value)
    left = tmp_path / "data" / ".reslab" / "prepared"
    assert list(left.iterdir()) == []


def test_batches_from_the_store_are_those_of_the_resized_images(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(photographs, 1000, 0)  # nothing is resized
    from_files, from_store = run(photographs), run(photographs, data={"prepared": 1000})
    assert from_files.run_id != from_store.run_id
    expected = first(at(from_files), 4)
    assert_equal(expected, first(at(from_store), 4))
    monkeypatch.setenv("RESLAB_WORKERS", "2")
    assert_equal(expected, first(at(from_store), 4))


def test_files_without_an_image_are_told_from_the_store(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, bad in UNDECODABLE.items():
        (photographs / "val" / "chat" / name).write_bytes(bad)
    prepare(photographs, SIDE, 0)
    config = run(photographs, data={"prepared": SIDE})
    with pytest.raises(UserError, match="RESLAB_MAX_UNDECODABLE"):
        data_module(config).prepare_data()
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.5")
    capsys.readouterr()
    assert (len(at(config).train), len(at(config).test)) == (18, 9)
    told = capsys.readouterr().err
    assert f"{len(UNDECODABLE)} of {27 + len(UNDECODABLE)} files" in told
    assert "val/chat/empty.jpg: the file is empty" in told


def test_the_disk_it_takes_is_said_before_and_refused_where_it_lacks(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Usage:
        free = 1000

    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: Usage)
        with pytest.raises(UserError, match="lacks the disk"):
            prepare(photographs, SIDE, 0)
    capsys.readouterr()
    folder = prepare(photographs, SIDE, 0)
    told = re.search(r"27 files.*\n.*about (.+) more, judged by 27", capsys.readouterr().out)
    assert told
    pixels = prepared._pixels(folder, 0)
    assert told[1] == size(len(pixels))


def interrupted(at: int) -> Callable[..., None]:
    """`save_file` that ends the preparation in the middle of writing the n-th shard."""
    calls = iter(range(1, at + 1))

    def save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        if next(calls) == at:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        save_file(tensors, path, metadata)

    return save


@pytest.fixture
def from_one_go(photographs: Path, small_shards: None) -> dict[str, bytes]:
    """A store's files; it is moved away."""
    folder = prepare(photographs, SIDE, 0)
    moved = folder.rename(folder.with_name("from_one_go"))
    return content(moved)


@pytest.mark.parametrize("at", [1, 2, 7])
def test_an_interrupted_preparation_goes_on_to_the_same_store(
    photographs: Path,
    from_one_go: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "save_file", interrupted(at))
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, SIDE, 0)
    with pytest.raises(UserError, match="to make it: python scripts/prepare"):
        open_pictures(described(photographs, SIDE))
    capsys.readouterr()
    assert content(prepare(photographs, SIDE, 0)) == from_one_go
    there = 4 * (at - 1)
    assert (f"({there} of them are there)" in capsys.readouterr().out) == (there > 0)


@pytest.mark.process
def test_a_killed_preparation_goes_on_to_the_same_store(
    photographs: Path, from_one_go: dict[str, bytes]
) -> None:
    script = f"""
import os, signal, time
from pathlib import Path
from safetensors.torch import save_file
from reslab.data.photographs import prepared

def save(tensors, path, metadata):
    if "00004" in path.name:
        path.write_bytes(b"half of it")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    save_file(tensors, path, metadata)

prepared.SHARD, prepared.save_file = 4, save
prepared.prepare(Path({str(photographs)!r}), {SIDE}, 2)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(prepare(photographs, SIDE, 0)) == from_one_go


def test_other_files_are_prepared_from_the_beginning(
    photographs: Path, small_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "save_file", interrupted(7))
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, SIDE, 0)
    (photographs / "train" / "chat" / "1.jpg").write_bytes(UNDECODABLE["text.jpg"])
    prepare(photographs, SIDE, 0)
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    assert len(open_pictures(described(photographs, SIDE))[0]) == 17


SHARD = "00003.safetensors"


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def altered_at(place: float) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1
        path.write_bytes(content)

    return alter


def height_altered(path: Path) -> None:
    """The header stays as long, and JSON."""
    content = path.read_bytes()
    assert b", 45, " in content
    path.write_bytes(content.replace(b", 45, ", b", 46, ", 1))


@pytest.mark.parametrize("damage", [cut_off, cut_to_nothing, height_altered, Path.unlink])
def test_a_shard_that_is_damaged_is_named_with_the_command_that_mends_it(
    photographs: Path,
    from_one_go: dict[str, bytes],
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = prepare(photographs, SIDE, 0) / SHARD
    damage(path)
    why = "missing" if damage == Path.unlink else "damaged: .*"
    command = (
        f"python scripts/prepare.py imagefolder --folder '{photographs}' --shorter-side {SIDE}"
    )
    with pytest.raises(UserError, match=f"{path} is {why}; to make it again: {command}"):
        open_pictures(described(photographs, SIDE))
    capsys.readouterr()
    assert content(prepare(photographs, SIDE, 0)) == from_one_go
    told = capsys.readouterr()
    assert "(23 of them are there)" in told.out
    assert (f"{path} is damaged" in told.err) == (damage != Path.unlink)


def test_pixels_that_were_altered_are_found_when_the_store_is_prepared_again(
    photographs: Path, from_one_go: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not when it is opened, which reads none of them."""
    path = prepare(photographs, SIDE, 0) / SHARD
    altered_at(0.7)(path)
    open_pictures(described(photographs, SIDE))
    assert content(prepare(photographs, SIDE, 0)) == from_one_go
    assert f"{path} is damaged: its pixels are not those" in capsys.readouterr().err


def test_a_store_that_is_whole_is_left_as_it_is(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepare(photographs, SIDE, 0)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    capsys.readouterr()
    assert prepare(photographs, SIDE, 0) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "more, judged by" not in capsys.readouterr().out


def test_two_preparations_at_once_make_one_store(
    photographs: Path, from_one_go: dict[str, bytes]
) -> None:
    """They wait for each other; a second finds everything there."""
    with ThreadPoolExecutor(2) as both:
        folders = list(both.map(lambda _: prepare(photographs, SIDE, 0), range(2)))
    assert folders[0] == folders[1] and content(folders[0]) == from_one_go


def test_a_full_disk_is_told_and_what_was_written_is_gone_on_with(
    photographs: Path,
    from_one_go: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        if SHARD in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path, metadata)

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "save_file", full)
        with pytest.raises(UserError, match=f"{SHARD} cannot be written: the disk is full"):
            prepare(photographs, SIDE, 2)
    capsys.readouterr()
    assert content(prepare(photographs, SIDE, 0)) == from_one_go
    assert " of them are there)" in capsys.readouterr().out


# What commit 73a3278 wrote of four files, beside index.npz and pixels.bin.
OLDER = """{
 "format": 2,
 "shorter_side": 45,
 "source": "02a3086699374071b9994627534f0ed6b60897184f4ad0969d68a3a9ef40b328",
 "index": "86ac1e806b549572dc773b6d1bd73257d4bb12a4209b743a364f5d0047d45cb0",
 "bytes": {
  "pixels.bin": 21870,
  "index.npz": 1394
 },
 "undecodable": [
  {
   "place": 1,
   "file": "train/b/0.png",
   "reason": "neither JPEG, PNG, WebP nor GIF"
  }
 ]
}
"""


def test_a_store_of_an_older_version_is_named_with_the_command_that_renews_it(
    photographs: Path,
) -> None:
    folder = prepared_folder(photographs, SIDE)
    folder.mkdir(parents=True)
    (folder / "store.json").write_text(OLDER)
    told = f"{folder} was made by an older version of reslab; remove that folder and make it again"
    with pytest.raises(UserError, match=f"{told}: python scripts/prepare.py imagefolder"):
        open_pictures(described(photographs, SIDE))
    with pytest.raises(UserError, match=f"{told}: by the same command"):
        prepare(photographs, SIDE, 0)
    shutil.rmtree(folder)
    begun = folder.with_name(f".{folder.name}.partial")
    begun.mkdir()
    with pytest.raises(UserError, match=f"{begun} was made by an older version"):
        prepare(photographs, SIDE, 0)
    begun.rmdir()
    assert len(content(prepare(photographs, SIDE, 0))) == 2


def test_files_without_an_image_are_told_when_they_are_prepared(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photographs / "val" / "chat" / "empty.jpg").write_bytes(b"")
    for _ in ("made", "checked"):
        prepare(photographs, SIDE, 0)
        told = capsys.readouterr().err
        assert f"{photographs}: 1 of 28 files cannot be decoded" in told
        assert "val/chat/empty.jpg: the file is empty" in told


@pytest.mark.parametrize("change", ["altered", "added"])
def test_a_store_of_photographs_that_have_changed_is_refused(
    photographs: Path, change: str
) -> None:
    folder = prepare(photographs, SIDE, 0)
    assert prepare(photographs, SIDE, 0) == folder  # as it is
    path = photographs / "val" / "狐" / {"altered": "1.jpg", "added": "7.jpg"}[change]
    path.write_bytes(b"x")
    with pytest.raises(UserError, match=f"{path} is not what was prepared in {folder}"):
        open_pictures(described(photographs, SIDE))
    with pytest.raises(UserError, match=f"has changed since {folder} was made"):
        prepare(photographs, SIDE, 0)


def test_a_subset_is_read_from_the_store_of_the_whole(photographs: Path) -> None:
    prepare(photographs, SIDE, 0)
    data = run(photographs, data={"prepared": SIDE, "per_class": 2}).data
    train, test, _ = open_pictures(data)
    assert (len(train), len(test)) == (6, 9)
    files = open_pictures(described(photographs))[0]
    assert torch.equal(train.image(2), resize(files.image(6), [SIDE]))
