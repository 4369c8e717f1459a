"""How a net is trained: what is read, what is in order, and budgets."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reslab.config.losses import Loss
from reslab.config.objectives import Objective
from reslab.config.recipe import Augmentation, Moments, Optimizer, Recipe, Schedule
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.errors import UserError

PAPER = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def run(**overrides: Any) -> RunConfig:
    return resolve(merge(PAPER, {k.replace("__", "."): v for k, v in overrides.items()}), "here")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"name": "adam", "momentum": 0.9},
            "momentum: 0.9 is not read with name: 'adam', but with",
        ),
        ({"betas": (0.9, 0.99)}, "betas: .* is not read with name: 'sgd', but with"),
        ({"nesterov": True}, "nesterov: true is not read with momentum: 0.0, but with"),
        ({"momentum": 1.0}, "less than 1"),
        ({"lr": 0.0}, "greater than 0"),
        ({"lr": float("inf")}, "finite"),
        ({"weight_decay": -1e-4}, "greater than or equal to 0"),
        (
            {"name": "lamb", "nesterov": True},
            "true is not read with name: 'lamb' and momentum: 0.0",
        ),
        ({"scale_and_bias_lr_factor": 0.0}, "greater than 0"),
        (
            {"decay": "weights"},
            "is not read with weight_decay: 0.0, but with weight_decay other th",
        ),
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
            r"\[3\] is not read with name: 'cosine', but with name: 'step'; .* milestones: \[\]",
        ),
        ({"milestones": (3, 3)}, r"milestones: \[3, 3\] must rise"),
        ({"milestones": (4, 3)}, r"milestones: \[4, 3\] must rise"),
        ({"milestones": (0,)}, "greater than 0"),
        ({"milestones": (3,), "warmup_steps": 3}, r"come after the warm-up \(warmup_steps: 3"),
        ({"milestones": (3,), "gamma": 1.0}, "less than 1"),
        ({"milestones": (3,), "warmup_lr": 0.0}, "greater than 0"),
        (
            {"milestones": (3,), "warmup": "linear"},
            "warmup: 'linear' is not read with warmup_steps",
        ),
        ({"name": "one_cycle", "warmup_steps": 3}, "warmup_steps: 3 is not read with name: 'one_"),
        ({"name": "cosine", "gamma": 0.5}, "gamma: 0.5 is not read with name: 'cosine'"),
        ({"name": "cosine", "warmup_lr": 0.1}, "warmup_lr: 0.1 is not read with warmup_steps: 0"),
        (
            {"name": "cosine", "pct_start": 0.2},
            "pct_start: 0.2 is not read with name: 'cosine', but with name: 'one_cycle'",
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
        (
            {"fill": "reflect"},
            "fill: 'reflect' is not read with crop_padding: 0 and rotation: 0.0 and shear: 0.0 and "
            "zoom: 0.0, but with crop_padding other than 0, or with rotation other than 0, or",
        ),
        ({"padding": "before_normalization"}, "is not read with crop_padding: 0"),
        ({"randaugment_magnitude": 5}, "magnitude: 5 is not read with randaugment: 0, but with r"),
        ({"randaugment": 2, "randaugment_magnitude": 31}, "less than or equal to 30"),
        ({"randaugment": 2, "trivial_augment": True}, "in place of randaugment: 2; leave one of"),
        ({"rotation": 181.0}, "less than or equal to 180"),
        ({"shear": 90.0}, "less than 90"),
        ({"zoom": 1.0}, "less than 1"),
        ({"erasing": 1.5}, "less than or equal to 1"),
        ({"color_jitter": {"hue": 0.6}}, "less than or equal to 0.5"),
        ({"color_jitter": {"brightness": -0.1}}, "greater than or equal to 0"),
        ({"mixup": -0.2}, "greater than or equal to 0"),
        ({"cutmix": float("inf")}, "finite"),
    ],
    ids=str,
)
def test_an_augmentation_reads_what_it_is_given(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augmentation(**fields)


def test_a_recipe_knows_what_it_does_not_read() -> None:
    never = {
        "augmentation.color_jitter.probability",
        *(f"objective.{field}" for field in Objective.model_fields if field != "name"),
        *(f"loss.{field}" for field in Loss.model_fields if field != "name"),
    }
    assert run().recipe.unread == never | {
        "optimizer.betas",
        "schedule.pct_start",
        "schedule.warmup",
        "schedule.warmup_lr",
        "augmentation.randaugment_magnitude",
    }
    other = {"optimizer": {"name": "lamb", "momentum": 0.0}, "augmentation.crop_padding": 0}
    cosine = {"name": "cosine", "milestones": [], "warmup_steps": 5}
    assert run(recipe=merge(other, {"schedule": cosine})).recipe.unread == never | {
        "optimizer.decay_towards",
        "optimizer.momentum",
        "optimizer.nesterov",
        "schedule.milestones",
        "schedule.gamma",
        "schedule.pct_start",
        "augmentation.padding",
        "augmentation.fill",
        "augmentation.randaugment_magnitude",
    }


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


def test_a_normalization_is_a_word_or_numbers() -> None:
    numbers = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.2, 0.2]}
    found = run(recipe__normalization=numbers).recipe.normalization
    assert found == Moments(mean=(0.5, 0.5, 0.5), std=(0.25, 0.2, 0.2))
    assert run(recipe__normalization="channel").recipe.normalization == "channel"


@pytest.mark.parametrize(
    ("normalization", "told"),
    [
        ({"mean": [0.5], "std": [0.2]}, "recipe.normalization: 1 numbers .* 3 channels"),
        ({"mean": [0.5, 0.5], "std": [0.2]}, "recipe.normalization.std: 1 numbers beside 2"),
        ({"mean": [0.5], "std": [0.0]}, "recipe.normalization.std.0: got 0.0"),
        ({"mean": [0.5], "sd": [0.2]}, "recipe.normalization.sd: no such field.*did you mean std"),
        ("chanel", "recipe.normalization: got 'chanel'; .*did you mean channel"),
        ("start", "recipe.normalization: start is that of the weights .*starts from none"),
        (3, "recipe.normalization: got 3"),
    ],
)
def test_what_is_no_normalization_is_told_at_its_path(normalization: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        run(recipe__normalization=normalization)
