"""What is written is whole, JSON is read back, and what kills leave is removed."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reslab import disk, store
from reslab.errors import UserError

KILLED = """
import os, sys
from pathlib import Path
from reslab import disk
with disk.replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of it")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def being_written(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has written half of a file and waits."""
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with disk.replacing(file) as temporary:
        assert temporary.parent == file.parent
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_after_an_exception_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(OSError, match="disk full"), disk.replacing(file) as temporary:
        temporary.write_text("half of the n")
        raise OSError("disk full")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_written_is_asked_for_once_more_before_it_takes_the_old_ones_place(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    disk.write_text(file, "old")

    def refuse() -> None:
        assert [p.read_text() for p in tmp_path.iterdir() if p != file] == ["new"]
        raise PermissionError

    with pytest.raises(PermissionError), disk.replacing(file, refuse) as temporary:
        temporary.write_text("new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_who_may_read_what_is_written_is_the_umasks_business(
    tmp_path: Path, umask: int, mode: int
) -> None:
    """Also of a file that a library has put in the temporary one's place, as safetensors does."""
    before = os.umask(umask)
    try:
        disk.write_text(tmp_path / "file", "text")
        with disk.replacing(tmp_path / "other") as temporary:
            temporary.unlink()
            temporary.touch(0o600)
    finally:
        os.umask(before)
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("file", "other")] == [mode, mode]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_file_and_leaves_the_old_one(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.write_text(tmp_path / "file", "old")
    store.append_metrics(tmp_path, {"step": 1})

    def no_room(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(UserError, match=r"/file cannot be written: the disk is full, or your"):
        disk.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    with pytest.raises(UserError, match=r"/metrics\.jsonl cannot be written: the disk is full"):
        store.flush_metrics(tmp_path)
    store.write_error(tmp_path, "nowhere to write why")
    assert {path.name for path in tmp_path.iterdir()} == {"file", store.METRICS}


def test_json_is_read_back_and_a_missing_file_is_none(tmp_path: Path) -> None:
    value = {"name": "残差 ±", "numbers": [1, 2.5, None]}
    disk.write_json(tmp_path / "file", value)
    assert disk.read_json(tmp_path / "file") == value
    assert "残差 ±" in (tmp_path / "file").read_text(encoding="utf-8")
    assert disk.read_json(tmp_path / "other") is None


def test_a_file_that_was_written_anew_or_is_longer_is_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert disk.written(path) == (0, 0)
    seen = [disk.written(path)]
    for text in ("a", "ab"):
        path.write_text(text)
        os.utime(path, ns=(7, 7))
        seen.append(disk.written(path))
    os.utime(path, ns=(8, 8))
    assert [*seen, disk.written(path)] == [(0, 0), (7, 1), (7, 2), (8, 2)]


def test_what_a_kill_has_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    for name in (".DS_Store", ".config.yaml.swp", "a.b.0123abcd"):
        (tmp_path / name).touch()
    path = tmp_path / store.CHECKPOINT
    with being_written(path) as process:
        disk.remove_unfinished(tmp_path)
        assert len(list(tmp_path.glob(".last.ckpt.*"))) == 1
        process.kill()
    (left,) = tmp_path.glob(".last.ckpt.*")
    assert left.read_text() == "half of it"
    disk.remove_unfinished(tmp_path, store.RESULT)
    assert left.exists()
    disk.remove_unfinished(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {".DS_Store", ".config.yaml.swp", "a.b.0123abcd"}


def test_the_next_attempt_removes_what_a_kill_has_left_of_the_last_one(tmp_path: Path) -> None:
    for name in (".plan.json.0123abcd", ".table.md.0123abcd"):
        (tmp_path / name).touch()
    disk.write_text(tmp_path / store.PLAN, "{}")
    assert {file.name for file in tmp_path.iterdir()} == {store.PLAN, ".table.md.0123abcd"}


def test_json_has_null_for_what_is_no_number_and_every_number_as_it_is(tmp_path: Path) -> None:
    """Strict parsers, a browser's for one, refuse NaN and Infinity."""
    numbers = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3]
    value = {"loss": math.nan, "parts": (math.inf, [-math.inf, numbers])}
    written = disk.to_json(value)
    assert json.loads(written, parse_constant=pytest.fail) == {
        "loss": None,
        "parts": [None, [None, numbers]],
    }
    disk.write_json(tmp_path / "x.json", value)
    assert disk.read_json(tmp_path / "x.json")["parts"][1][1] == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n "a": 1,\n', "line 3: "),
        ("", "line 1: Expecting value"),
        ("[" * 10_000, "nested too deeply"),
        (b"\xff", "byte 0 is no UTF-8"),
        ("9" * 5000, "4300 digits"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        disk.read_json(file)
    assert str(caught.value).startswith(f"{file} is damaged: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_none_and_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    assert disk.read_json(tmp_path / "missing.json") is None
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        disk.read_json(tmp_path)


HOLDING = """
import sys
from pathlib import Path
from reslab import disk
with disk.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("folder", [True, False])
def test_what_another_process_makes_is_waited_for_until_it_ends(
    tmp_path: Path, folder: bool
) -> None:
    path = tmp_path / "made"
    if folder:
        path.mkdir()
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        ended: list[int | None] = []
        threading.Timer(0.3, process.kill).start()
        with disk.locked(path):
            ended.append(process.wait())
    assert ended == [-signal.SIGKILL]


def test_where_no_file_can_be_locked_everybody_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with disk.locked(tmp_path), disk.locked(tmp_path):
        disk.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_what_cannot_be_made_is_named_and_what_is_there_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(UserError, match=r"made\.json cannot be made: Not a directory"),
        disk.locked(tmp_path / "file" / "made.json"),
    ):
        pass
