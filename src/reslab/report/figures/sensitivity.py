"""How sensitive a net's stages are to pruning, after Li et al. 2017 (arXiv 1608.08710), Fig. 2 (b):
test error against the part of the filters that is gone. Of a trained net, not of a plan:
inference/sensitivity.py evaluates it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reslab.report.figures.style import COLUMN, colours, in_style, keep, new_figure


class Point(NamedTuple):
    """The error in per cent of a net of which a part of a stage's filters is gone, and its costs;
    of the whole net the stage is empty."""

    stage: str
    pruned: float
    top1_error: float
    params: int
    multiply_adds: int

    def as_text(self) -> str:
        """A line for people."""
        what = f"{self.stage} without {100 * self.pruned:g} %" if self.stage else "the whole net"
        return f"{what}: test error {self.top1_error:.2f} %"


def draw(points: Sequence[Point], stem: Path) -> list[Path]:
    """Write STEM.png, .svg and .pdf, a line for each stage from the whole net's point; the paths.
    Equal points, equal figures."""
    whole = next(point for point in points if not point.stage)
    stages = list(dict.fromkeys(point.stage for point in points if point.stage))
    with in_style():
        figure = new_figure(COLUMN, 0.72 * COLUMN)
        axes = figure.subplots()
        for stage, colour in zip(stages, colours(len(stages)), strict=True):
            of_stage = [whole, *(point for point in points if point.stage == stage)]
            parts, errors = zip(
                *sorted((100 * point.pruned, point.top1_error) for point in of_stage), strict=True
            )
            axes.plot(parts, errors, "o-", color=colour, markersize=3, linewidth=1, label=stage)
        axes.axhline(whole.top1_error, color="0.6", linewidth=0.6, linestyle=":")
        axes.set_xlabel("filters pruned of each first convolution, %")
        axes.set_ylabel("test error, %")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        return keep(figure, stem)
