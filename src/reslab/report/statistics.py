"""Statistics over the seeds of one variant, and the one that is like a published number.

"Best", "median" and "mean" are over seeds, never over epochs. A diverged run counts as worse than
any finite one where ranks decide (best, median), and leaves no mean: one over survivors flatters.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from reslab.papers.published import Published


@dataclass(frozen=True)
class Summary:
    """Errors over seeds, in per cent. None: no run yet, or not defined because runs diverged."""

    errors: Mapping[int, float]
    """Of the runs that trained, by their seeds."""
    diverged: int
    mean: float | None
    std: float | None
    """Sample standard deviation (n − 1); None with fewer than two runs."""
    best: float | None
    median: float | None


@dataclass(frozen=True)
class Comparison:
    """Like beside like: the same statistic of ours and of the published runs."""

    statistic: str
    ours: float
    published: float

    @property
    def difference(self) -> float:
        """Ours minus published, in points."""
        return self.ours - self.published


def summarize(errors: Mapping[int, float], diverged: int = 0) -> Summary:
    """The statistics of the final errors of the runs that trained, by their seeds, beside those
    that diverged."""
    values, whole = list(errors.values()), bool(errors) and not diverged
    return Summary(
        errors=errors,
        diverged=diverged,
        mean=statistics.fmean(values) if whole else None,
        std=statistics.stdev(values) if whole and len(values) > 1 else None,
        best=min(values, default=None),
        median=_median([*sorted(values), *[float("inf")] * diverged]),
    )


def compare(ours: Summary, published: Published) -> Comparison | None:
    """Mean with mean, median with median, best with best, in this order of preference.

    A single run or a number whose statistic is not stated stands beside our mean. None for a bound,
    a failure, or where ours does not exist.
    """
    if published.bound or published.fail:
        return None
    if published.kind in ("single", "unstated"):
        return _pair("mean", ours.mean, published.value)
    pairs = (
        _pair("mean", ours.mean, published.mean),
        _pair("median", ours.median, published.median),
        _pair("best", ours.best, published.best),
    )
    return next(filter(None, pairs), None)


def _median(ordered: list[float]) -> float | None:
    if not ordered:
        return None
    middle = statistics.median(ordered)
    return None if middle == float("inf") else middle


def _pair(statistic: str, ours: float | None, published: float | None) -> Comparison | None:
    if ours is None or published is None:
        return None
    return Comparison(statistic, ours, published)
