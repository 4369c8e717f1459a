"""All figures that a plan has something to say for, or those that are asked for."""

import pytest
from tests.report.conftest import Lab

from reslab.errors import UserError
from reslab.report.figures.draw import CAPTIONS, FIGURES, MISTAKES, draw, named


def test_every_figure_has_a_caption() -> None:
    assert {*FIGURES, MISTAKES} <= set(CAPTIONS)


def test_what_has_nothing_to_say_is_not_drawn(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"})
    paths = draw(lab.plan())
    assert [path.name for path in paths] == ["curves.png", "curves.svg", "curves.pdf"]
    assert {path.parent for path in paths} == {lab.folder / "figures"}


def test_what_is_asked_for_and_has_nothing_to_say_is_an_error_with_its_reason(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"})
    with pytest.raises(UserError, match="made_by_hand has nothing for depth: no run is done"):
        draw(lab.plan(), ["depth"])


def test_some_alone_can_be_asked_for(lab: Lab) -> None:
    for n in (20, 32):
        lab.all_done(lab.variant(f"{n}", {"model": f"resnet{n}"}, 2), 1.0, [8.0, 8.5])
    paths = draw(lab.plan(), named("depth, differences"), kinds=["pdf"])
    assert [path.name for path in paths] == ["depth.pdf", "differences.pdf"]


@pytest.mark.parametrize(("text", "names"), [(None, []), (" curves  depth ", ["curves", "depth"])])
def test_names_are_divided_as_those_of_plans(text: str | None, names: list[str]) -> None:
    assert named(text) == names


@pytest.mark.parametrize("text", ["curve", "", "curves depths"])
def test_a_name_that_is_none_is_told_those_that_are(text: str) -> None:
    with pytest.raises(UserError, match="expected one of curves, depth"):
        named(text)
