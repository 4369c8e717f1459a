"""The figure of a net's sensitivity to pruning: files that are alike for equal points."""

from pathlib import Path

from reslab.report.figures.sensitivity import Point, draw
from reslab.report.figures.style import KINDS

POINTS = [
    Point("", 0.0, 7.0, 100, 1000),
    Point("layer1", 0.5, 9.0, 80, 900),
    Point("layer2", 0.5, 30.0, 70, 900),
    Point("layer1", 0.9, 60.0, 60, 800),
]


def test_equal_points_are_equal_figures(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        written = draw(POINTS, folder / "sensitivity")
        assert [path.name for path in written] == [f"sensitivity.{kind}" for kind in KINDS]
    for name in (f"sensitivity.{kind}" for kind in KINDS):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_stage_is_a_line_that_begins_with_the_whole_net(tmp_path: Path) -> None:
    draw(POINTS, tmp_path / "sensitivity")
    text = (tmp_path / "sensitivity.svg").read_text()
    for words in ("layer1", "layer2", "filters pruned of each first convolution, %"):
        assert words in text


def test_a_point_is_told_in_a_line() -> None:
    assert POINTS[0].as_text() == "the whole net: test error 7.00 %"
    assert POINTS[1].as_text() == "layer1 without 50 %: test error 9.00 %"
