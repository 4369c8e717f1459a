"""What a run is: a value with a name of its own, and nothing that cannot work."""

from typing import Any

import pytest
from pydantic import ValidationError

from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import flatten, merge
from reslab.errors import UserError

PAPER = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def run(**overrides: Any) -> RunConfig:
    return resolve(merge(PAPER, {k.replace("__", "."): v for k, v in overrides.items()}), "here")


# ---- identity -----------------------------------------------------------------------------------


def test_the_golden_id() -> None:
    """This id never changes: a new field has a default, and a default is never changed."""
    assert run().run_id == "f666acc217"


def test_an_id_is_ten_hexadecimal_digits() -> None:
    assert len(run().run_id) == 10
    int(run().run_id, 16)


def test_a_field_at_its_default_does_not_change_the_id() -> None:
    written_out = run().model_dump(mode="json")
    assert len(flatten(written_out)) > 30
    assert resolve(written_out, "here").run_id == run().run_id
    assert run(seed=0, budget=1.0, precision="32-true", data__holdout=0).run_id == run().run_id


def test_the_name_of_a_net_or_recipe_does_not_matter_but_its_description_does() -> None:
    spelled_out = {**PAPER, "model": {"units": [3, 3, 3], "widths": [16, 32, 64]}}
    spelled_out = merge(spelled_out, {"model.strides": [1, 2, 2]})
    assert resolve(spelled_out, "here").run_id == run().run_id
    assert run(model={"name": "plain20", "shortcut": "A"}).run_id == run().run_id
    assert run(recipe=run().recipe.model_dump(mode="json")).run_id == run().run_id


def test_a_whole_number_where_a_fraction_is_meant_is_the_same_value() -> None:
    assert run(recipe__optimizer__lr=1).run_id == run(recipe__optimizer__lr=1.0).run_id


@pytest.mark.parametrize(
    "difference",
    [
        {"model": "resnet32"},
        {"model__shortcut": "C"},
        {"model__zeros": "after"},
        {"model__order": "full_preactivation"},
        {"model__init": "fan_in"},
        {"data": "cifar100"},
        {"data__holdout": 5000},
        {"data": {"name": "cifar10", "holdout": 5000, "tested_on": "test"}},
        {
            "data": {
                "name": "cifar10",
                "holdout": 5000,
                "tested_on": "test",
                "selected_on": "holdout",
            }
        },
        {"recipe__steps": 64_001},
        {"recipe__batch_size": 64},
        {"recipe__optimizer__lr": 0.05},
        {"recipe__optimizer__decay": "weights"},
        {"recipe__schedule__warmup_steps": 400},
        {"recipe__normalization": "channel"},
        {"recipe__label_smoothing": 0.1},
        {"recipe__augmentation__mixup": 0.2},
        {"recipe__augmentation__fill": "reflect"},
        {"recipe__augmentation__padding": "before_normalization"},
        {"seed": 1},
        {"budget": 0.5},
        {"precision": "tf32"},
        {"adapter": "parallel"},
    ],
    ids=str,
)
def test_whatever_decides_the_result_changes_the_id(difference: dict[str, Any]) -> None:
    assert run(**difference).run_id != run().run_id


def test_a_run_that_measures_its_net_is_the_same_run() -> None:
    measures = run(diagnostics=True)
    assert measures.diagnostics and measures.run_id == run().run_id


def test_a_run_is_a_frozen_value() -> None:
    assert run() == run()
    assert hash(run()) == hash(run())
    with pytest.raises(ValidationError, match="frozen"):
        run().seed = 1


# ---- what cannot work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"recipe__steps": 48_000}, r"milestones: 48000 is not before the last step \(steps: 480"),
        ({"recipe__batch_size": 50_001}, "batch_size: 50001 exceeds the 50000 training images"),
        (
            {"data__holdout": 49_900},
            "batch_size: 128 exceeds the 100 training images of cifar10; take a smaller one: "
            "SET=recipe.batch_size=64",
        ),
        ({"model__in_channels": 1}, r"model\.in_channels: 1, but cifar10 has 3"),
        ({"model__classes": 100}, r"model\.classes: 100, but cifar10 has 10"),
        ({"data": "mnist", "recipe__normalization": "imagenet"}, "for colour; mnist is grey"),
        (
            {"data": "mnist", "recipe__augmentation__color_jitter": {"saturation": 0.2}},
            "saturation and hue are those of colours; mnist is grey",
        ),
        (
            {"recipe__augmentation": {"fill": "reflect", "crop_padding": 32}},
            "crop_padding: 32; expected at most 31, since a crop of cifar10 must meet the image",
        ),
        ({"recipe__label_smoothing": 1.0}, "less than 1"),
        ({"budget": 0}, "greater than 0"),
        ({"budget": -0.5}, "greater than 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 0.5}, "a valid integer"),
        ({"precision": "16"}, "'32-true', 'tf32'"),
        (
            {"adapter": {"name": "lora", "rank": 17}},
            r"adapter\.rank: 17 is more than a convolution of the net has, .* rank 16; expected at",
        ),
        (
            {"adapter": {"name": "prompt", "width": 16}},
            r"adapter\.width: a border of 16 leaves noth",
        ),
        (
            {"adapter": "parallel", "trains": "head"},
            r"trains: head, and so nothing of adapter\.name: parallel; add adapter",
        ),
        (
            {"adapter": {"name": "mask", "keep": 0.5}, "trains": ["adapter", "head"]},
            r"trains: adapter: there is none",
        ),
        ({"adapter": "lora"}, r"adapter\.name: lora needs rank, for example rank: 4"),
        ({"adapter": {"name": "parallel", "rang": 4}}, r"adapter\.rang: no such field"),
    ],
    ids=str,
)
def test_a_run_whose_parts_do_not_fit_is_refused(overrides: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        run(**overrides)


def test_epochs_become_steps_and_the_schedule_follows() -> None:
    """50,000 images in batches of 128: 390.6 steps are an epoch; milestones at 1/2 and 3/4."""
    lasting = run().lasting(10)
    assert (lasting.recipe.steps, lasting.budget) == (3906, 1.0)
    assert lasting.recipe.schedule.milestones == (1953, 2930)
    assert lasting.epochs == pytest.approx(10, abs=0.01)
    assert run(budget=0.5).lasting(10) == lasting


def test_epochs_are_of_the_images_that_are_trained_on() -> None:
    held = run(data={"name": "cifar10", "holdout": 25_000})
    assert held.lasting(10).recipe.steps == 1953


def test_more_epochs_than_a_run_may_have_are_refused() -> None:
    with pytest.raises(UserError, match="EPOCHS=1e\\+09: 390,625,000,000 steps; expected at most"):
        run().lasting(1e9)


@pytest.mark.parametrize(
    ("parts", "adapted"),
    [({}, False), ({"trains": "head"}, True), ({"adapter": {"name": "lora", "rank": 1}}, True)],
)
def test_a_run_that_is_not_a_plain_net_trained_from_its_seed_says_so(
    parts: dict[str, Any], adapted: bool
) -> None:
    if "adapter" in parts:
        parts = {**parts, "trains": ["adapter"]}
    assert run(**parts).is_adapted is adapted
