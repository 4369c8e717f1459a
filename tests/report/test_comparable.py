"""What keeps two errors from being compared; protocols are those of papers that ship."""

from pathlib import Path
from typing import Any

import pytest
from tests.arrays import GREY, LABELS, TEST_LABELS, saved
from tests.experiments.plans import BASE, plan

from reslab import store
from reslab.report.comparable import published_obstacle, variants_obstacle
from reslab.report.runs import outcomes_of
from reslab.store.plan import Plan
from reslab.store.plans import write_plan

HUANG = "huang2016/table1"


def planned(*overrides: dict[str, Any], base: dict[str, Any] = BASE, **options: Any) -> Plan:
    """Variants of ResNet-20 beside He 2015's, written: their folders say what they are."""
    variants = {
        f"{number}": {"model": "resnet20", "published": {"row": "ResNet 20"}, **override}
        for number, override in enumerate(overrides)
    }
    made = plan({"published": "he2015/table6", "base": base, "variants": variants}, **options)
    write_plan(made)
    return made


def obstacle(override: dict[str, Any], **options: Any) -> str:
    made = planned(override, **options)
    [outcome] = outcomes_of(made)
    return published_obstacle(made, outcome)


@pytest.mark.parametrize(
    ("override", "options", "told"),
    [
        ({}, {}, ""),
        ({}, {"budget": 0.02}, "budget"),
        ({}, {"epochs": 2.0}, "budget"),
        ({"recipe.steps": 50_000}, {}, "recipe.steps"),
        ({"data.per_class": 500}, {}, "data.per_class"),
        ({"data.classes": ["dog", "frog"]}, {}, "data.classes"),
        ({"data": {"holdout": 5000}}, {}, "data.holdout"),
        ({"data": {"name": "cifar100"}}, {}, "data.name"),
    ],
)
def test_a_budget_or_other_images_stand_between_a_run_and_a_published_number(
    override: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    assert obstacle(override, **options) == told


@pytest.mark.parametrize(
    "override",
    [
        {"recipe.batch_size": 64},
        {"recipe.optimizer.lr": 0.05},
        {"model": {"name": "resnet20", "shortcut": "C"}},
        {"data": {"holdout": 5000, "tested_on": "test"}},  # on which He 2015 is silent
    ],
)
def test_what_else_deviates_is_named_under_the_table_and_compared(override: dict[str, Any]) -> None:
    assert obstacle(override) == ""


def test_another_number_of_seeds_is_compared() -> None:
    assert obstacle({}, seeds=2) == ""


def test_a_run_that_is_not_there_has_no_obstacle() -> None:
    made = planned({})
    (made.folders()[0] / store.CONFIG).unlink()
    [outcome] = outcomes_of(made)
    assert published_obstacle(made, outcome) == ""


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ({"recipe.optimizer.lr": 0.05}, ""),
        ({"data.per_class": 500}, ""),
        ({"data": {"holdout": 5000, "tested_on": "test"}}, ""),
        ({"data": {"holdout": 5000}}, "tested on other images"),
        ({"data": {"holdout": 5000, "tested_on": "test", "per_class": 900}}, ""),
        ({"data": {"name": "cifar100"}, "published": "none"}, "tested on other images"),
        ({"data.classes": ["dog", "frog"]}, "tested on other images"),
    ],
)
def test_variants_are_compared_on_the_same_test_images_however_they_train(
    override: dict[str, Any], told: str
) -> None:
    one, other = outcomes_of(planned({}, override))
    assert variants_obstacle(other, one) == told


@pytest.mark.parametrize("field", [{"per_class": 900}, {"label_fraction": 0.5}])
def test_images_held_out_of_fewer_training_images_are_others(field: dict[str, Any]) -> None:
    base = {**BASE, "data": {"name": "cifar10", "holdout": 5000}}
    made = planned({}, {"data": field}, {"recipe.batch_size": 64}, base=base)
    one, other, same = outcomes_of(made)
    assert variants_obstacle(other, one) == "tested on other images"
    assert variants_obstacle(same, one) == ""


def test_two_files_of_arrays_are_tested_on_other_images(tmp_path: Path) -> None:
    named = {"images": GREY, "labels": LABELS, "test_images": GREY[:6], "test_labels": TEST_LABELS}
    more: list[dict[str, Any]] = [{}, {"classes": list("xyz")}]
    files = [saved(tmp_path / f"{i}.npz", **named, **each) for i, each in enumerate(more)]
    base = {
        "data": {"name": "arrays", "file": str(files[0])},
        "recipe": {"name": "digits", "batch_size": 4},
    }
    changes = [{}, {"data.file": str(files[1])}, {"data.per_class": 2}]
    none = [{"model": "resnet8_w8", "published": "none", **change} for change in changes]
    one, other, fewer = outcomes_of(planned(*none, base=base))
    assert variants_obstacle(other, one) == "tested on other images"
    assert variants_obstacle(fewer, one) == ""
