"""The learning rate is a function of the recipe and the step; so are the points in time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reslab.config import Recipe, resolve
from reslab.models import build
from reslab.training.schedule import (
    build_optimizer,
    evaluation_interval,
    learning_rate,
    log_interval,
)


def recipe(**changes: object) -> Recipe:
    tree = {
        "model": "resnet20",
        "data": "cifar10",
        "recipe": {"name": "he2015_cifar", **changes},
    }
    return resolve(tree, "test").recipe


def test_he2015_divides_the_rate_by_10_at_32k_and_48k() -> None:
    rates = {s: learning_rate(recipe(), s) for s in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert rates == pytest.approx(
        {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001}
    )


def test_resnet110_begins_with_400_steps_at_a_tenth_of_the_rate() -> None:
    warm = recipe(**{"schedule.warmup_steps": 400, "schedule.warmup_lr": 0.01})
    assert [learning_rate(warm, s) for s in (0, 399, 400)] == [0.01, 0.01, 0.1]


def test_a_cosine_falls_from_the_peak_to_zero() -> None:
    cosine = recipe(schedule={"name": "cosine", "milestones": []}, steps=1000)
    assert learning_rate(cosine, 0) == 0.1
    assert learning_rate(cosine, 500) == pytest.approx(0.05)
    assert learning_rate(cosine, 1000) == 0


@given(st.floats(1e-6, 4))
def test_every_rate_of_the_recipe_is_used_at_any_budget(budget: float) -> None:
    warm = recipe(**{"schedule.warmup_steps": 400, "schedule.warmup_lr": 0.02}).scaled(budget)
    steps = [0, warm.schedule.warmup_steps, *warm.schedule.milestones]
    assert [learning_rate(warm, s) for s in steps] == pytest.approx([0.02, 0.1, 0.01, 0.001])
    assert learning_rate(warm, warm.steps - 1) == pytest.approx(0.001)


@given(st.integers(1, 100_000), st.integers(1, 512), st.integers(1, 50_000))
def test_there_are_at_most_200_rows_and_40_evaluations(steps: int, batch: int, test: int) -> None:
    any_recipe = recipe().model_copy(update={"steps": steps, "batch_size": batch})
    assert steps / log_interval(any_recipe) <= 200
    evaluations = steps / evaluation_interval(any_recipe, test)
    assert evaluations <= 40
    assert evaluations * test <= 3 * steps * batch / 10 + 1e-6  # a tenth of the training's cost


def test_weight_decay_can_leave_out_norms_and_biases() -> None:
    net = build("resnet8_w8")
    optimizer = recipe().optimizer.model_copy(update={"decay": "weights"})
    weights, others = build_optimizer(net, optimizer).param_groups
    assert (weights["weight_decay"], others["weight_decay"]) == (1e-4, 0)
    assert {p.ndim for p in weights["params"]} == {2, 4}
    assert {p.ndim for p in others["params"]} == {1}


def test_the_optimizer_is_sgd_without_nesterov_as_in_he2015() -> None:
    optimizer = build_optimizer(build("resnet8_w8"), recipe().optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[1]
    assert (group["momentum"], group["nesterov"], group["dampening"]) == (0.9, False, 0)
    assert group["weight_decay"] == 1e-4
    assert math.isclose(group["lr"], 0.1)
