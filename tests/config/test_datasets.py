"""Facts about the data sets by name, and where they lie."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reslab.config.data import Data
from reslab.config.datasets import data_root, imagenet_wnids, read_words
from reslab.config.photographs import listing_of


def test_the_folder_is_reslab_data_or_else_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_DATA", "elsewhere")
    assert data_root() == Path("elsewhere")
    monkeypatch.delenv("RESLAB_DATA")
    assert data_root() == Path("data")


def test_a_file_of_words_may_have_comments(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("# two of them\n\n  b # and\na c\n")
    assert read_words(tmp_path / "words") == ("b", "a", "c")


def test_the_classes_of_imagenet_are_a_thousand_sorted_ids() -> None:
    wnids = imagenet_wnids()
    assert len(wnids) == 1000
    assert list(wnids) == sorted(set(wnids))
    assert (wnids[0], wnids[217], wnids[-1]) == ("n01440764", "n02102040", "n15075141")


def test_imagenette_mini_is_what_its_facts_say(require_data: Callable[[str], Path]) -> None:
    require_data("imagenette_mini")
    found = listing_of(Data(name="imagenette_mini"))
    assert (len(found.classes), len(found.train), len(found.test)) == (10, 2000, 500)
