"""Is it noise? What few seeds say of a difference: to a published number, or between two variants.

Evidence is numbers; `verdicts` judges all that is printed together, since Holm's correction is over
that. Lower errors are better. Intervals are plain 95 %; *agrees* is not corrected. McNemar's test
speaks of two nets, never of two variants: no verdict rests on it.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from reslab.papers.published import Published
from reslab.report.intervals import ALPHA, MOST, Interval, Spread, holm, needed, variance
from reslab.report.statistics import Summary, compare
from reslab.text import counted

Word = Literal["not comparable", "agrees", "better", "worse", "too few seeds"]

FEW = 5
"""Below so many seeds a share of them is no probability."""

SCATTER = {"mean": 1.0, "median": math.pi / 2}
"""The variance of a statistic of n errors is this times their variance / n; a median's is that of
many normal ones."""


@dataclass(frozen=True)
class Improvement:
    """In how many of the seeds that two variants share one has the lower error, or an equal one."""

    better: int
    equal: int
    seeds: int

    @property
    def probability(self) -> float | None:
        """Of a lower error, equal ones counted half; None below `FEW` seeds."""
        return None if self.seeds < FEW else (self.better + self.equal / 2) / self.seeds

    def __str__(self) -> str:
        """`2 of 2 seeds`, from five on `0.80`."""
        if self.probability is not None:
            return f"{self.probability:.2f}"
        equal = f", {self.equal} equal" if self.equal else ""
        return f"{self.better} of {self.seeds} seeds{equal}"


@dataclass(frozen=True)
class Evidence:
    """Ours minus the other's, in points, of n runs or pairs, and how that scatters.

    No spread: one run, runs that are all equal, or an obstacle. Beside a published number without a
    spread of its own `predicted` is how such a number would scatter around ours.
    """

    difference: float | None
    n: int
    spread: Spread | None = None
    predicted: Spread | None = None
    pairs: tuple[float, ...] = ()
    """The difference of each seed, of two variants that are paired."""
    obstacle: str = ""
    """Why the two cannot be compared."""

    @property
    def improvement(self) -> Improvement | None:
        """In how many pairs the error is lower."""
        signs = [(pair > 0) - (pair < 0) for pair in self.pairs]
        return Improvement(signs.count(-1), signs.count(0), len(signs)) if signs else None

    @cached_property
    def interval(self) -> Interval | None:
        """That of the difference."""
        if self.difference is None or self.spread is None:
            return None
        return self.spread.interval(self.difference, self.n)

    @property
    def p(self) -> float | None:
        """How likely such a difference is by chance, uncorrected."""
        tested = self.predicted or self.spread
        if self.difference is None or tested is None:
            return None
        return tested.p(self.difference, self.n)


@dataclass(frozen=True)
class Verdict:
    """A word, what it stands on, and `p` corrected for all that was judged with it.

    Where there are too few seeds, `needs` is about how many would decide.
    """

    word: Word
    evidence: Evidence
    p: float | None = None
    needs: int | None = None
    reason: str = ""

    @property
    def interval(self) -> Interval | None:
        """That of the difference."""
        return self.evidence.interval

    def __str__(self) -> str:
        """`better`, `too few seeds (needs about 7)`, `not comparable (budget)`."""
        return f"{self.word} ({self.reason})" if self.reason else self.word


@dataclass(frozen=True)
class Question:
    """Two rows of a table by their labels, and what is said of the second beside the first."""

    baseline: str
    label: str
    verdict: Verdict


# ---- evidence ---------------------------------------------------------------------------------


def against_published(ours: Summary, published: Published, obstacle: str = "") -> Evidence | None:
    """A variant's errors beside a published number; None before its first run is final.

    `obstacle` is what the protocols have not in common; beside one there is no difference.
    """
    n = len(ours.errors)
    if not n and not ours.diverged:
        return None
    like = None if obstacle else compare(ours, published)
    statistic, difference = (like.statistic, like.difference) if like else ("", None)
    obstacle = obstacle or _no_number(published, statistic) or _diverged(ours)
    own = variance([*ours.errors.values()])
    if obstacle or own is None:
        return Evidence(difference, n, obstacle=obstacle)
    spread, theirs = Spread(SCATTER[statistic] * own), _scatter(published, statistic)
    if published.std is not None and published.n is not None and published.n > 1:
        welch = replace(spread, theirs=theirs * published.std**2, freedom=published.n - 1)
        return Evidence(difference, n, welch)
    return Evidence(difference, n, spread, replace(spread, theirs=theirs * own))


def _scatter(published: Published, statistic: str) -> float:
    """The variance of a published number over that of a run: as one run's where it is not said
    what it is of how many."""
    if published.n is None or published.kind in ("single", "unstated"):
        return 1.0
    return float(SCATTER[statistic] / published.n)


def _no_number(published: Published, statistic: str) -> str:
    """Why a published number is none that runs can be held against."""
    if published.fail or published.bound:
        return "a failure is printed" if published.fail else "a bound is printed"
    if published.verified == "memory":
        return "a number from memory"
    return f"best of {published.n or 'several'}" if statistic == "best" else ""


def _diverged(ours: Summary) -> str:
    runs = counted(ours.diverged + len(ours.errors), "run")
    return f"{ours.diverged} of {runs} diverged" if ours.diverged else ""


def between(
    ours: Mapping[int, float],
    baseline: Mapping[int, float],
    diverged: int = 0,
    obstacle: str = "",
) -> Evidence | None:
    """Two variants by their errors of each seed, paired by the seeds that they share.

    None where they share none. `diverged` are runs of both.
    """
    seeds = sorted(ours.keys() & baseline.keys())
    if not seeds:
        return None
    obstacle = obstacle or (f"{counted(diverged, 'run')} diverged" if diverged else "")
    if obstacle:
        return Evidence(None, len(seeds), obstacle=obstacle)
    pairs = tuple(ours[seed] - baseline[seed] for seed in seeds)
    own = variance(pairs)
    spread = Spread(own) if own else None
    return Evidence(statistics.fmean(pairs), len(pairs), spread, pairs=pairs)


# ---- verdicts ---------------------------------------------------------------------------------


def verdicts(evidence: Sequence[Evidence], margin: float | None = None) -> list[Verdict]:
    """A verdict of each, judged together.

    Without a margin nothing agrees, and better or worse means that the difference is not 0.
    """
    tested = [each.p for each in evidence]
    corrected = iter(holm([p for p in tested if p is not None]))
    ps = [None if p is None else next(corrected) for p in tested]
    undecided = sum(p is not None and p >= ALPHA for p in ps)
    alpha = ALPHA / max(1, undecided)  # what Holm asks of the first that is not decided
    return [_verdict(each, p, margin or 0.0, alpha) for each, p in zip(evidence, ps, strict=True)]


def _verdict(evidence: Evidence, p: float | None, margin: float, alpha: float) -> Verdict:
    if evidence.obstacle:
        return Verdict("not comparable", evidence, reason=evidence.obstacle)
    interval, difference = evidence.interval, evidence.difference
    if interval is None or difference is None or p is None:
        none = "one seed has no spread" if evidence.n == 1 else "all seeds are equal"
        return Verdict("too few seeds", evidence, reason=none)
    if interval.within(margin) and not _stands_out(evidence):
        return Verdict("agrees", evidence, p)
    if p < ALPHA and abs(difference) > margin:
        return Verdict("better" if difference < 0 else "worse", evidence, p)
    needs = _needed(evidence, margin, alpha)
    reason = f"needs about {needs}" if needs else f"no n up to {MOST} decides"
    return Verdict("too few seeds", evidence, p, needs, reason)


def _stands_out(evidence: Evidence) -> bool:
    """Whether a published number without a spread lies outside our prediction interval."""
    return evidence.predicted is not None and (evidence.p or 0) < ALPHA


def _needed(evidence: Evidence, margin: float, alpha: float) -> int | None:
    """How many runs would decide; more of them do not bring in a number that stands out."""
    spread, difference = evidence.spread, evidence.difference
    if spread is None or difference is None:
        return None
    if abs(difference) < margin:
        return None if _stands_out(evidence) else needed(difference, spread, evidence.n, margin)
    return needed(difference, evidence.predicted or spread, evidence.n, margin, alpha)
