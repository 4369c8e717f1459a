"""The prepared store: what decoding gives, or a refusal."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import DECODING, WORKERS
from tests.data.images import UNDECODABLE
from tests.data.photographs.reading import assert_equal, first, open_pictures, run
from tests.data.ranks import at
from torchvision.transforms.v2.functional import resize

from reslab.config import RunConfig
from reslab.config.data import Data
from reslab.config.datasets import cache_path
from reslab.data.modules import data_module
from reslab.data.photographs import prepared
from reslab.data.photographs.opened import open_photographs
from reslab.data.photographs.prepared import ABOUT, INDEX, JOURNAL, PIXELS, prepare
from reslab.errors import UserError

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
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "CHUNK", 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_store_has_what_decoding_and_resizing_give(
    photographs: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photographs / "train" / "chat" / "empty.jpg").write_bytes(b"")
    folder = prepare(photographs, SIDE, workers)
    assert set(content(folder)) == {PIXELS, INDEX, ABOUT}
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
    """The system counts a mapping that can be written to as memory."""
    file = tmp_path / "pixels.bin"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with file.open("wb") as sparse:
        sparse.truncate(8 * memory)
    assert len(prepared._mapped(str(file))) == 8 * memory


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
    assert (found.train_examples, found.test_examples, found.undecodable) == (18, 9, 0)


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
    assert [path.name for path in left.iterdir() if not path.name.endswith(".lock")] == []


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
    assert (at(config).train_examples, at(config).test_examples) == (18, 9)
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
    told = re.search(r"27 files.*\n.*about (\S+) MB more, judged by 27", capsys.readouterr().out)
    assert told
    assert float(told[1]) == float(f"{(folder / PIXELS).stat().st_size / 1e6:.3g}")


def interrupted(at_flush: int) -> Callable[[Any], None]:
    """`_flush` that ends the preparation at its n-th call, before the file is safe."""
    calls = iter(range(1, at_flush + 1))

    def flush(file: Any) -> None:
        if next(calls) == at_flush:
            raise KeyboardInterrupt
        file.flush()

    return flush


@pytest.fixture
def from_one_go(photographs: Path, small_chunks: None) -> dict[str, bytes]:
    """A store's files; it is moved away."""
    folder = prepare(photographs, SIDE, 0)
    moved = folder.rename(folder.with_name("from_one_go"))
    return content(moved)


@pytest.mark.parametrize("at_flush", [1, 2, 5, 6, 13, 14])  # seven chunks: pixels, journal
def test_an_interrupted_preparation_goes_on_to_the_same_store(
    photographs: Path,
    from_one_go: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_flush: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "_flush", interrupted(at_flush))
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, SIDE, 0)
    with pytest.raises(UserError, match="to make it: python scripts/prepare"):
        open_pictures(described(photographs, SIDE))
    [unfinished] = cache_path("prepared").glob(".*.partial")
    capsys.readouterr()
    assert content(prepare(photographs, SIDE, 0)) == from_one_go
    safe = min(27, 4 * (at_flush // 2))  # what an ending process has written reaches the file
    assert (f"({safe} of them are there)" in capsys.readouterr().out) == (safe > 0)
    assert not unfinished.exists()


def test_a_torn_line_of_the_journal_is_done_again(
    photographs: Path, from_one_go: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "_flush", interrupted(7))
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, SIDE, 0)
    [journal] = cache_path("prepared").glob(f".*.partial/{JOURNAL}")
    journal.write_bytes(journal.read_bytes()[:-9])
    assert content(prepare(photographs, SIDE, 0)) == from_one_go


@pytest.mark.process
def test_a_killed_preparation_goes_on_to_the_same_store(
    photographs: Path, from_one_go: dict[str, bytes]
) -> None:
    script = f"""
import os, signal
from pathlib import Path
from reslab.data.photographs import prepared

def flush(file, calls=iter(range(9))):
    if next(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    file.flush()

prepared.CHUNK, prepared._flush = 4, flush
prepared.prepare(Path({str(photographs)!r}), {SIDE}, 2)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(prepare(photographs, SIDE, 0)) == from_one_go


def test_other_files_are_prepared_from_the_beginning(
    photographs: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "_flush", interrupted(7))
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, SIDE, 0)
    (photographs / "train" / "chat" / "1.jpg").write_bytes(UNDECODABLE["text.jpg"])
    prepare(photographs, SIDE, 0)
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    assert len(open_pictures(described(photographs, SIDE))[0]) == 17


@pytest.mark.parametrize("name", [PIXELS, INDEX])
def test_a_store_that_is_cut_off_is_refused(photographs: Path, name: str) -> None:
    path = prepare(photographs, SIDE, 0) / name
    os.truncate(path, path.stat().st_size - 1)
    advice = f"remove {path.parent} and make it again: python scripts/prepare.py imagefolder"
    with pytest.raises(UserError, match=f"{path} has .* bytes, expected .*{advice}"):
        open_pictures(described(photographs, SIDE))
    path.unlink()
    with pytest.raises(UserError, match=f"{path} has 0 bytes"):
        open_pictures(described(photographs, SIDE))


def test_pixels_that_were_altered_are_found_when_the_store_is_prepared_again(
    photographs: Path, small_chunks: None
) -> None:
    """Not when it is opened, which reads none of them."""
    path = prepare(photographs, SIDE, 0) / PIXELS
    assert prepare(photographs, SIDE, 0) == path.parent
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(9_000))
    open_pictures(described(photographs, SIDE))
    with pytest.raises(UserError, match=f"{path} is damaged between bytes .* remove {path.parent}"):
        prepare(photographs, SIDE, 0)


def test_a_store_of_another_version_is_refused(photographs: Path) -> None:
    path = prepare(photographs, SIDE, 0) / ABOUT
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(UserError, match="was made by another version of reslab; remove"):
        open_pictures(described(photographs, SIDE))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (3_600_000, "3.6 MB"),
        (999_400_000, "999 MB"),
        (1_000_000_000, "1 GB"),
        (147_300_000_000, "147 GB"),
        (3_210_000_000_000, "3,210 GB"),
        (0, "0 MB"),
    ],
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert prepared._size(size) == text


def test_files_without_an_image_are_told_when_they_are_prepared(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photographs / "val" / "chat" / "empty.jpg").write_bytes(b"")
    for _ in ("made", "checked"):
        prepare(photographs, SIDE, 0)
        told = capsys.readouterr().err
        assert f"{photographs}: 1 of 28 files cannot be decoded" in told
        assert "val/chat/empty.jpg: the file is empty" in told


def test_an_altered_index_is_refused(photographs: Path) -> None:
    path = prepare(photographs, SIDE, 0) / INDEX
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(altered)
    with pytest.raises(UserError, match=f"{path} is not what was written there"):
        open_pictures(described(photographs, SIDE))


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
