"""Error against what a net costs: its depth, parameters, multiply-adds, parameters that train.

Nets that differ in how many units they have are joined by a line, as in He 2015, Table 6 and
Zagoruyko 2016, Fig. 2; a dot is a seed, a marker the mean over seeds. Beside the depth stands the
training error, too: whether deeper nets fit worse is what it is asked for.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

from reslab.config.nets import Opaque
from reslab.config.run import RunConfig
from reslab.report.figures import published
from reslab.report.figures.style import (
    COLUMN,
    DASHED,
    TEXT,
    NothingToDraw,
    entitle,
    legend,
    looks,
    new_figure,
    proxy,
    rule,
)
from reslab.report.runs import Outcome
from reslab.report.text import si
from reslab.store.plan import Plan
from reslab.text import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Quantity = Callable[[Outcome], int | None]

APART = 1.05
"""The largest of a quantity over its smallest, from where there is something to compare."""
DECADES = 8.0
"""The same, from where an axis is logarithmic."""
FEW = 6
"""Nets that an axis has its ticks at."""
BESIDE = 5
"""Names in a legend below a column; more stand beside it, in a figure as wide as the text."""
MEANS: dict[str, Any] = {
    "test": {"markersize": 4, "linestyle": "-", "linewidth": 1.2},
    "train": {"linestyle": DASHED, "linewidth": 0.8, "fillstyle": "none", "markersize": 4},
}
"""How the means of a split are drawn."""
UNITS = {"units"}
WIDTHS = {"widths", "stem_width", "growth", "base_width"}


@dataclass(frozen=True)
class Series:
    """Variants that one line joins, in the order of a quantity."""

    name: str
    at: tuple[tuple[int, Outcome], ...]


def depth(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Test and training error against the layers with weights."""
    return _figure(plan, outcomes, "layers with weights", _depth, trains=True)


def parameters(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Test error against parameters."""
    return _figure(plan, outcomes, "parameters", lambda outcome: outcome.variant.params)


def multiply_adds(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Test error against the multiply-adds of one image."""
    return _figure(
        plan, outcomes, "multiply-adds per image", lambda outcome: outcome.variant.multiply_adds
    )


def trainable(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """Test error against the parameters that train, where these are not all of some net."""
    if all(o.trainable in (None, o.variant.params) for o in outcomes):
        raise NothingToDraw("in every net all parameters train")
    return _figure(plan, outcomes, "parameters that train", lambda outcome: outcome.trainable)


def _depth(outcome: Outcome) -> int | None:
    net = outcome.config.model if outcome.config is not None else None
    return None if net is None or isinstance(net, Opaque) else net.layers


def _figure(
    plan: Plan, outcomes: Sequence[Outcome], name: str, quantity: Quantity, trains: bool = False
) -> "Figure":
    ended = [o for o in outcomes if o.errors("test") or o.count("diverged")]
    at = [(x, o) for o in ended if (x := quantity(o))]
    _refuse_one_place(at, name)
    found = series(at)
    beside = len(found) > BESIDE or max(len(each.name) for each in found) > 2 * len(name)
    height = max(2.6, 0.6 + 0.17 * len(found)) if beside else 2.6
    figure = new_figure(TEXT if beside else COLUMN, height)
    axes = figure.add_subplot()
    for each, look in zip(found, looks(len(found)), strict=True):
        _draw(axes, each, look, trains)
    _axes(axes, name, [x for x, _ in at], [o for _, o in at])
    entitle(figure, plan.title)
    _legend(figure, found, [o for _, o in at], trains, beside)
    return figure


def _refuse_one_place(at: Sequence[tuple[int, Outcome]], name: str) -> None:
    if not any(outcome.errors("test") for _, outcome in at):
        raise NothingToDraw("no run is done of which this is known")
    places = [x for x, _ in at]
    if max(places) < APART * min(places):
        raise NothingToDraw(f"all nets have about as many {name}")


# ---- which nets are joined ----------------------------------------------------------------------


def series(at: Sequence[tuple[int, Outcome]]) -> list[Series]:
    """Nets that differ in the number of their units are joined; of the others, those that differ
    in their widths."""
    found = [_series(members) for members in _alike(at, UNITS) if len(members) > 1]
    joined = {id(outcome) for each in found for _, outcome in each.at}
    rest = [(x, outcome) for x, outcome in at if id(outcome) not in joined]
    found += [_series(members) for members in _alike(rest, WIDTHS)]
    first = {id(outcome): place for place, (_, outcome) in enumerate(at)}
    return sorted(found, key=lambda each: min(first[id(outcome)] for _, outcome in each.at))


def _alike(at: Sequence[tuple[int, Outcome]], but: set[str]) -> list[list[tuple[int, Outcome]]]:
    """Those whose runs differ in nothing but these fields of the net."""
    groups: dict[str, list[tuple[int, Outcome]]] = {}
    for x, outcome in at:
        groups.setdefault(_key(outcome, but), []).append((x, outcome))
    return list(groups.values())


def _key(outcome: Outcome, but: set[str]) -> str:
    config: RunConfig | None = outcome.config
    if config is None:
        return outcome.label
    return config.model_dump_json(exclude={"seed": True, "model": but})


def _series(members: Sequence[tuple[int, Outcome]]) -> Series:
    ordered = tuple(sorted(members, key=lambda member: member[0]))
    return Series(common([outcome.label for _, outcome in members]), ordered)


def common(labels: Sequence[str]) -> str:
    """What labels have in common: `plain-8`, `plain-20` are `plain-n`."""
    if len(labels) == 1:
        return labels[0]
    words = [re.split(r"([\s,_-]+)", label) for label in labels]
    before = _shared(words)
    after = _shared([each[len(before) :][::-1] for each in words])[::-1]
    shared = "".join(before), "".join(after)
    return f"{shared[0]}n{shared[1]}" if any(shared) else f"{labels[0]} … {labels[-1]}"


def _shared(words: Sequence[Sequence[str]]) -> list[str]:
    """What all begin with."""
    columns = takewhile(lambda column: len({*column}) == 1, zip(*words, strict=False))
    return [column[0] for column in columns]


# ---- drawn --------------------------------------------------------------------------------------


def _axes(axes: "Axes", name: str, places: Sequence[int], outcomes: Sequence[Outcome]) -> None:
    axes.set_xlabel(name)
    axes.set_ylabel("error, %")
    rule(axes)
    if max(places) > DECADES * min(places):
        axes.set_xscale("log")
    if _is_wide(outcomes):
        axes.set_ylim(bottom=0)
    _ticks(axes, sorted({*places}))


def _ticks(axes: "Axes", places: Sequence[int]) -> None:
    """At the nets themselves, where these are few and lie apart."""
    from matplotlib.ticker import LogLocator, NullFormatter

    is_log = axes.get_xscale() == "log"
    if is_log:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda count, _: _short(count))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_xlim()
    scaled = [math.log(x) if is_log else x for x in (low, high, *places)]
    gaps = [(b - a) / (scaled[1] - scaled[0]) for a, b in pairwise(scaled[2:])]
    if len(places) <= FEW and min(gaps) > 1 / (FEW + 4):
        axes.set_xticks(places)
        axes.minorticks_off()


def _short(count: float) -> str:
    """`1 M`, `67.9 k`."""
    digits, _, prefix = si(round(count)).partition(" ")
    return f"{float(digits):g} {prefix}".strip()


def _is_wide(outcomes: Sequence[Outcome]) -> bool:
    """Whether errors lie so far apart that the axis begins with 0."""
    errors = [error for o in outcomes for error in o.errors("test").values()]
    return max(errors) > 2 * min(errors)


def _draw(axes: "Axes", each: Series, look: dict[str, Any], trains: bool) -> None:
    """A line through the means; a variant of which a run diverged has none."""
    colour = look["color"]
    for split in MEANS if trains else ("test",):
        means = [(x, mean) for x, o in each.at if (mean := o.summary(split).mean) is not None]
        if means:
            axes.plot(*zip(*means, strict=True), **look, **MEANS[split])
    for x, outcome in each.at:
        errors = [*outcome.errors("test").values()]
        axes.plot([x] * len(errors), errors, ".", color=colour, markersize=2.5, alpha=0.6)
        if (mark := published.height(outcome.published)) is not None:
            axes.plot(x, mark, published.marker(outcome), color=colour, **published.LOOKS)
        if outcome.count("diverged"):
            above: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot(x, 1, "x", color=colour, markersize=4, **above)


def _legend(
    figure: "Figure",
    found: Sequence[Series],
    outcomes: Sequence[Outcome],
    trains: bool,
    beside: bool,
) -> None:
    handles: list[Artist] = []
    for each, look in zip(found, looks(len(found)), strict=True):
        alone = {"linestyle": ""} if len(each.at) == 1 else {}
        handles.append(proxy(printable(each.name), **(look | MEANS["test"] | alone)))
    if trains:
        handles.append(proxy("training error", marker="o", **MEANS["train"]))
    if any(len(o.runs) > 1 for o in outcomes):
        handles.append(proxy("a seed", marker=".", linestyle="", markersize=3))
    handles += published.handles(outcomes)
    if any(o.count("diverged") for o in outcomes):
        handles.append(proxy("a run diverged", marker="x", linestyle="", markersize=4))
    legend(figure, handles, beside)
