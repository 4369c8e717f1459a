"""Training curves of an experiment, in the manner of He 2015, Fig. 6: error against the step.

Test error is bold, training error thin and dashed; the mean over seeds with the range between the
worst and the best seed. Plain and residual nets stand side by side where there are both. Drawn from
the metrics in the run folders alone; matplotlib is imported only when something is drawn.
"""

import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import disk
from reslab.papers.published import Published
from reslab.report.runs import Outcome, Run, outcomes_of
from reslab.report.text import percent
from reslab.store.plan import Plan
from reslab.text import printable, printable_lines

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow: told apart by colour-blind readers."""

STYLE: Any = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "reslab",
}
LINES: dict[str, Any] = {
    "train_top1_error": {"linewidth": 0.9, "linestyle": (0, (4, 2))},
    "test_top1_error": {"linewidth": 2.0},
}
UNDATED: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
"""What a file would say of when, and with what, it was drawn."""
MARKS = {False: ("D", "published test error"), True: ("s", "third party's test error")}
"""Marker and legend of a published number, by whether a third party published it."""

BINS = 30
"""Points of a training curve; its rows are means over batches, so that means of them are, too."""


@dataclass(frozen=True)
class Curve:
    """Mean, lowest and highest error in per cent over seeds, at steps that all of them have."""

    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def draw(
    plan: Plan, folder: Path | None = None, kinds: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Draw `figure.png` and `figure.svg`, or of other kinds (pdf), in a plan's home or in a
    folder; the paths.

    Equal files, equal figures.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = _figure(plan, outcomes_of(plan))
        paths = [(folder or plan.home) / f"figure.{kind}" for kind in kinds]
        for path in paths:
            kind = path.suffix[1:]
            with disk.replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=160, metadata=UNDATED[kind])
    return paths


def _figure(plan: Plan, outcomes: Sequence[Outcome]) -> "Figure":
    from matplotlib.figure import Figure

    panels = _panels(outcomes)
    figure = Figure(figsize=(6.9 if len(panels) == 1 else 10.6, 4.4), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    for axes, (title, members) in zip(grid[0], panels.items(), strict=True):
        _panel(axes, title, members)
    for axes in grid[0][1:]:
        axes.tick_params(left=False)
    grid[0][0].set_ylabel("error, %")
    grid[0][0].set_ylim(0, _top(outcomes))
    grid[0][0].locator_params(axis="y", nbins=6, steps=[1, 2, 5, 10], integer=True)
    for axes, members in zip(grid[0], panels.values(), strict=True):
        _label_lines(axes, members)
    budget = plan.options.budget
    title = plan.title + (f" (budget {budget:g})" if budget else "")
    title = textwrap.fill(title, 70 if len(panels) == 1 else 110)
    figure.suptitle(printable_lines(title), x=0.01, ha="left", fontsize=11.5, parse_math=False)
    _legend(figure, outcomes)
    return figure


def _panels(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Plain and residual nets apart if there are both, else all in one panel without a title."""
    nets = [(o, o.config.model if o.config is not None else None) for o in outcomes]
    plain = [o for o, net in nets if getattr(net, "shortcut", None) == "none"]
    residual = [o for o in outcomes if o not in plain]
    if not plain or not residual:
        return {"": list(outcomes)}
    return {"plain nets": plain, "residual nets": residual}


def _panel(axes: "Axes", title: str, outcomes: Sequence[Outcome]) -> None:
    """The curves of some variants, each in a colour of its own."""
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    for outcome, colour in zip(outcomes, _colours(len(outcomes)), strict=True):
        _draw_variant(axes, outcome, colour)
    axes.set_xlim(0, _last_step(outcomes))
    axes.locator_params(axis="x", nbins=5)


def _draw_variant(axes: "Axes", outcome: Outcome, colour: str) -> None:
    for key, style in LINES.items():
        for runs in _groups(outcome):
            curve = _curve(runs, key)
            axes.plot(curve.steps, curve.mean, color=colour, **style)
            axes.fill_between(curve.steps, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
            if key == "test_top1_error" and curve.steps and runs[0].state == "diverged":
                axes.plot(curve.steps[-1], curve.mean[-1], "x", color=colour)
    mark = _published_mark(outcome.published)
    if mark is not None:
        axes.plot(
            _last_step([outcome]),
            mark,
            MARKS[_is_third_party(outcome)][0],
            color=colour,
            markersize=5,
            fillstyle="none",
            alpha=0.7,
            clip_on=False,
            zorder=4,
        )


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
    size = -(-len(steps) // BINS) if key == "train_top1_error" else 1
    parts = [steps[i : i + size] for i in range(0, len(steps), size)]
    errors = [[sum(s[step] for step in part) / len(part) for s in series] for part in parts]
    return Curve(
        steps=tuple(part[-1] for part in parts),
        mean=tuple(sum(row) / len(row) for row in errors),
        low=tuple(map(min, errors)),
        high=tuple(map(max, errors)),
    )


def _label_lines(axes: "Axes", outcomes: Sequence[Outcome]) -> None:
    """Each variant's name and its last test error beside the end of its line, none overlapping."""
    top = axes.get_ylim()[1]
    ends = [_end(outcome) for outcome in outcomes]
    heights = spread([min(end, top) if end is not None else top for end in ends], 0.05 * top, top)
    for outcome, end, height, colour in zip(
        outcomes, ends, heights, _colours(len(outcomes)), strict=True
    ):
        axes.annotate(
            printable(_line_label(outcome, end, top)),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(9, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
            parse_math=False,  # a $ in a label is a dollar
        )


def spread(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights moved apart to at least `gap`, in the same order, each crowd about its middle.

    They stay between 0 and `top` where they fit.
    """
    crowds: list[list[float]] = []
    for height in sorted(heights):
        crowds.append([height])
        while len(crowds) > 1 and _bottom(crowds[-1], gap, top) < gap + (
            _bottom(crowds[-2], gap, top) + gap * (len(crowds[-2]) - 1)
        ):
            crowds[-2:] = [crowds[-2] + crowds[-1]]
    placed = [_bottom(crowd, gap, top) + gap * i for crowd in crowds for i in range(len(crowd))]
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    return [placed[order.index(i)] for i in range(len(heights))]


def _bottom(crowd: Sequence[float], gap: float, top: float) -> float:
    """Where the lowest of a crowd stands if they are `gap` apart about their mean."""
    room = gap * (len(crowd) - 1)
    return max(0.0, min(statistics.fmean(crowd) - room / 2, top - room))


def _line_label(outcome: Outcome, end: float | None, top: float) -> str:
    """The name and the last test error, with an arrow where it is above the figure."""
    if end is None:
        return f"{outcome.label}  (no run yet)"
    if outcome.count("diverged"):
        final = outcome.count("done", "diverged")
        return f"{outcome.label}  {outcome.count('done')} of {final} trained"
    return f"{outcome.label}  {percent(end, 1)}" + (" ↑" if end > top else "")


def _legend(figure: "Figure", outcomes: Sequence[Outcome]) -> None:
    """What bold, dashed and the marks mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Line2D([], [], color="0.3", label="test", **LINES["test_top1_error"]),
        Line2D([], [], color="0.3", label="training batches", **LINES["train_top1_error"]),
    ]
    if any(len(o.runs) > 1 for o in outcomes):
        handles.append(Patch(color="0.3", alpha=0.3, lw=0, label="worst to best seed"))
    mark: Any = {"color": "0.3", "fillstyle": "none", "linestyle": "", "markersize": 5}
    marked = {_is_third_party(o) for o in outcomes if _published_mark(o.published) is not None}
    for marker, label in (MARKS[third_party] for third_party in sorted(marked)):
        handles.append(Line2D([], [], marker=marker, label=label, **mark))
    if any(o.count("diverged") for o in outcomes):
        handles.append(Line2D([], [], marker="x", label="diverged", **mark))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False)


def _end(outcome: Outcome) -> float | None:
    """The last test error in per cent, the mean over seeds; where a variant's label belongs."""
    curves = [_curve(runs, "test_top1_error") for runs in _groups(outcome)]
    ends = [*outcome.errors("test").values()] or [c.mean[-1] for c in curves if c.mean]
    return statistics.fmean(ends) if ends else None


def _top(outcomes: Sequence[Outcome]) -> float:
    """The highest error shown: room above the last errors, not above the first ones.

    A net that has failed where most have not is left above the range, as in He 2015, Fig. 6.
    """
    ends = [end for end in map(_end, outcomes) if end is not None]
    if not ends:
        return 100.0
    marks = [mark for o in outcomes if (mark := _published_mark(o.published)) is not None]
    shown = [end for end in ends if end <= max(60.0, 3 * statistics.median(ends))]
    return min(100.0, max(20.0, 5 + 1.4 * max([*shown, *marks])))


def _last_step(outcomes: Sequence[Outcome]) -> int:
    return max((o.config.scaled_recipe.steps for o in outcomes if o.config is not None), default=1)


def _published_mark(published: Published | None) -> float | None:
    """The published test error if it is a number that has been checked, and of one view."""
    if published is None or published.verified == "memory" or published.views != "single":
        return None
    if published.bound or published.column == "train_error":
        return None
    return published.mean if published.mean is not None else published.value


def _is_third_party(outcome: Outcome) -> bool:
    return outcome.published is not None and outcome.published.third_party


def _colours(count: int) -> list[str]:
    """The palette, or as many steps of a colour map where it is too short."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.9 * i / (count - 1))) for i in range(count)]
