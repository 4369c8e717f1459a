"""The forest plot has the differences, intervals and verdicts that stand under the table."""

from dataclasses import replace
from typing import Any

import pytest
from tests.report.conftest import TABLE6, Lab

from reslab.report.figures.differences import differences
from reslab.report.figures.style import NothingToDraw, in_style
from reslab.report.intervals import mean_interval
from reslab.report.runs import outcomes_of
from reslab.store.plan import Plan

FIRST, SECOND = [9.0, 9.2, 9.1], [8.0, 8.1, 8.3]
"""Test errors of three seeds; in pairs −1.0, −1.1, −0.8."""


def drawn(plan: Plan) -> list[Any]:
    with in_style():
        return list(differences(plan, outcomes_of(plan)).axes)


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def marks(axes: Any, marker: str) -> list[float]:
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [float(x) for line in lines for x in line.get_xdata()]


@pytest.fixture
def two(lab: Lab) -> Lab:
    for label, model, errors in (("plain", "plain20", FIRST), ("residual", "resnet20", SECOND)):
        lab.all_done(lab.variant(label, {"model": model}, 3), 1.0, errors)
    return lab


def test_a_row_is_the_mean_its_interval_and_the_pairs_of_seeds(two: Lab) -> None:
    [axes] = drawn(two.plan())
    pairs = [b - a for a, b in zip(FIRST, SECOND, strict=True)]
    interval = mean_interval(pairs)
    assert interval is not None
    assert marks(axes, "s") == [pytest.approx(sum(pairs) / 3)]
    assert marks(axes, "|") == pytest.approx([interval.low, interval.high])
    assert marks(axes, ".") == pytest.approx(pairs)
    assert texts(axes) == ["residual", "better"]
    assert axes.get_xlabel() == "difference to plain, points of test error"


def test_of_several_baselines_each_row_names_both(two: Lab) -> None:
    two.all_done(two.variant("other", {"model": "resnet32"}, 3), 1.0, SECOND)
    asked = (("plain", "residual"), ("residual", "other"))
    [axes] = drawn(replace(two.plan(), questions=asked))
    assert texts(axes)[0] == "plain → residual" and texts(axes)[2] == "residual → other"
    assert axes.get_xlabel().startswith("second − first")


def test_a_difference_without_an_interval_is_an_open_square(lab: Lab) -> None:
    for label, model, error in (("a", "plain20", 9.0), ("b", "resnet20", 8.0)):
        lab.all_done(lab.variant(label, {"model": model}), 1.0, [error])
    [axes] = drawn(lab.plan())
    [square] = [line for line in axes.lines if line.get_marker() == "s"]
    assert square.get_fillstyle() == "none" and marks(axes, "|") == []
    assert texts(axes)[1] == "too few seeds"


def test_published_numbers_have_axes_of_their_own(lab: Lab) -> None:
    of = (TABLE6, "ResNet 20")
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}, 2, of), 1.0, [8.7, 8.9])
    lab.all_done(lab.variant("other", {"model": "resnet32"}, 2), 1.0, [8.0, 8.3])
    above, below = drawn(lab.plan())
    assert above.get_xlabel().startswith("ours − published")
    assert marks(above, "s") == pytest.approx([0.05])  # He 2015, Table 6: 8.75
    assert texts(below)[0] == "other"


def test_a_long_interval_is_cut_and_says_so(two: Lab) -> None:
    """n = 2: t is 12.7, and the interval would make all the rest one point."""
    two.all_done(two.variant("third", {"model": "resnet32"}, 2), 1.0, [9.0, 7.0])
    [axes] = drawn(two.plan())
    assert len(marks(axes, "<")) == 1 and len(marks(axes, ">")) == 1


def test_the_margin_is_a_band(two: Lab) -> None:
    [without], [within] = drawn(two.plan()), drawn(replace(two.plan(), margin=0.5))
    assert len(without.collections) == 0 and len(within.collections) == 1


def test_what_cannot_be_compared_has_no_row(lab: Lab) -> None:
    """A mean over survivors flatters."""
    lab.all_done(lab.variant("a", {"model": "plain20"}, 2), 1.0, [9.0, 9.5])
    done, diverged = lab.variant("b", {"model": "resnet20"}, 2)
    lab.done(done, 1.0, 8.0)
    lab.diverged(diverged)
    with pytest.raises(NothingToDraw):
        drawn(lab.plan())
