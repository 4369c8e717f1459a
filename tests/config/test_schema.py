"""What a run is: a value with a name of its own, and nothing that cannot work."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reslab.config import (
    Augmentation,
    Data,
    Optimizer,
    Recipe,
    ResNet,
    RunConfig,
    Schedule,
    describe,
    resolve,
)
from reslab.config.strict_yaml import flatten, merge
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
    ],
    ids=str,
)
def test_whatever_decides_the_result_changes_the_id(difference: dict[str, Any]) -> None:
    assert run(**difference).run_id != run().run_id


def test_a_run_is_a_frozen_value() -> None:
    assert run() == run()
    assert hash(run()) == hash(run())
    with pytest.raises(ValidationError, match="frozen"):
        run().seed = 1


# ---- what cannot work ---------------------------------------------------------------------------

NET = {"units": (1, 1), "widths": (16, 32), "strides": (1, 2)}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"units": (1, 1, 1)}, "one entry per stage each; they have 3, 2 and 2"),
        ({"strides": (1,)}, "one entry per stage each; they have 2, 2 and 1"),
        ({"units": (), "widths": (), "strides": ()}, "at least 1 item"),
        ({"units": (0, 1)}, "greater than 0"),
        ({"widths": (16, -32)}, "greater than 0"),
        ({"classes": 0}, "greater than 0"),
        ({"stride_on": "first"}, "stride_on: first is read by nothing with branch basic"),
        ({"shortcut": "B", "zeros": "after"}, "zeros: after is read by nothing .* shortcut B"),
        ({"widths": (32, 16)}, "A pads with zero channels and cannot shrink the width"),
        ({"stem_width": 64}, r"cannot shrink the width.* \[64, 16, 32\] .*; use B or C"),
        ({"shortcut": "E"}, "'none', 'A', 'B'"),
        ({"branch": "wide"}, "'basic'"),
        ({"order": "preactivation"}, "'full_preactivation'"),
        ({"dept": 20}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_net_that_cannot_be_built_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ResNet(**{**NET, **fields})


@pytest.mark.parametrize("shortcut", ["none", "B", "C"])
def test_only_option_a_needs_a_growing_width(shortcut: str) -> None:
    assert ResNet(**{**NET, "widths": (32, 16), "shortcut": shortcut})


def test_a_bottlenecks_width_counts_four_times_in_option_a() -> None:
    """He 2015, Fig. 5: a bottleneck of width 16 puts out 64 channels."""
    assert ResNet(**NET, branch="bottleneck", stem_width=64, stride_on="first")


def test_a_holdout_leaves_training_images() -> None:
    assert Data(name="cifar10", holdout=49_999)
    with pytest.raises(ValidationError, match="must leave training images; cifar10 has 50000"):
        Data(name="cifar10", holdout=50_000)
    with pytest.raises(ValidationError, match="'cifar10'"):
        Data(name="svhn")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "adam", "momentum": 0.9}, "adam has betas; momentum and nesterov belong to sgd"),
        ({"betas": (0.9, 0.99)}, "sgd has a momentum; betas belong to adam"),
        ({"nesterov": True}, "nesterov: true needs a momentum above 0"),
        ({"momentum": 1.0}, "less than 1"),
        ({"lr": 0.0}, "greater than 0"),
        ({"lr": float("inf")}, "finite"),
        ({"weight_decay": -1e-4}, "greater than or equal to 0"),
        ({"name": "lamb", "nesterov": True}, "lamb has betas; momentum and nesterov belong to"),
        ({"scale_and_bias_lr_factor": 0.0}, "greater than 0"),
        ({"name": "rmsprop"}, "'sgd', 'adam', 'adamw' or 'lamb'"),
    ],
    ids=str,
)
def test_an_optimizer_reads_what_it_is_given(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Optimizer(**{"lr": 0.1, **fields})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "name: step needs milestones"),
        (
            {"name": "cosine", "milestones": (3,)},
            r"\[3\] belong to name: step, not to name: cosine.* milestones: \[\]",
        ),
        ({"milestones": (3, 3)}, r"milestones: \[3, 3\] must rise"),
        ({"milestones": (4, 3)}, r"milestones: \[4, 3\] must rise"),
        ({"milestones": (0,)}, "greater than 0"),
        ({"milestones": (3,), "warmup_steps": 3}, r"come after the warm-up \(warmup_steps: 3"),
        ({"milestones": (3,), "gamma": 1.0}, "less than 1"),
        ({"milestones": (3,), "warmup_lr": 0.0}, "greater than 0"),
        ({"milestones": (3,), "warmup": "linear"}, "warmup: linear needs warmup_steps above 0"),
        ({"name": "one_cycle", "warmup_steps": 3}, "one_cycle rises by itself; .* set pct_start"),
        (
            {"name": "cosine", "pct_start": 0.2},
            "pct_start: 0.2 belongs to name: one_cycle, not to cos",
        ),
    ],
    ids=str,
)
def test_a_schedule_is_in_order(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Schedule(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"fill": "reflect"}, "fill: reflect needs crop_padding above 0"),
        ({"randaugment_magnitude": 5}, "randaugment_magnitude: 5 needs randaugment above 0"),
        ({"randaugment": 2, "randaugment_magnitude": 31}, "less than or equal to 30"),
        ({"mixup": -0.2}, "greater than or equal to 0"),
        ({"cutmix": float("inf")}, "finite"),
    ],
    ids=str,
)
def test_an_augmentation_reads_what_it_is_given(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augmentation(**fields)


def test_a_recipe_knows_what_it_does_not_read() -> None:
    assert run().recipe.unread == {
        "optimizer.betas",
        "schedule.pct_start",
        "schedule.warmup",
        "schedule.warmup_lr",
        "augmentation.randaugment_magnitude",
    }
    other = {"optimizer": {"name": "lamb", "momentum": 0.0}, "augmentation.crop_padding": 0}
    cosine = {"name": "cosine", "milestones": [], "warmup_steps": 5}
    assert run(recipe=merge(other, {"schedule": cosine})).recipe.unread == {
        "optimizer.momentum",
        "optimizer.nesterov",
        "schedule.milestones",
        "schedule.gamma",
        "schedule.pct_start",
        "augmentation.padding",
        "augmentation.fill",
        "augmentation.randaugment_magnitude",
    }


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"recipe__steps": 48_000}, r"milestones: 48000 is not before the last step \(steps: 480"),
        ({"recipe__batch_size": 50_001}, "batch_size: 50001 exceeds the 50000 training images"),
        ({"data__holdout": 49_900}, "batch_size: 128 exceeds the 100 training images"),
        ({"model__in_channels": 1}, r"model\.in_channels: 1, but cifar10 has 3"),
        ({"model__classes": 100}, r"model\.classes: 100, but cifar10 has 10"),
        ({"data": "mnist", "recipe__normalization": "imagenet"}, "for colour; mnist is grey"),
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
    ],
    ids=str,
)
def test_a_run_whose_parts_do_not_fit_is_refused(overrides: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        run(**overrides)


# ---- budgets ------------------------------------------------------------------------------------


def points(recipe: Recipe) -> tuple[int, ...]:
    """The steps at which something changes, the last one included."""
    warmup = recipe.schedule.warmup_steps
    return (*([warmup] if warmup else []), *recipe.schedule.milestones, recipe.steps)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Recipes of any length, with and without milestones and warm-up."""
    rising = sorted(draw(st.sets(st.integers(1, 100_000), min_size=1, max_size=5)))
    *early, steps = rising
    warmup = early.pop(0) if early and draw(st.booleans()) else 0
    schedule = {"name": "step" if early else "cosine", "milestones": early}
    overrides = {"steps": steps, "schedule": {**schedule, "warmup_steps": warmup}}
    return run(recipe=overrides).recipe


BUDGETS = st.floats(1e-6, 10)
few = settings(max_examples=50)


@few
@given(recipes(), BUDGETS)
def test_no_phase_vanishes_and_no_two_collide(recipe: Recipe, budget: float) -> None:
    scaled = points(recipe.scaled(budget))
    assert len(scaled) == len(points(recipe))
    assert scaled[0] >= 1
    assert all(earlier < later for earlier, later in itertools.pairwise(scaled))


@few
@given(recipes(), BUDGETS)
def test_a_scaled_recipe_is_a_recipe(recipe: Recipe, budget: float) -> None:
    scaled = recipe.scaled(budget)
    assert Recipe.model_validate(scaled.model_dump()) == scaled


@few
@given(recipes(), BUDGETS)
def test_every_point_is_at_its_nearest_step_or_right_after_the_point_before(
    recipe: Recipe, budget: float
) -> None:
    previous = 0
    for point, scaled in zip(points(recipe), points(recipe.scaled(budget)), strict=True):
        assert abs(scaled - point * budget) <= 0.5 or scaled == previous + 1
        previous = scaled


@few
@given(recipes(), BUDGETS, BUDGETS)
def test_a_larger_budget_never_trains_less(recipe: Recipe, one: float, other: float) -> None:
    less, more = sorted((one, other))
    pairs = zip(points(recipe.scaled(less)), points(recipe.scaled(more)), strict=True)
    assert all(early <= late for early, late in pairs)


@few
@given(recipes())
def test_the_whole_budget_is_the_recipe(recipe: Recipe) -> None:
    assert recipe.scaled(1) == recipe


@pytest.mark.parametrize(
    ("budget", "warmup", "milestones", "steps"),
    [
        (1.0, 400, (32_000, 48_000), 64_000),
        (0.5, 200, (16_000, 24_000), 32_000),
        (0.02, 8, (640, 960), 1_280),
        (0.001, 1, (32, 48), 64),
        (0.00001, 1, (2, 3), 4),
        (2.0, 800, (64_000, 96_000), 128_000),
    ],
)
def test_he_2015s_schedule_at_other_budgets(
    budget: float, warmup: int, milestones: tuple[int, ...], steps: int
) -> None:
    scaled = run(recipe__schedule__warmup_steps=400, budget=budget).scaled_recipe
    assert scaled.schedule.warmup_steps == warmup
    assert scaled.schedule.milestones == milestones
    assert scaled.steps == steps


def test_a_recipe_without_warm_up_gets_none() -> None:
    assert run(budget=0.001).scaled_recipe.schedule.warmup_steps == 0


def test_depth_counts_weighted_layers() -> None:
    assert [describe(f"resnet{n}").layers for n in (20, 50, 110)] == [20, 50, 110]
