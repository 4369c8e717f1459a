"""What each test image was taken for is kept as small arrays, and read back as it was."""

from pathlib import Path

import numpy as np
import pytest

from reslab import disk, store
from reslab.errors import UserError
from reslab.store.answers import Answers, read_answers, write_answers
from reslab.store.folder import ANSWERS

FIVE = Answers(
    np.array([0, 0, 1, 2, 2], np.uint16),
    np.array([0, 1, 1, 0, 2], np.uint16),
    np.array([0.9, 0.6, 0.5, 1.0, 0.75], np.float16),
    ("cat", "dog", "Büffel"),
)
"""Five images of three classes, two of them wrong."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder whose result says five images, two of them wrong."""
    score = {"examples": 5, "wrong": 2, "top1_error": 40.0, "loss": 1.0}
    result = {"status": "done", "step": 1, "train": score, "test": score}
    disk.write_json(tmp_path / store.RESULT, result)
    return tmp_path


def test_they_come_back_as_they_were(run: Path) -> None:
    write_answers(run, FIVE)
    found = read_answers(run)
    assert found is not None
    assert [array.tolist() for array in found[:3]] == [array.tolist() for array in FIVE[:3]]
    assert [array.dtype for array in found[:3]] == [np.uint16, np.uint16, np.float16]
    assert found.class_names == FIVE.class_names


def test_equal_answers_are_equal_files(run: Path) -> None:
    write_answers(run, FIVE)
    first = (run / ANSWERS).read_bytes()
    write_answers(run, FIVE)
    assert (run / ANSWERS).read_bytes() == first


def test_a_confusion_counts_what_a_rows_class_was_taken_for() -> None:
    assert FIVE.confusion().tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert FIVE.wrong.tolist() == [False, True, False, True, False]


def test_a_run_from_before_has_none(run: Path) -> None:
    assert read_answers(run) is None


@pytest.mark.parametrize(
    "other",
    [
        {"predicted": FIVE.targets},
        {"predicted": np.array([0, 1, 1, 0, 3], np.uint16)},
        {"confidence": FIVE.confidence[:4]},
        {"targets": FIVE.targets[:4], "predicted": FIVE.predicted[:4]},
    ],
    ids=["none wrong", "a class that is none", "of other images", "of fewer images"],
)
def test_a_file_that_is_not_what_the_result_says_is_damaged(
    run: Path, other: dict[str, np.ndarray]
) -> None:
    write_answers(run, FIVE._replace(**other))
    with pytest.raises(UserError, match=r"answers\.npz is damaged"):
        read_answers(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY"])
def test_a_torn_file_is_damaged(run: Path, content: bytes) -> None:
    (run / ANSWERS).write_bytes(content)
    with pytest.raises(UserError, match=r"answers\.npz is damaged"):
        read_answers(run)


def test_what_a_pickle_would_run_is_not_run(run: Path) -> None:
    np.savez(run / ANSWERS, targets=np.array([print], dtype=object))
    with pytest.raises(UserError, match="damaged"):
        read_answers(run)


def test_a_run_that_is_not_done_has_no_tested_net(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of a run that is done"):
        read_answers(tmp_path)
