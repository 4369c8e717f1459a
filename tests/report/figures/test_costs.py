"""Errors against costs: which nets a line joins, what is drawn, where there is nothing to see."""

import math
from dataclasses import replace

import pytest
from tests.report.conftest import TABLE6, Lab

from reslab.report.figures.costs import common, depth, multiply_adds, parameters, series, trainable
from reslab.report.figures.style import NothingToDraw, in_style
from reslab.report.runs import outcomes_of

COSTS = {"parameters": parameters, "multiply_adds": multiply_adds, "trainable": trainable}


def add(
    lab: Lab, label: str, model: str, test: list[float], train: float = 1.0, params: int = 10
) -> None:
    """A variant whose runs are done."""
    lab.all_done(lab.variant(label, {"model": model}, len(test)), train, test)
    lab.variants[-1] = replace(lab.variants[-1], params=params, multiply_adds=9 * params)


@pytest.fixture
def degraded(lab: Lab) -> Lab:
    """Plain nets that get worse with depth, residual ones that do not, and one net alone."""
    for size, (n, plain, residual) in enumerate(
        [(20, 9.0, 8.6), (32, 9.6, 7.4), (56, 13.0, 6.9)], 1
    ):
        add(lab, f"plain-{n}", f"plain{n}", [plain, plain + 1], plain / 3, 10**4 * size)
        add(lab, f"ResNet {n}", f"resnet{n}", [residual, residual + 1], 1.0, 10**4 * size)
    add(lab, "wide", "wrn_16_4", [5.0], 0.1, 3 * 10**6)
    return lab


def lines(lab: Lab, draw: object = depth) -> dict[str, list[tuple[float, float]]]:
    """What is drawn, by its style."""
    with in_style():
        [axes] = draw(lab.plan(), outcomes_of(lab.plan())).axes  # type: ignore[operator]
    found: dict[str, list[tuple[float, float]]] = {}
    for line in axes.lines:
        points = zip(line.get_xdata(), line.get_ydata(), strict=True)
        found.setdefault(f"{line.get_linestyle()}{line.get_marker()}", []).extend(points)
    return found


def test_nets_that_differ_in_their_units_alone_are_joined(degraded: Lab) -> None:
    found = series([(1, outcome) for outcome in outcomes_of(degraded.plan())])
    assert [each.name for each in found] == ["plain-n", "ResNet n", "wide"]
    assert [len(each.at) for each in found] == [3, 3, 1]


def test_nets_that_differ_in_their_recipe_are_not(lab: Lab) -> None:
    for n, lr in ((20, 0.1), (32, 0.2)):
        lab.all_done(
            lab.variant(f"{n}", {"model": f"resnet{n}", "recipe.optimizer.lr": lr}), 1, [8.0]
        )
    assert len(series([(1, outcome) for outcome in outcomes_of(lab.plan())])) == 2


def test_nets_that_differ_in_their_widths_are_joined_where_none_differ_in_units(lab: Lab) -> None:
    for name in ("wrn_16_4", "wrn_16_8"):
        add(lab, name, name, [5.0])
    [only] = series([(1, outcome) for outcome in outcomes_of(lab.plan())])
    assert len(only.at) == 2


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["plain-8", "plain-20"], "plain-n"),
        (["ResNet-110, CIFAR-10", "ResNet-20, CIFAR-10"], "ResNet-n, CIFAR-10"),
        (["narrow", "deep"], "narrow … deep"),
        (["alone"], "alone"),
    ],
)
def test_a_line_is_named_by_what_its_labels_have_in_common(labels: list[str], name: str) -> None:
    assert common(labels) == name


def test_means_and_seeds_stand_above_their_depths(degraded: Lab) -> None:
    found = lines(degraded)
    assert found["-o"] == [(20, 9.5), (32, 10.1), (56, 13.5)]
    assert found["-^"] == [(20, 9.1), (32, 7.9), (56, 7.4)]
    assert {(20, 9.0), (20, 10.0), (56, 14.0)} <= set(found["None."])


def test_beside_the_depth_stands_the_training_error(degraded: Lab) -> None:
    assert lines(degraded)["--o"] == [(20, 3.0), (32, 3.2), (56, 4.334)]  # of 50,000


@pytest.mark.parametrize("draw", [parameters, multiply_adds])
def test_there_is_no_training_error_beside_other_costs(degraded: Lab, draw: object) -> None:
    assert "--o" not in lines(degraded, draw)


def test_a_variant_of_which_a_run_diverged_has_no_mean_and_a_cross(lab: Lab) -> None:
    add(lab, "ResNet 20", "resnet20", [8.0, 9.0])
    folders = lab.variant("ResNet 110", {"model": "resnet110"}, 2)
    lab.done(folders[0], 1.0, 6.0)
    lab.diverged(folders[1])
    found = lines(lab)
    assert found["-o"] == [(20, 8.5)]
    assert [x for x, _ in found["Nonex"]] == [110]
    assert (110, 6.0) in found["None."]


def test_a_variant_of_which_every_run_diverged_has_a_cross_alone(lab: Lab) -> None:
    add(lab, "ResNet 20", "resnet20", [8.0, 9.0])
    lab.diverged(lab.variant("ResNet 110", {"model": "resnet110"})[0])
    found = lines(lab)
    assert [x for x, _ in found["Nonex"]] == [110]
    assert {x for x, _ in found["None."]} == {20}


def test_a_published_number_stands_beside_its_net(lab: Lab) -> None:
    for n in (20, 32):
        of = (TABLE6, f"ResNet {n}")
        lab.all_done(lab.variant(f"ResNet {n}", {"model": f"resnet{n}"}, published=of), 1, [8.0])
    assert lines(lab)["NoneD"] == [(20, 8.75), (32, 7.51)]  # He 2015, Table 6


@pytest.mark.parametrize("name", ["parameters", "multiply_adds", "trainable"])
def test_nets_of_one_size_have_no_figure(lab: Lab, name: str) -> None:
    for n in (20, 32):
        add(lab, f"{n}", f"resnet{n}", [8.0])
    with pytest.raises(NothingToDraw):
        COSTS[name](lab.plan(), outcomes_of(lab.plan()))


def test_what_trains_is_drawn_where_it_is_not_all(lab: Lab) -> None:
    for words, count in (("all", 10_000), ("[head]", 650)):
        trains = {} if words == "all" else {"trains": ["head"]}
        [folder] = lab.variant(words, {"model": "resnet20", **trains})
        lab.done(folder, 1.0, 8.0, trainable=count)
        lab.variants[-1] = replace(lab.variants[-1], params=10_000)
    assert {x for x, _ in lines(lab, trainable)["None."]} == {10_000, 650}


def test_a_plan_without_runs_has_nothing_to_say(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"})
    with pytest.raises(NothingToDraw, match="no run is done"):
        depth(lab.plan(), outcomes_of(lab.plan()))


def test_the_axis_begins_with_0_where_errors_lie_far_apart(degraded: Lab) -> None:
    add(degraded, "none", "plain110", [60.0])
    with in_style():
        [axes] = depth(degraded.plan(), outcomes_of(degraded.plan())).axes
    assert axes.get_ylim()[0] == 0
    assert math.isfinite(axes.get_ylim()[1]) and axes.get_ylim()[1] > 60
