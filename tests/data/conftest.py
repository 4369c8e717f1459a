"""The official data sets, where they are at hand."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

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
