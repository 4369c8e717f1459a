"""Training curves of an experiment, in the manner of He 2015, Fig. 6: error against the step.

Test error is bold, that of the training batches thin and dashed: it is of augmented images, in
training mode, before each step. Where runs are done a dot at the end is their training error, of
the final weights on the images as they are. The mean over seeds with the range between the worst
and the best seed. Plain and residual nets stand side by side where there are both.
"""

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reslab.config.recipe import Augmentation
from reslab.report.figures import published
from reslab.report.figures.style import (
    COLUMN,
    DASHED,
    TEXT,
    colours,
    entitle,
    is_plain,
    legend,
    new_figure,
    proxy,
    rule,
    spread,
)
from reslab.report.runs import Outcome, Run
from reslab.report.text import percent
from reslab.store.plan import Plan
from reslab.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS = {"train_top1_error": 0.06, "test_top1_error": 0.18}
"""How dense they are: those of training batches lie under the others."""
LINES: dict[str, Any] = {
    "train_top1_error": {"linewidth": 0.7, "linestyle": DASHED},
    "test_top1_error": {"linewidth": 1.4},
}
BINS = 30
"""Points of a training curve; its rows are means over batches, so that means of them are, too."""

LABEL = 26
"""Letters in a line of a label."""
LINE = 0.13
"""Height of a line of labels, in inches."""
FINE = 7.5
"""Below so high a figure, in per cent, errors have two decimals."""
AROUND = 1.0
"""Height of what stands around the axes, in inches."""
SHORT = 14
"""Letters of labels that leave a column wide enough for the curves beside them."""


@dataclass(frozen=True)
class Curve:
    """Mean, lowest and highest error in per cent over seeds, at steps that all of them have."""

    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def curves(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    """The figure; also of a plan of which nothing has run."""
    panels, ends = _panels(outcomes), {o.label: _end(o) for o in outcomes}
    top = _top(outcomes, [end for end in ends.values() if end is not None])
    labels = {o.label: _wrapped(_line_label(o, ends[o.label], top)) for o in outcomes}
    line = LINE * max(map(len, labels.values()))
    fits = len(panels) == 1 and max(len(o.label) for o in outcomes) <= SHORT
    height = max(1.4, line * max(map(len, panels.values())))
    figure = new_figure(COLUMN if fits else TEXT, AROUND + height)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    for axes, (title, members) in zip(grid[0], panels.items(), strict=True):
        _panel(axes, title, members)
    for axes in grid[0][1:]:
        axes.tick_params(left=False)
    grid[0][0].set_ylabel("error, %")
    grid[0][0].set_ylim(0, top)
    grid[0][0].locator_params(axis="y", nbins=6, steps=[1, 2, 5, 10], integer=True)
    for axes, members in zip(grid[0], panels.values(), strict=True):
        named = [(labels[o.label], ends[o.label]) for o in members]
        _label_lines(axes, named, line * top / height)
    budget = plan.options.budget
    entitle(figure, plan.title + (f" (budget {budget:g})" if budget else ""))
    _legend(figure, outcomes)
    return figure


def _panels(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Plain and residual nets apart if there are both, else all in one panel without a title."""
    plain = [o for o in outcomes if is_plain(o)]
    residual = [o for o in outcomes if not is_plain(o)]
    if not plain or not residual:
        return {"": list(outcomes)}
    return {"plain nets": plain, "residual nets": residual}


def _panel(axes: "Axes", title: str, outcomes: Sequence[Outcome]) -> None:
    """The curves of some variants, each in a colour of its own."""
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    rule(axes)
    for outcome, colour in zip(outcomes, colours(len(outcomes)), strict=True):
        _draw_variant(axes, outcome, colour)
    axes.set_xlim(0, _last_step(outcomes))
    axes.locator_params(axis="x", nbins=4)


def _draw_variant(axes: "Axes", outcome: Outcome, colour: str) -> None:
    for key, style in LINES.items():
        for runs in _groups(outcome):
            curve = _curve(runs, key)
            axes.plot(curve.steps, curve.mean, color=colour, **style)
            band: Any = {"color": colour, "alpha": BANDS[key], "lw": 0}
            axes.fill_between(curve.steps, curve.low, curve.high, **band)
            if key == "test_top1_error" and curve.steps and runs[0].state == "diverged":
                axes.plot(curve.steps[-1], curve.mean[-1], "x", color=colour, markersize=4)
    at_end: Any = {"color": colour, "clip_on": False, "zorder": 4}
    if (final := outcome.summary("train").mean) is not None:
        axes.plot(_last_step([outcome]), final, ".", markersize=4, **at_end)
    if (mark := published.height(outcome.published)) is not None:
        marker = published.marker(outcome)
        axes.plot(_last_step([outcome]), mark, marker, **at_end, **published.LOOKS)


def _groups(outcome: Outcome) -> list[list[Run]]:
    """The runs that share a line: all that trained; each alone if one diverged.

    Unfinished runs are drawn only while there is no final one: means over a changing number of
    seeds have jumps.
    """
    started = [run for run in outcome.runs if run.metrics]
    final = [run for run in started if run.is_final]
    if any(run.state == "diverged" for run in final):
        return [[run] for run in final]
    return [final or started] if started else []


def _curve(runs: Sequence[Run], key: str) -> Curve:
    """One curve of several runs; long ones are averaged over equal stretches of steps."""
    series = [{row["step"]: row[key] for row in run.metrics if key in row} for run in runs]
    steps = sorted(set.intersection(*map(set, series)))
    size = max(1, -(-len(steps) // BINS)) if key == "train_top1_error" else 1
    parts = [steps[i : i + size] for i in range(0, len(steps), size)]
    errors = [[sum(s[step] for step in part) / len(part) for s in series] for part in parts]
    return Curve(
        steps=tuple(part[-1] for part in parts),
        mean=tuple(sum(row) / len(row) for row in errors),
        low=tuple(map(min, errors)),
        high=tuple(map(max, errors)),
    )


# ---- beside the lines ---------------------------------------------------------------------------


def _label_lines(axes: "Axes", named: Sequence[tuple[list[str], float | None]], gap: float) -> None:
    """Each variant's name and its last test error beside the end of its line, at least a gap, in
    per cent of error, from one to the next."""
    top = axes.get_ylim()[1]
    heights = spread([min(end, top) if end is not None else top for _, end in named], gap, top)
    for (lines, _), height, colour in zip(named, heights, colours(len(named)), strict=True):
        axes.annotate(
            "\n".join(map(printable, lines)),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(7, 0),
            textcoords="offset points",
            color=colour,
            fontsize=7,
            va="center",
            annotation_clip=False,
            parse_math=False,  # a $ in a label is a dollar
        )


def _wrapped(label: str) -> list[str]:
    return textwrap.wrap(label, LABEL, break_long_words=False, replace_whitespace=False)


def _line_label(outcome: Outcome, end: float | None, top: float) -> str:
    """The name and the last test error, with an arrow where it is above the figure."""
    decimals = 1 if top > FINE else 2
    if end is None:
        return f"{outcome.label}  (no run yet)"
    if outcome.count("diverged"):
        final = outcome.count("done", "diverged")
        return f"{outcome.label}  {outcome.count('done')} of {final} trained"
    return f"{outcome.label}  {percent(end, decimals)}" + (" ↑" if end > top else "")


def _legend(figure: "Figure", outcomes: Sequence[Outcome]) -> None:
    """What bold, dashed and the marks mean."""
    from matplotlib.patches import Patch

    batches = f"{'augmented ' * any(map(_augments, outcomes))}training batches"
    handles = [
        proxy("test error", **LINES["test_top1_error"]),
        proxy(batches, **LINES["train_top1_error"]),
    ]
    if any(o.summary("train").mean is not None for o in outcomes):
        handles.append(proxy("training error at the end", marker=".", linestyle=""))
    if any(len(o.runs) > 1 for o in outcomes):
        handles.append(Patch(color="0.3", alpha=0.3, lw=0, label="worst to best seed"))
    handles += published.handles(outcomes)
    if any(o.count("diverged") for o in outcomes):
        handles.append(proxy("diverged", marker="x", linestyle=""))
    legend(figure, handles)


def _augments(outcome: Outcome) -> bool:
    """Whether what it trains on are other images than those that are stored."""
    recipe = outcome.config.recipe if outcome.config is not None else None
    return recipe is not None and bool(recipe.photographs or recipe.augmentation != Augmentation())


# ---- what is shown ------------------------------------------------------------------------------


def _end(outcome: Outcome) -> float | None:
    """The last test error in per cent, the mean over seeds; where a variant's label belongs."""
    found = [_curve(runs, "test_top1_error") for runs in _groups(outcome)]
    ends = [*outcome.errors("test").values()] or [c.mean[-1] for c in found if c.mean]
    return statistics.fmean(ends) if ends else None


def _top(outcomes: Sequence[Outcome], ends: Sequence[float]) -> float:
    """The highest error shown: room above the last errors, not above the first ones.

    A net that has failed where most have not is left above the range, as in He 2015, Fig. 6.
    """
    if not ends:
        return 100.0
    marks = [mark for o in outcomes if (mark := published.height(o.published)) is not None]
    shown = [end for end in ends if end <= max(60.0, 3 * statistics.median(ends))]
    return min(100.0, 5 + 1.4 * max([*shown, *marks]))


def _last_step(outcomes: Sequence[Outcome]) -> int:
    return max((o.config.scaled_recipe.steps for o in outcomes if o.config is not None), default=1)
