"""The style that all figures have in common: a paper's widths, letters, colours; how they are kept.

Figures are as wide as a column or as the text of a paper of two columns, and are to be set at that
size: their letters are 7 and 8 points. matplotlib is imported only when something is drawn.
"""

import statistics
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import disk
from reslab.report.runs import Outcome
from reslab.text import printable_lines

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, TEXT = 3.25, 6.75
"""Widths in inches, of a column and of both with what is between them (ICML's; CVPR's text is 6.875
wide)."""

KINDS = ("png", "svg", "pdf")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow: told apart by colour-blind readers."""

MARKERS = ("o", "^", "v", "P", "X", "h", "p")
"""Of means; squares and diamonds are those of published numbers."""

DASHED: Any = (0, (4, 2))

STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "reslab",
}
UNDATED: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
"""What a file would say of when, and with what, it was drawn."""


class NothingToDraw(Exception):
    """A plan has nothing to say in a figure; its text says why."""


@contextmanager
def in_style() -> Iterator[None]:
    """Figures are made and kept within."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty one, in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def entitle(figure: "Figure", title: str) -> None:
    """A title above the figure, wrapped; whatever stands in it is text."""
    letters = int(figure.get_figwidth() * 17)
    wrapped = printable_lines(textwrap.fill(title, letters))
    figure.suptitle(wrapped, x=0.01, ha="left", fontsize=9, parse_math=False)


def rule(axes: "Axes", axis: Any = "y") -> None:
    """Faint lines at the ticks of an axis, behind everything."""
    axes.grid(axis=axis, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def legend(figure: "Figure", handles: "Sequence[Artist]", beside: bool = False) -> None:
    """What lines and marks mean, below or beside the axes; whatever stands in it is text."""
    columns = 1 if beside else 2 if figure.get_figwidth() < TEXT else 4
    place: Any = "outside right upper" if beside else "outside lower left"
    made = figure.legend(handles=[*handles], loc=place, ncols=columns, frameon=False)
    for text in made.get_texts():
        text.set_parse_math(False)


def proxy(label: str, **looks: Any) -> "Artist":
    """A line or a mark for a legend, in grey where it is not one colour's."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"color": "0.3", **looks})


def is_plain(outcome: Outcome) -> bool:
    """Whether its net has no shortcuts; such nets stand apart, or are dashed."""
    net = outcome.config.model if outcome.config is not None else None
    return getattr(net, "shortcut", None) == "none"


def keep(figure: "Figure", stem: Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write STEM.png and others; their paths. Equal figures, equal files.

    A PDF has no title: a paper's caption says it.
    """
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in sorted(kinds, key=KINDS.index)]
    stem.parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        kind = path.suffix[1:]
        if kind == "pdf":
            figure.suptitle("")
        with disk.replacing(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=240, metadata=UNDATED[kind])
    return paths


def colours(count: int) -> list[str]:
    """The palette, or as many steps of a colour map where it is too short."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.9 * i / (count - 1))) for i in range(count)]


def looks(count: int) -> list[dict[str, Any]]:
    """A colour and a marker for each of so many."""
    pairs = zip(colours(count), cycle(MARKERS), strict=False)
    return [{"color": colour, "marker": marker} for colour, marker in pairs]


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
