"""What a plan compares, as differences with their intervals (a forest plot), and the verdicts.

A row is a variant beside its published number, or one variant beside another: the mean, its plain
95 % interval, and small dots for the seeds that a pair shares. `report.verdict` has the words.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reslab.report.figures.style import COLOURS, COLUMN, NothingToDraw, entitle, new_figure
from reslab.report.questions import judge
from reslab.report.rows import rows_of
from reslab.report.runs import Outcome
from reslab.report.verdict import Verdict
from reslab.store.plan import Plan
from reslab.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 38
"""In a line of a row's name; its verdict stands behind it."""
LINE = 0.14
"""Height of a line of text, in inches."""
WORDS = {"better": COLOURS[2], "worse": COLOURS[1], "agrees": COLOURS[0]}
"""Verdicts that decide, with their colours; what is undecided is grey."""
UNDECIDED = "0.35"
BELOW = 0.42
"""Where the seeds stand below their interval, in lines of text."""
ROOM = 3.0
"""Intervals are cut, with an arrow, at this many times the largest difference."""


@dataclass(frozen=True)
class Line:
    """A difference that is known, with its verdict."""

    name: str
    verdict: Verdict

    @property
    def difference(self) -> float:
        """In points."""
        assert self.verdict.evidence.difference is not None
        return self.verdict.evidence.difference

    @property
    def pairs(self) -> tuple[float, ...]:
        """Those of the seeds, where they are paired."""
        return self.verdict.evidence.pairs


def differences(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """The figure; of what cannot be compared there is no row."""
    panels = {head: rows for head, rows in _panels(plan, outcomes).items() if rows}
    if not panels:
        raise NothingToDraw("no difference is known: nothing is compared, or it has no run yet")
    lines = {head: sum(_height(row) for row in rows) for head, rows in panels.items()}
    figure = new_figure(COLUMN, 0.35 + sum(0.55 + LINE * count for count in lines.values()))
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[*lines.values()])
    for (axes,), (head, rows) in zip(grid, panels.items(), strict=True):
        _panel(axes, rows, plan.margin)
        axes.set_xlabel(textwrap.fill(printable(head), LETTERS + 10), parse_math=False)
    entitle(figure, plan.title)
    return figure


def _panels(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, list[Line]]:
    rows, questions = judge(plan, rows_of(plan, outcomes))
    own = [Line(row.outcome.label, row.verdict) for row in rows if row.verdict]
    asked = [each for each in questions if _is_known(each.verdict)]
    baselines = {each.baseline for each in asked}
    one = len(baselines) == 1
    pairs = [
        Line(each.label if one else f"{each.baseline} → {each.label}", each.verdict)
        for each in asked
    ]
    between = f"difference to {baselines.pop()}" if one else "second − first"
    return {
        "ours − published, points of error": [row for row in own if _is_known(row.verdict)],
        f"{between}, points of test error": pairs,
    }


def _is_known(verdict: Verdict) -> bool:
    return verdict.evidence.difference is not None


def _height(row: Line) -> float:
    """In lines of text: its name, and one for the interval."""
    return len(_wrapped(row.name)) + 1.4


def _wrapped(name: str) -> list[str]:
    return textwrap.wrap(printable(name), LETTERS) or [""]


def _panel(axes: "Axes", rows: Sequence[Line], margin: float | None) -> None:
    """The rows from top to bottom, in lines of text."""
    low, high = _limits(rows, margin)
    axes.set_xlim(low, high)
    axes.set_ylim(sum(map(_height, rows)), 0)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    top = 0.0
    for row in rows:
        below = [top + len(_wrapped(row.name)), top + _height(row)]
        axes.plot([0, 0], below, color="0.6", linewidth=0.8, zorder=0)
        if margin is not None:
            axes.fill_betweenx(below, -margin, margin, color="0.92", lw=0, zorder=-1)
        _draw(axes, row, top, (low, high))
        top += _height(row)


def _draw(axes: "Axes", row: Line, top: float, ends: tuple[float, float]) -> None:
    colour = WORDS.get(row.verdict.word, UNDECIDED)
    names = _wrapped(row.name)
    said: Any = {"transform": axes.get_yaxis_transform(), "fontsize": 7, "va": "center"}
    said |= {"parse_math": False}
    for line, name in enumerate(names):
        axes.text(0, top + line + 0.5, name, ha="left", **said)
    axes.text(1, top + 0.5, row.verdict.word, ha="right", color=colour, **said)
    y = top + len(names) + 0.5
    if row.verdict.interval is not None:
        _interval(axes, row.verdict.interval.low, row.verdict.interval.high, y, ends, colour)
    at_seeds = [y + BELOW] * len(row.pairs)
    axes.plot(row.pairs, at_seeds, ".", color=colour, markersize=3.5, alpha=0.6, markeredgewidth=0)
    filled = "full" if row.verdict.interval else "none"
    axes.plot(row.difference, y, "s", color=colour, markersize=3.5, fillstyle=filled)


def _interval(
    axes: "Axes", low: float, high: float, y: float, ends: tuple[float, float], colour: str
) -> None:
    """A line with ends, and arrows where it goes on."""
    axes.plot([max(low, ends[0]), min(high, ends[1])], [y, y], color=colour, linewidth=1.2)
    for end, is_cut, cut, arrow in (
        (low, low < ends[0], ends[0], "<"),
        (high, high > ends[1], ends[1], ">"),
    ):
        mark, at = (arrow, cut) if is_cut else ("|", end)
        axes.plot(at, y, mark, color=colour, markersize=4, clip_on=False)


def _limits(rows: Sequence[Line], margin: float | None) -> tuple[float, float]:
    """All differences, and intervals as far as they do not make these one point."""
    points = [p for row in rows for p in (row.difference, *row.pairs)]
    most = ROOM * max(map(abs, [*points, margin or 0.0]))
    intervals = [row.verdict.interval for row in rows if row.verdict.interval]
    ends = [end for i in intervals for end in (max(i.low, -most), min(i.high, most))]
    low, high = min([*points, *ends, -(margin or 0.0)]), max([*points, *ends, margin or 0.0])
    pad = 0.05 * (max(high, 0) - min(low, 0)) or 1.0
    return min(low, 0) - pad, max(high, 0) + pad
