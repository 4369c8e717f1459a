"""A published number is a mark where it can stand beside one's own errors."""

from dataclasses import replace

import pytest
from tests.report.conftest import TABLE6, THIRD, Lab

from reslab.papers.published import cell
from reslab.report.figures.published import MARKS, handles, height, marker
from reslab.report.runs import outcomes_of

NUMBER = cell(TABLE6, "ResNet 20")


def test_its_height_is_the_mean_where_one_is_printed() -> None:
    assert height(NUMBER) == 8.75  # He 2015, Table 6
    assert height(replace(NUMBER, mean=8.9)) == 8.9


@pytest.mark.parametrize(
    "other",
    [{"verified": "memory"}, {"views": "ten_crop"}, {"bound": ">"}, {"column": "train_error"}],
)
def test_what_cannot_stand_beside_a_test_error_of_one_view_has_none(other: dict[str, str]) -> None:
    assert height(replace(NUMBER, **other)) is None  # type: ignore[arg-type]
    assert height(None) is None


def test_a_third_partys_number_is_another_mark(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    lab.variant("plain-20", {"model": "plain20"}, published=(THIRD, "Plain-20"))
    outcomes = outcomes_of(lab.plan())
    assert [marker(outcome) for outcome in outcomes] == ["D", "s"]
    assert [line.get_label() for line in handles(outcomes)] == [MARKS[False][1], MARKS[True][1]]
