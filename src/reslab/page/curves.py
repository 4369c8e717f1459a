"""Error and loss curves of runs for a browser: thinned, in four digits, each list of steps once.

A page has at most `MOST` points, however many runs it is of. What is a mean over batches is
averaged over equal stretches of rows, as means over batches can be; of evaluations the last of each
stretch stays, which is one that was made.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab import disk, store
from reslab.report.runs import Outcome, Run

MOST = 160_000
"""Points of all curves of a page: with their steps about a megabyte."""

FEWEST, LONGEST = 40, 1000
"""Points of one curve."""


@dataclass(frozen=True)
class Quantity:
    """What a curve is of: its key in the metrics, its name and unit."""

    key: str
    name: str
    unit: str
    of_batches: bool
    """Whether a row is the mean over training batches since the last; else an evaluation."""


QUANTITIES = (
    Quantity("test_top1_error", "test error", "%", False),
    Quantity("train_top1_error", "error on training batches, as augmented", "%", True),
    Quantity("test_loss", "test loss", "nats", False),
    Quantity("train_loss", "loss on training batches, as augmented", "nats", True),
)


Rows = Sequence[tuple[int, float]]
"""Steps and values."""

_KEPT: dict[Path, tuple[tuple[int, int], dict[str, Rows]]] = {}
"""What was read of each run, and when that was written."""


@dataclass
class Curves:
    """Curves of a page as they are filled in, `points` at most in each."""

    points: int
    steps: dict[tuple[int, ...], int] = field(default_factory=dict)
    """Each list of steps, and its place among them."""
    stretch: int = 1
    """The most rows that stand for one point anywhere."""

    def of(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Of each run its curves: by the quantity's key the place of its steps, and its values.

        Runs of one variant are cut at the same steps, so that they can be averaged.
        """
        found: list[dict[str, Any]] = [{} for _ in outcome.runs]
        for quantity in QUANTITIES:
            series = [_series(run, quantity.key) for run in outcome.runs]
            size = -(-max(map(len, series), default=0) // self.points)
            self.stretch = max(self.stretch, size)
            for run, rows in zip(found, series, strict=True):
                if rows:
                    steps, values = thinned(rows, size, quantity.of_batches)
                    run[quantity.key] = [self.steps.setdefault(steps, len(self.steps)), values]
        return found


def points_each(runs: int) -> int:
    """How many points a curve may have on a page of so many runs."""
    return max(FEWEST, min(LONGEST, MOST // max(1, runs * len(QUANTITIES))))


def thinned(rows: Rows, size: int, of_batches: bool) -> tuple[tuple[int, ...], list[float]]:
    """Steps and values, one for each `size` rows, at the last step of these."""
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    values = [
        statistics.fmean(value for _, value in part) if of_batches else part[-1][1]
        for part in parts
    ]
    return tuple(part[-1][0] for part in parts), [float(f"{value:.4g}") for value in values]


def _series(run: Run, key: str) -> Rows:
    """Steps with their values; the last of a step that stands twice, none where it is no number."""
    return _read(run).get(key, [])


def _read(run: Run) -> dict[str, Rows]:
    """Of every quantity. A live page reads again what was written since."""
    before, written = _KEPT.get(run.folder), disk.written(run.folder / store.METRICS)
    if before is None or before[0] != written:
        found: dict[str, Rows] = {}
        for quantity in QUANTITIES:
            key = quantity.key
            values = {row["step"]: row[key] for row in run.metrics if row.get(key) is not None}
            found[key] = sorted(values.items())
        _KEPT[run.folder] = before = (written, found)
    return before[1]
