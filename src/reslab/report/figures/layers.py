"""What happens inside nets, layer by layer, of runs that were measured (DIAGNOSTICS=1).

`gradients`: the norm of the loss's gradient in each layer's weight, at the first step and over the
training. `responses`: standard deviations, as He 2015, Fig. 7, first as the layers come, then
sorted. Drawn from `diagnostics.jsonl` alone.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reslab import store
from reslab.report.figures.style import (
    COLUMN,
    DASHED,
    TEXT,
    NothingToDraw,
    colours,
    entitle,
    is_plain,
    legend,
    new_figure,
    rule,
)
from reslab.report.runs import Outcome
from reslab.store.diagnostics import read_diagnostics
from reslab.store.plan import Plan
from reslab.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = tuple[float, ...]
"""One for each layer of a net, in order; nan where it is none."""

UNMEASURED = "no run was measured; DIAGNOSTICS=1 of make experiment measures those that train"

LINE: Any = {"linewidth": 0.9}
DOTS: Any = {"marker": ".", "markersize": 3}
FEW = 40
"""Layers that have dots."""
PLAIN: Any = {"linestyle": DASHED}
"""Of nets without shortcuts, as He 2015 draws them beside the others."""


def gradients(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Two panels with one axis: the first step's, and the mean over the steps after it."""
    first = _measured(outcomes, "gradients", lambda rows: rows[:1], _geometric)
    later = _measured(outcomes, "gradients", lambda rows: rows[1:], _geometric)
    figure = new_figure(TEXT, 2.7)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, found, title in zip(
        panels, (first, later), ("first step", "later steps, geometric mean"), strict=True
    ):
        _lines(axes, found, outcomes)
        axes.set_title(title)
        axes.set_xlabel("layer with weights, shortcuts apart")
    panels[0].set_yscale("log")
    panels[0].set_ylabel("norm of ∂loss/∂weight")
    return _finished(figure, plan, panels[0])


def responses(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Two panels, one above the other: as the layers come, and in descending order."""
    found = _measured(outcomes, "responses", lambda rows: rows, _mean)
    figure = new_figure(COLUMN, 4.0)
    panels = figure.subplots(2, 1, sharey=True)
    _lines(panels[0], found, outcomes)
    falling = {label: _descending(stds) for label, stds in found.items()}
    _lines(panels[1], falling, outcomes)
    panels[0].set_xlabel("3×3 layer")
    panels[1].set_xlabel("3×3 layer, sorted by its response")
    for axes in panels:
        axes.set_ylabel("std of responses")
        axes.set_ylim(bottom=0)
    return _finished(figure, plan, panels[0])


# ---- from files ---------------------------------------------------------------------------------


def _measured(
    outcomes: Sequence[Outcome],
    kind: str,
    chosen: Callable[[list[store.Row]], list[store.Row]],
    mean: Callable[[Iterable[float]], float],
) -> dict[str, Numbers]:
    """By label the mean of each layer over the chosen rows of all seeds."""
    found = dict[str, Numbers]()
    for outcome in outcomes:
        rows = [row for run in outcome.runs for row in chosen(_rows(run.folder, kind))]
        names = [name for name in (rows[0][kind] if rows else ()) if "downsample" not in name]
        if names:
            found[outcome.label] = tuple(mean(_of(rows, kind, name)) for name in names)
    return found


def _rows(folder: Any, kind: str) -> list[store.Row]:
    return [row for row in read_diagnostics(folder) if row.get(kind)]


def _of(rows: Sequence[store.Row], kind: str, name: str) -> list[float]:
    """A layer's finite numbers."""
    return [value for row in rows if (value := row[kind].get(name)) is not None]


def _mean(values: Iterable[float]) -> float:
    listed = [*values]
    return statistics.fmean(listed) if listed else math.nan


def _descending(values: Numbers) -> Numbers:
    """Without those that are none."""
    return tuple(sorted(filter(math.isfinite, values), reverse=True))


def _geometric(values: Iterable[float]) -> float:
    """Of norms, which span decades; a gradient that is 0 has no logarithm and is left out."""
    return math.exp(_mean(math.log(value) for value in values if value > 0))


# ---- drawn --------------------------------------------------------------------------------------


def _lines(axes: "Axes", found: dict[str, Numbers], outcomes: Sequence[Outcome]) -> None:
    every = colours(len(outcomes))
    for outcome, colour in zip(outcomes, every, strict=True):
        numbers = found.get(outcome.label, ())
        style = LINE | (PLAIN if is_plain(outcome) else {})
        style |= DOTS if len(numbers) <= FEW else {}
        if numbers:
            label = printable(outcome.label)
            axes.plot(range(1, len(numbers) + 1), numbers, color=colour, label=label, **style)
    rule(axes)
    axes.locator_params(axis="x", integer=True)


def _finished(figure: "Figure", plan: Plan, axes: "Axes") -> "Figure":
    """With its title, and what the lines are; `NothingToDraw` where there are none."""
    if not axes.get_lines():
        raise NothingToDraw(UNMEASURED)
    entitle(figure, plan.title)
    legend(figure, axes.get_lines())
    return figure
