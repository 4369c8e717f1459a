"""Which classes are taken for which, and the errors of each class: from `answers.npz` of the runs.

A row of a confusion matrix is a class of images, a column what they were taken for, in per cent of
the row, the mean over seeds. Where there are many classes the most frequent confusions stand in its
place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from reslab.report.figures.style import (
    COLUMN,
    MARKERS,
    TEXT,
    NothingToDraw,
    entitle,
    legend,
    looks,
    new_figure,
    rule,
)
from reslab.report.runs import Outcome
from reslab.store.answers import Answers
from reslab.store.plan import Plan
from reslab.text import printable, shortened

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MATRICES = 6
"""Variants of which each has a matrix; of more, the first and the one with the fewest errors."""
CLASSES = 25
"""Classes that a matrix has names and numbers for, and that errors are drawn of, the worst."""
PAIRS = 15
"""Confusions that stand in the place of a larger matrix."""
NAME = 16
"""Letters of a class's name."""
DIGITS = 2
"""Letters of names that stand upright below a matrix."""
ROW = 0.17
"""Height of a class, in inches."""


@dataclass(frozen=True)
class Confusion:
    """Of a variant: (classes, classes) in per cent of a row's images, the mean over seeds."""

    label: str
    class_names: tuple[str, ...]
    rates: "NDArray[np.float64]"
    by_seed: "NDArray[np.float64]"
    """(seeds, classes): errors of each class, in per cent; NaN for one without test images."""


def confusion(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """A matrix for each variant, or its most frequent confusions."""
    found = _shown(_confusions(outcomes))
    small = all(len(each.class_names) <= CLASSES for each in found)
    figure = _matrices(found) if small else _pairs(found)
    entitle(figure, plan.title)
    return figure


def class_errors(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """The errors of each class, those with the most above: means over seeds, and their range."""
    import numpy as np

    found = _confusions(outcomes)
    names = found[0].class_names
    if any(each.class_names != names for each in found):
        raise NothingToDraw("its variants are tested on other classes")
    means = np.array([each.by_seed.mean(0) for each in found])
    order = np.argsort(-np.nan_to_num(means.mean(0), nan=-1.0), kind="stable")[:CLASSES]
    fits = len(found) <= len(MARKERS)
    height = 1.0 + ROW * len(order) * max(1.0, len(found) / 6) + 0.17 * (len(found) // 2)
    figure = new_figure(COLUMN if fits else TEXT, height)
    axes = figure.add_subplot()
    for at, (each, look) in enumerate(zip(found, looks(len(found)), strict=True)):
        place = np.arange(len(order)) + 0.7 * ((at + 0.5) / len(found) - 0.5)
        _errors(axes, each, order, place, look)
    _class_axis(axes, [_name(names[i]) for i in order])
    axes.set_xlabel("error, %")
    if len(names) > CLASSES:
        axes.set_title(f"the {CLASSES} of {len(names):,} classes with the most errors")
    entitle(figure, plan.title)
    legend(figure, axes.get_lines())
    return figure


# ---- what is known ------------------------------------------------------------------------------


def _confusions(outcomes: Sequence[Outcome]) -> list[Confusion]:
    kept = {o.label: [run.answers for run in o.runs if run.answers] for o in outcomes}
    found = [_confusion(label, answers) for label, answers in kept.items() if answers]
    if not found:
        raise NothingToDraw(
            "no run has answers.npz: none is done, or they are from before it was kept; "
            "FIGURE=mistakes evaluates these again"
        )
    return found


def _confusion(label: str, answers: Sequence[Answers]) -> Confusion:
    import numpy as np

    counts = np.array([each.confusion() for each in answers], dtype=float)
    images = counts.sum(2, keepdims=True)
    with np.errstate(invalid="ignore"):
        rates = 100 * counts / images
    right = rates[:, range(counts.shape[1]), range(counts.shape[1])]
    return Confusion(label, answers[0].class_names, rates.mean(0), 100 - right)


def _shown(found: list[Confusion]) -> list[Confusion]:
    import numpy as np

    if len(found) <= MATRICES:
        return found
    best = min(found[1:], key=lambda each: float(np.nanmean(each.by_seed)))
    return [found[0], best]


# ---- matrices -----------------------------------------------------------------------------------


def _matrices(found: Sequence[Confusion]) -> "Figure":
    classes = max(len(each.class_names) for each in found)
    columns = 1 if len(found) == 1 else 2 if len(found) in (2, 4) or classes > 10 else 3
    rows = -(-len(found) // columns)
    width = COLUMN if columns == 1 else TEXT
    long = max(len(name) for each in found for name in each.class_names) > DIGITS
    figure = new_figure(width, rows * (width / columns + (0.45 if long else 0.1)) + 0.2)
    grid = _grid(figure, columns, len(found))
    most = max(float(_errors_alone(each).max()) for each in found)
    for axes, each in zip(grid.flat, found, strict=False):
        _matrix(axes, each, most)
    for axes in grid[:, 0]:
        axes.set_ylabel("class")
    for axes in grid[-1]:
        axes.set_xlabel("taken for")
    return figure


def _grid(figure: "Figure", columns: int, count: int, **more: Any) -> Any:
    """Axes in so many columns, of which `count` are seen, row by row."""
    grid = figure.subplots(-(-count // columns), columns, squeeze=False, **more)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return grid


def _errors_alone(each: Confusion) -> "NDArray[np.float64]":
    """The rates without what is right."""
    import numpy as np

    rates = np.nan_to_num(each.rates)
    np.fill_diagonal(rates, 0)
    return rates


def _matrix(axes: "Axes", each: Confusion, most: float) -> None:
    """Colours are of errors alone, on one scale in all matrices; what is right is grey."""
    errors = _errors_alone(each)
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=most or 1.0)
    size = 6 if len(errors) <= 10 else 4
    for row, column in product(range(len(errors)), repeat=2):
        rate = each.rates[row, column]
        if row == column:
            axes.fill_between(
                [column - 0.5, column + 0.5], row - 0.5, row + 0.5, color="0.93", lw=0
            )
        if rate >= 0.05:
            dark = errors[row, column] > 0.6 * most
            colour = "white" if dark else "0.45" if row == column else "black"
            number = f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}"
            axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=size)
    names = [_name(name) for name in each.class_names]
    long = max(map(len, names)) > DIGITS
    axes.set_xticks(range(len(names)), names, rotation=90 if long else 0, parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.tick_params(length=0, labelsize=6)
    axes.spines[:].set_visible(False)
    axes.set_title(printable(each.label), parse_math=False)


def _name(name: str) -> str:
    return shortened(printable(name), NAME)


# ---- lists --------------------------------------------------------------------------------------


def _pairs(found: Sequence[Confusion]) -> "Figure":
    """Of each variant the confusions that take most of a class, as bars."""
    import numpy as np

    figure = new_figure(TEXT if len(found) > 1 else COLUMN, 0.8 + ROW * PAIRS * -(-len(found) // 2))
    grid = _grid(figure, min(2, len(found)), len(found), sharex=True)
    for axes, each in zip(grid.flat, found, strict=False):
        errors = _errors_alone(each)
        most = np.argsort(-errors, axis=None, kind="stable")[:PAIRS]
        worst = list(zip(*np.unravel_index(most, errors.shape), strict=True))
        axes.barh(range(len(worst)), [errors[cell] for cell in worst], color="0.6", height=0.7)
        names = [[_name(each.class_names[place]) for place in cell] for cell in worst]
        _class_axis(axes, [" → ".join(pair) for pair in names])
        axes.set_title(printable(each.label), parse_math=False)
        axes.set_xlabel("% of the class")
    return figure


def _class_axis(axes: "Axes", names: Sequence[str]) -> None:
    """Names from top to bottom."""
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    rule(axes, "x")


def _errors(axes: "Axes", each: Confusion, order: Any, place: Any, look: dict[str, Any]) -> None:
    """Means of a variant, with a line from the best seed to the worst."""
    errors = each.by_seed[:, order]
    axes.hlines(place, errors.min(0), errors.max(0), color=look["color"], linewidth=0.8, alpha=0.6)
    alone: Any = {"linestyle": "", "markersize": 3, "label": printable(each.label)}
    axes.plot(errors.mean(0), place, clip_on=False, **look, **alone)
