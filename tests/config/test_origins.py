"""Where the files of weights are looked for."""

from pathlib import Path

import pytest

from reslab import store
from reslab.config import origins
from reslab.config.origins import bring, places
from reslab.config.start import Start
from reslab.errors import UserError


def test_published_files_are_looked_for_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Start(name="akamaster:resnet20")
    assert places(start) == [Path("data/weights/resnet20-12fca82f.th")]
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path))
    (tmp_path / "resnet20-12fca82f.th").write_bytes(b"x")
    assert bring(start) == tmp_path / "resnet20-12fca82f.th"


def test_a_moved_file_is_found_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Start(file=str(tmp_path / "gone" / "a.pth"), sha256="0" * 64)
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=r"there is no .*gone/a\.pth and no .*a\.pth; bring"):
        bring(start)
    (tmp_path / "a.pth").write_bytes(b"x")
    assert bring(start) == tmp_path / "a.pth"


def test_names_of_a_runs_files_are_the_stores() -> None:
    assert (origins.CHECKPOINT, origins.CONFIG) == (store.CHECKPOINT, store.CONFIG)
