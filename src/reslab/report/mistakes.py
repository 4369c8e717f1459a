"""Which test images nets get wrong: two nets on the same images, and what no net gets right.

These speak of nets, never of variants: a variant is more than its runs. The bits are of
`store.wrong.read_wrong` (`reslab.wrong`).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from reslab.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Disagreement(NamedTuple):
    """Of two nets: images that only one of them gets wrong, and the p of so uneven a split."""

    only_first: int
    only_second: int
    p: float
    """Two-sided, exact: each of these images is a fair coin's if both nets are equally good."""


def mcnemar(first: "NDArray[np.bool_]", second: "NDArray[np.bool_]") -> Disagreement:
    """McNemar's test of two nets on the same images, (N,) each (McNemar 1947, Psychometrika 12).

    `UserError` where these are not equally many.
    """
    from scipy.stats import binomtest  # a second

    _refuse_other_images([first, second])
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    p = float(binomtest(one, one + other).pvalue) if one + other else 1.0
    return Disagreement(one, other, p)


def wrong_in_all(nets: "Iterable[NDArray[np.bool_]]") -> "NDArray[np.intp]":
    """The places in the test set, ascending, of the images that each of the nets gets wrong."""
    import numpy as np

    each = list(nets)
    _refuse_other_images(each)
    return np.flatnonzero(np.logical_and.reduce(each))


def _refuse_other_images(nets: "list[NDArray[np.bool_]]") -> None:
    sizes = sorted({len(wrong) for wrong in nets})
    if len(sizes) != 1:
        found = " and ".join(f"{size:,}" for size in sizes) or "none"
        raise UserError(f"expected nets that were tested on the same images, found {found}")
