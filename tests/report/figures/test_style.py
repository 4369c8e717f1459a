"""Figures look alike, fit a paper's columns, and equal ones are equal files."""

import itertools
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reslab.report.figures.style import COLOURS, COLUMN, colours, entitle, in_style, keep, spread
from reslab.report.figures.style import new_figure as blank


def kept(folder: Path, title: str = "A title") -> list[Path]:
    with in_style():
        figure = blank(COLUMN, 2)
        figure.add_subplot().set_xlabel("some text")
        entitle(figure, title)
        return keep(figure, folder / "drawn")


def test_a_figure_is_kept_as_png_svg_and_pdf(tmp_path: Path) -> None:
    paths = kept(tmp_path / "figures")
    assert [path.name for path in paths] == ["drawn.png", "drawn.svg", "drawn.pdf"]
    starts = [path.read_bytes()[:4] for path in paths]
    assert starts == [b"\x89PNG", b"<?xm", b"%PDF"]


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    first, second = kept(tmp_path / "a"), kept(tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_pdf_is_as_wide_as_a_column_and_its_caption_has_the_title(tmp_path: Path) -> None:
    _, svg, pdf = kept(tmp_path)
    [width] = re.findall(rb"/MediaBox \[ 0 0 (\d+)", pdf.read_bytes())
    assert int(width) == 72 * COLUMN
    assert "A title" in svg.read_text() and ">some text<" in svg.read_text()


def test_a_title_is_no_formula(tmp_path: Path) -> None:
    """matplotlib would set what stands between two dollars, or fail."""
    assert "$\\frac{$" in kept(tmp_path, "20 $\\frac{$")[1].read_text()


def test_every_variant_has_a_colour_of_its_own() -> None:
    for count in (1, len(COLOURS), 32):
        assert len(set(colours(count))) == count


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_keep_their_order_and_do_not_overlap(heights: list[float]) -> None:
    placed = spread(heights, 5, 100)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    gaps = [placed[b] - placed[a] for a, b in itertools.pairwise(order)]
    assert all(gap >= 5 - 1e-9 for gap in gaps)
    assert all(-1e-9 <= height <= 100 + 1e-9 for height in placed)
