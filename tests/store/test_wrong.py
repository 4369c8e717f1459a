"""Which test images are wrong is kept as a bit each, and read back as it was."""

from pathlib import Path

import numpy as np
import pytest

from reslab import disk, store
from reslab.errors import UserError
from reslab.store.folder import WRONG
from reslab.store.wrong import read_wrong, write_wrong

BITS = np.array([True, False, False, True, False, False, False, False, True, False])
"""Ten images: 1001 0000 and 10, filled up with zeros."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder whose result says ten images, three of them wrong."""
    score = {"examples": 10, "wrong": 3, "top1_error": 30.0, "loss": 1.0}
    result = {"status": "done", "step": 1, "train": score, "test": score}
    disk.write_json(tmp_path / store.RESULT, result)
    return tmp_path


def test_eight_images_are_a_byte_and_come_back_in_their_order(run: Path) -> None:
    write_wrong(run, BITS)
    assert (run / WRONG).read_bytes() == bytes([0b10010000, 0b10000000])
    found = read_wrong(str(run))
    assert found.dtype == bool and found.tolist() == BITS.tolist()


def test_a_run_from_before_has_none_and_that_is_said(run: Path) -> None:
    with pytest.raises(UserError, match=r"has no wrong\.bin, as runs from before it was kept"):
        read_wrong(run)


@pytest.mark.parametrize("bits", [BITS[:8], ~BITS, np.append(BITS, [False] * 8)], ids=len)
def test_a_file_that_is_not_what_the_result_says_is_damaged(run: Path, bits: np.ndarray) -> None:
    write_wrong(run, bits)
    with pytest.raises(UserError, match=r"wrong\.bin is damaged: .* 3 of 10 images"):
        read_wrong(run)


def test_a_run_that_is_not_done_has_no_tested_net(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of a run that is done"):
        read_wrong(tmp_path)
    disk.write_json(tmp_path / store.RESULT, {"status": "diverged", "step": 3})
    with pytest.raises(UserError, match="of a run that is done"):
        read_wrong(tmp_path)
