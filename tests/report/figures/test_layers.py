"""Gradients and responses are drawn from what runs have measured, each net's layers in order."""

from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import Lab

from reslab import store
from reslab.report.figures.draw import draw
from reslab.report.figures.layers import gradients, responses
from reslab.report.figures.style import NothingToDraw
from reslab.report.runs import outcomes_of

NAMES = ["conv1", "layer1.0.conv1", "layer1.0.downsample.conv", "fc"]


def append(folder: Path, row: dict[str, Any]) -> None:
    store.append_metrics(folder, row, store.DIAGNOSTICS)


def measured(folder: Path, norms: list[list[float | None]], stds: list[float] | None) -> None:
    """A row of gradients for each list, at the steps 1, 2, …, and one of responses."""
    for step, row in enumerate(norms, 1):
        append(folder, {"step": step, "gradients": dict(zip(NAMES, row, strict=True))})
    if stds:
        append(folder, {"step": 9, "responses": dict(zip("abc", stds, strict=True))})


@pytest.fixture
def nets(lab: Lab) -> Lab:
    """A plain net of two seeds, a residual net of which nothing was measured, and one of which
    nothing has ended."""
    one, two = lab.variant("plain", {"model": "plain20"}, 2)
    measured(one, [[1, 2, 9, 4], [1, 1, 9, 1], [4, None, 9, 1]], [3.0, 1.0, 2.0])
    measured(two, [[4, 2, 9, 1], [1, 1, 9, 1], [4, 4, 9, 0]], [5.0, 1.0, 2.0])
    lab.variant("unmeasured", {"model": "resnet20"})
    [begun] = lab.variant("residual", {"model": "resnet32"})
    measured(begun, [[0.5, 0.5, 9, 0.5]], None)
    return lab


def lines(axes: Any) -> dict[str, list[float]]:
    return {line.get_label(): [float(y) for y in line.get_ydata()] for line in axes.get_lines()}


def test_gradients_are_of_the_first_step_and_the_geometric_mean_of_those_after_it(
    nets: Lab,
) -> None:
    """Over seeds, too; shortcuts are no layer of the row, and what is not finite, or 0, is left
    out: of 1, 4, 1, 4 it is 2, of 1, 1, 4 the third root of 4."""
    first, later = gradients(nets.plan(), outcomes_of(nets.plan())).axes
    assert lines(first) == {"plain": pytest.approx([2, 2, 2]), "residual": pytest.approx([0.5] * 3)}
    assert lines(later) == {"plain": pytest.approx([2, 4 ** (1 / 3), 1])}
    assert first.get_yscale() == "log"


def test_a_run_that_has_just_begun_has_its_first_step(lab: Lab) -> None:
    [begun] = lab.variant("residual", {"model": "resnet32"})
    measured(begun, [[0.5, 0.5, 9, 0.5]], None)
    first, later = gradients(lab.plan(), outcomes_of(lab.plan())).axes
    assert lines(first) == {"residual": pytest.approx([0.5] * 3)} and lines(later) == {}


def test_responses_are_means_over_seeds_as_they_come_and_sorted(nets: Lab) -> None:
    above, below = responses(nets.plan(), outcomes_of(nets.plan())).axes
    assert lines(above) == {"plain": pytest.approx([4, 1, 2])}
    assert lines(below) == {"plain": pytest.approx([4, 2, 1])}


def test_a_response_that_is_no_number_is_left_out_where_they_are_sorted(lab: Lab) -> None:
    [begun] = lab.variant("plain", {"model": "plain20"})
    stds: list[float | None] = [1.0, None, 2.0]
    append(begun, {"step": 9, "responses": dict(zip("abc", stds, strict=True))})
    _, below = responses(lab.plan(), outcomes_of(lab.plan())).axes
    assert lines(below) == {"plain": pytest.approx([2, 1])}


def test_a_line_is_dashed_for_a_plain_net_and_has_its_variants_colour(nets: Lab) -> None:
    first, later = gradients(nets.plan(), outcomes_of(nets.plan())).axes
    plain, residual = first.get_lines()
    assert (plain.get_linestyle(), residual.get_linestyle()) == ("--", "-")
    assert later.get_lines()[0].get_color() == plain.get_color() != residual.get_color()


def test_a_plan_that_was_not_measured_has_neither(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 1.0, [8.0])
    for figure in (gradients, responses):
        with pytest.raises(NothingToDraw, match="DIAGNOSTICS=1"):
            figure(lab.plan(), outcomes_of(lab.plan()))


def test_both_are_among_the_figures_of_a_plan(nets: Lab) -> None:
    paths = draw(nets.plan(), kinds=["svg"])
    assert {"gradients.svg", "responses.svg"} <= {path.name for path in paths}
