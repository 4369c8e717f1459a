"""Two nets on the same images, and the images that no net gets right."""

import numpy as np
import pytest

from reslab.errors import UserError
from reslab.report.mistakes import mcnemar, wrong_in_all


def nets(only_first: int, only_second: int, both: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Which of their images two nets get wrong, 20 of which both get right."""
    first = [True] * only_first + [False] * only_second + [True] * both + [False] * 20
    second = [False] * only_first + [True] * only_second + [True] * both + [False] * 20
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    ("split", "p"),
    [
        ((8, 2), 2 * (1 + 10 + 45) / 2**10),  # C(10, 0) + C(10, 1) + C(10, 2), both tails
        ((1, 5), 2 * (1 + 6) / 2**6),
        ((4, 4), 1.0),
        ((0, 0), 1.0),
    ],
)
def test_mcnemars_p_is_the_binomials(split: tuple[int, int], p: float) -> None:
    found = mcnemar(*nets(*split))
    assert (found.only_first, found.only_second) == split
    assert found.p == pytest.approx(p)


def test_what_both_get_wrong_decides_nothing() -> None:
    assert mcnemar(*nets(8, 2, both=0)) == mcnemar(*nets(8, 2, both=500))


def test_what_everybody_gets_wrong_is_told_by_its_place() -> None:
    each = [np.array(bits, bool) for bits in ([1, 0, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1])]
    assert wrong_in_all(each).tolist() == [0, 3]
    assert wrong_in_all(each[:1]).tolist() == [0, 2, 3]


def test_nets_that_were_tested_on_other_images_are_refused() -> None:
    with pytest.raises(UserError, match="the same images, found 3 and 4"):
        mcnemar(np.zeros(4, bool), np.zeros(3, bool))
    with pytest.raises(UserError, match="the same images, found none"):
        wrong_in_all([])
