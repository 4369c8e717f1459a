"""Files that are no images are found before training, told by name, and refused if too many."""

import os
from pathlib import Path

import pytest
from tests.conftest import DECODING
from tests.data.images import UNDECODABLE
from tests.data.photographs.reading import run
from tests.data.ranks import at

from reslab.data.modules import data_module
from reslab.data.photographs.prepared import prepare
from reslab.errors import UserError

pytestmark = DECODING


def soil(folder: Path) -> int:
    """Put a file of every undecodable kind into a class; how many."""
    for name, content in UNDECODABLE.items():
        (folder / "train" / "chat" / name).write_bytes(content)
    return len(UNDECODABLE)


def test_files_that_are_no_images_are_told_and_left_out(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = at(run(photographs)).train.names.tolist()
    count = soil(photographs)
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.5")
    for _ in range(2):  # the second time from what was kept
        capsys.readouterr()
        data = at(run(photographs))
        assert data.train.names.tolist() == clean
        assert (len(data.train), len(data.test)) == (18, 9)
        told = capsys.readouterr().err
        assert f"imagefolder: {count} of {27 + count} files cannot be decoded, left out:" in told
        assert "train/chat/empty.jpg: the file is empty" in told
        kept = Path(told.strip().rpartition("all of them: ")[2])
        assert all(name in kept.read_text() for name in UNDECODABLE)


def test_where_nothing_starts_files_are_looked_at_again(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was mended keeps its size. What a run has left out stays left out."""
    files = [photographs / "val" / "chat" / f"{place}.jpg" for place in (0, 1)]
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(bytes(len(content)))
    with pytest.raises(UserError, match="2 of 27 files cannot be decoded"):
        at(run(photographs))
    files[0].write_bytes(contents[0])
    with pytest.raises(UserError, match="1 of 27 files cannot be decoded"):
        at(run(photographs))
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    files[1].write_bytes(contents[1])
    assert at(run(photographs)).undecodable == 1


def test_names_that_are_no_text_or_command_a_terminal_are_told_in_escapes(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (b"\xff.jpg", b"\x1b[2J.jpg"):
        (photographs / "val" / "chat" / os.fsdecode(name)).write_bytes(b"no image")
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    assert len(at(run(photographs)).test) == 9
    told = capsys.readouterr().err
    assert "val/chat/\\udcff.jpg: neither" in told and "val/chat/\\x1b[2J.jpg: neither" in told
    prepare(photographs, 32, workers=0)
    assert "val/chat/\\udcff.jpg: neither" in capsys.readouterr().err


def test_too_many_of_them_are_refused_and_told_of_where_they_are_prepared(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = soil(photographs)
    config = run(photographs)
    part = f"{100 * count / (27 + count):.3g} %"
    with pytest.raises(UserError, match=f"{part}, more than the 1 % that a run leaves out:\n"):
        data_module(config).prepare_data()
    store = prepare(photographs, 32, workers=0)  # for runs that may use other files, or fewer
    assert store.is_dir()
    said = capsys.readouterr().err
    assert f"{part}, more than" in said and "set RESLAB_MAX_UNDECODABLE to a larger" in said
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "a few")
    with pytest.raises(UserError, match="RESLAB_MAX_UNDECODABLE=a few: expected a part"):
        data_module(config).prepare_data()
