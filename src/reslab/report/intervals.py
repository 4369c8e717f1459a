"""Student's t with few runs: intervals, p values, Holm's correction, and how many runs decide.

Colas 2018 (arXiv 1806.08295) on what is sound with few seeds; quantiles and distribution functions
are scipy's. All errors and differences are in points (per cent).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ALPHA = 0.05
"""Intervals hold 95 %; a difference is one where p is below this."""

POWER = 0.8

MOST = 100
"""Runs; where no more decide either, that is said."""

EQUAL = 1e-9
"""Errors are counts, and equal ones have no spread; this is float's rounding."""

QUANTILES = 50
"""Of a spread that is estimated, for power."""


@dataclass(frozen=True)
class Interval:
    """From low to high, both in points."""

    low: float
    high: float

    def within(self, margin: float) -> bool:
        """Whether all of it lies inside ± margin."""
        return -margin < self.low and self.high < margin


@dataclass(frozen=True)
class Spread:
    """How a difference scatters: with n runs of ours its variance is own / n + theirs.

    `freedom` are the degrees of freedom of `theirs`; None where that is estimated from our runs.
    """

    own: float
    theirs: float = 0.0
    freedom: int | None = None

    def error(self, n: Any) -> Any:
        """The standard error; of a number of runs or of an array of such."""
        return (self.own / n + self.theirs) ** 0.5

    def degrees(self, n: Any) -> Any:
        """Degrees of freedom: n − 1, or Welch's and Satterthwaite's."""
        if self.freedom is None:
            return n - 1
        ours = self.own / n
        return (ours + self.theirs) ** 2 / (ours**2 / (n - 1) + self.theirs**2 / self.freedom)

    def interval(self, centre: float, n: int) -> Interval:
        """The 95 % interval around an estimate from n > 1 runs."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.degrees(n), 1 - ALPHA / 2)) * self.error(n)
        return Interval(centre - half, centre + half)

    def p(self, difference: float, n: int) -> float:
        """Two-sided: how likely a difference at least as large is where there is none."""
        from scipy.special import stdtr

        return 2 * float(stdtr(self.degrees(n), -abs(difference) / self.error(n)))


def variance(errors: Sequence[float]) -> float | None:
    """With n − 1; None for fewer than two, and where all are equal."""
    if len(errors) < 2 or statistics.stdev(errors) < EQUAL:
        return None
    return statistics.variance(errors)


def mean_interval(errors: Sequence[float]) -> Interval | None:
    """The 95 % interval of the mean; None for fewer than two errors, and where all are equal."""
    own = variance(errors)
    return Spread(own).interval(statistics.fmean(errors), len(errors)) if own else None


def holm(ps: Sequence[float]) -> list[float]:
    """Each p value after Holm's correction for all of them, in their order (Holm 1979)."""
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = least
    return adjusted


def needed(
    difference: float, spread: Spread, n: int, margin: float = 0.0, alpha: float = ALPHA
) -> int | None:
    """The fewest runs, more than n, with which `POWER` of all tries would decide, were the
    difference and the spread as they were seen; None where `MOST` do not.

    What lies beyond the margin is decided where it is found beyond the margin and to be none by
    chance, at `alpha`; what lies inside, where the 95 % interval lies inside.
    """
    import numpy

    runs = numpy.arange(max(n + 1, 2), MOST + 1)
    powers = _powers(abs(difference), spread, runs, margin, alpha)
    enough = numpy.flatnonzero(powers >= POWER)
    return int(runs[enough[0]]) if enough.size else None


def _powers(difference: float, spread: Spread, runs: Any, margin: float, alpha: float) -> Any:
    """For each number of runs: how often it decides, over the spreads that it would estimate."""
    from numpy import arange, clip, maximum, newaxis, sqrt
    from scipy.special import chdtri, ndtr, stdtrit

    inside = difference < margin
    error, degrees = spread.error(runs)[:, newaxis], spread.degrees(runs)[:, newaxis]
    quantiles = (arange(QUANTILES) + 0.5) / QUANTILES
    estimated = error * sqrt(chdtri(degrees, quantiles) / degrees)
    half = stdtrit(degrees, 1 - (ALPHA if inside else alpha) / 2) * estimated
    bound = clip(margin - half, 0, None) if inside else maximum(half, margin)
    below, above = ndtr((-bound - difference) / error), ndtr((bound - difference) / error)
    decided = above - below if inside else 1 - above + below
    return decided.mean(axis=1)
