"""Curves are thinned to what a page can hold, and say what they say."""

import pytest
from tests.report.conftest import Lab

from reslab.page.curves import FEWEST, LONGEST, MOST, QUANTITIES, Curves, points_each, thinned
from reslab.report.runs import outcomes_of

ROWS = [(10, 4.0), (20, 2.0), (30, 1.0), (40, 0.0), (50, 6.0)]


def test_means_over_batches_are_averaged_and_of_evaluations_the_last_stays() -> None:
    assert thinned(ROWS, 2, of_batches=True) == ((20, 40, 50), [3.0, 0.5, 6.0])
    assert thinned(ROWS, 2, of_batches=False) == ((20, 40, 50), [2.0, 0.0, 6.0])
    assert thinned(ROWS, 1, of_batches=True)[1] == [value for _, value in ROWS]


def test_values_have_four_digits() -> None:
    assert thinned([(1, 12.345678), (2, 0.00123456)], 1, of_batches=True)[1] == [12.35, 0.001235]


@pytest.mark.parametrize("runs", [1, 30, 200, 1000])
def test_the_points_of_all_curves_stay_below_the_most_but_for_the_fewest_of_each(runs: int) -> None:
    each = points_each(runs)
    assert FEWEST <= each <= LONGEST
    assert runs * len(QUANTITIES) * each <= MOST or each == FEWEST


def test_runs_of_a_variant_share_their_steps(lab: Lab) -> None:
    """Also where one is not finished: its steps are among those of the others."""
    folders = lab.variant("a", {"model": "resnet20"}, 3)
    lab.all_done(folders[:2], 0.5, [8.0, 9.0])
    lab.start(folders[2], until=0.5)
    curves = Curves(points=4)
    found = curves.of(outcomes_of(lab.plan())[0])
    assert found[0]["test_top1_error"][0] == found[1]["test_top1_error"][0]
    steps = list(curves.steps)
    whole, part = (set(steps[run["test_top1_error"][0]]) for run in (found[0], found[2]))
    assert len(whole) == 4 and whole - part and len(part - whole) <= 1
    assert curves.stretch == 5, "20 rows in 4 points"


def test_the_last_point_is_the_last_row(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"})
    lab.all_done(folders, 0.5, [8.0])
    curves = Curves(points=3)
    [run] = curves.of(outcomes_of(lab.plan())[0])
    place, values = run["test_top1_error"]
    assert (list(curves.steps)[place][-1], values[-1]) == (64_000, 8.0)


def test_what_was_not_recorded_has_no_curve(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"}, 2)
    assert Curves(points=3).of(outcomes_of(lab.plan())[0]) == [{}, {}]


def test_what_was_written_since_is_read_again(lab: Lab) -> None:
    [folder] = lab.variant("a", {"model": "resnet20"})
    lab.start(folder, until=0.5)
    lengths = []
    for until in (0.5, 0.5, 0.75):
        lab.start(folder, until=until)
        [run] = Curves(points=100).of(outcomes_of(lab.plan())[0])
        lengths.append(len(run["test_loss"][1]))
    assert lengths == [10, 10, 15]
