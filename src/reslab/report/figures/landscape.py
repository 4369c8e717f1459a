"""A slice of the loss around trained weights, as contours: Li et al. 2018 (arXiv 1712.09913),
Fig. 5.

Drawn from the numbers that `inference.landscape` has found.
"""

import math
from typing import TYPE_CHECKING, Any

from reslab.report.figures.style import COLUMN, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 14
"""Contours, equally far apart in the logarithm of the loss."""


TINY = 1e-6
"""A loss below is drawn as this, which has a logarithm."""


def landscape(found: dict[str, Any]) -> "Figure":
    """Contours of the loss, which are close where it is steep; a cross at the trained weights.

    Losses span decades, so that colours are of their logarithm. Where one is not finite is white.
    """
    coordinates, losses = found["coordinates"], found["loss"]
    shown = [[math.nan if loss is None else max(loss, TINY) for loss in row] for row in losses]
    finite = [loss for row in shown for loss in row if math.isfinite(loss)]
    low, high = math.log10(min(finite)), math.log10(max(finite))
    levels = [10 ** (low + (high - low) * i / LEVELS) for i in range(LEVELS + 1)]
    figure = new_figure(COLUMN, COLUMN)
    axes = figure.add_subplot()
    if high > low:
        lines = axes.contour(
            coordinates, coordinates, shown, levels, cmap="viridis", norm="log", linewidths=0.8
        )
        axes.clabel(lines, levels[::2], fontsize=5, fmt=_label)
    axes.plot(0, 0, "x", color="0.2", markersize=5)
    axes.set_aspect("equal")
    axes.locator_params(nbins=5)
    axes.set_xlabel("α, along one random direction")
    axes.set_ylabel("β, along another")
    axes.set_title(f"training loss of {found['images']:,} images")
    return figure


def _label(loss: float) -> str:
    return f"{loss:,.0f}" if loss >= 10 else f"{loss:.2g}"
