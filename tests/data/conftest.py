"""The official data sets, where they are at hand."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from reslab.data import files
from reslab.data.sources import Source, open_source


@pytest.fixture(scope="session")
def official(data_folder: Path) -> Callable[[str], Source]:
    """Open a data set from the data folder, once for all tests and never from the network.

    A test that needs one which is not there is skipped; with CI set it fails.
    """

    @cache
    def open_official(name: str) -> Source:
        needed = [data_folder / file.path for part in files.DOWNLOADS[name] for file in part.files]
        missing = [str(path) for path in needed if not path.exists()]
        if missing:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {missing[0]}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RESLAB_DATA", str(data_folder))
            return open_source(name)

    return open_official
