"""Where the photographs of a run lie, and that they are what was described."""

from functools import partial
from pathlib import Path

import pytest
from tests.folders import SPLIT, Make, filled

from reslab.config.data import Data
from reslab.config.photographs import PREPARED, chosen_root, listing_of, refuse_missing
from reslab.errors import UserError
from reslab.folders import list_folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A folder of files, each of which holds its own name."""
    return partial(filled, tmp_path / "photos")


def test_a_data_set_by_name_lies_under_the_data_folder_and_is_complete(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path))
    data = Data(name="imagenette_mini")
    with pytest.raises(UserError, match="RESLAB_DATA/imagenette-mini: expected "):
        refuse_missing(data)
    make(SPLIT).rename(tmp_path / "imagenette-mini")
    refuse_missing(data)
    with pytest.raises(UserError, match=r"expected 10 classes in .*imagenette-mini, found 2"):
        listing_of(data)


def test_a_prepared_store_that_is_missing_is_told_with_the_command_that_makes_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path))
    make(SPLIT).rename(tmp_path / "imagenette-mini")
    data = Data(name="imagenette_mini", prepared=160)
    folder = tmp_path / ".reslab" / "prepared" / "imagenette-mini-160"
    command = "python scripts/prepare.py imagenette_mini --shorter-side 160"
    with pytest.raises(UserError) as refusal:
        refuse_missing(data)
    assert str(refusal.value) == f"{folder} is not there, or not finished; to make it: {command}"
    folder.mkdir(parents=True)
    (folder / PREPARED).write_text("{}")
    refuse_missing(data)


def test_a_folder_that_has_changed_is_told_by_both_digests(make: Make) -> None:
    root = make(SPLIT)
    digest = list_folder(root).digest
    counts = {"classes": 2, "train": 3, "test": 2}
    data = Data(name="imagefolder", folder=str(root), files=digest, counts=counts)  # type: ignore[arg-type]
    assert listing_of(data).digest == digest
    (root / "train" / "cat" / "1.jpg").write_text("another photograph")
    changed = list_folder(root).digest
    with pytest.raises(UserError, match=f"digest is {changed}, the run's is {digest}"):
        listing_of(data)
    root.rename(root.with_name("moved"))
    with pytest.raises(UserError, match="if the photographs have moved, say where to"):
        listing_of(data)


def test_a_command_line_names_a_data_set_or_a_folder_of_ones_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path))
    make(SPLIT).rename(tmp_path / "imagenette-mini")
    assert chosen_root("imagenette_mini", None) == tmp_path / "imagenette-mini"
    assert chosen_root("imagefolder", tmp_path) == tmp_path
    for name, folder in (("imagefolder", None), ("imagenette_mini", tmp_path)):
        with pytest.raises(UserError, match="--folder belongs to imagefolder"):
            chosen_root(name, folder)
    with pytest.raises(UserError, match=r"--folder .*nowhere: there is no such folder"):
        chosen_root("imagefolder", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"expected .*/imagenet/train/<class>"):
        chosen_root("imagenet", None)
