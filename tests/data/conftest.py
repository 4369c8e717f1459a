"""The official data sets, where they are at hand."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.data.images import DECODABLE, encoded, gradient

from reslab.data.sources import Source, open_source

opened = cache(open_source)
"""Each data set is read once for all tests."""


@pytest.fixture
def official(require_data: Callable[[str], Path]) -> Callable[[str], Source]:
    """`official("cifar10")`: a data set from the data folder, never from the network.

    A test that needs one which is not there is skipped; with CI set it fails.
    """

    def open_official(name: str) -> Source:
        require_data(name)
        return opened(name)

    return open_official


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 18 training and 9 test images in three classes, of many shapes and formats.

    What is found out about them is kept beside it; files may be put into it.
    """
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    root = tmp_path / "Füchse 狐"
    contents = list(DECODABLE.values())
    for split, count in {"train": 6, "val": 3}.items():
        for label, name in enumerate(("Fuchs", "chat", "狐")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for place in range(count):
                shape = 33 + 7 * place, 40 + 11 * label
                content = encoded(gradient(*shape, shade=40 * place), ("JPEG", "PNG")[place % 2])
                (folder / f"{place}.jpg").write_bytes(content)
            (folder / "0.jpg").write_bytes(contents[label])
    return root
