"""Learning rates and points in time, as functions of the recipe and the step alone."""

import bisect
import math
from typing import Any

from torch import nn, optim

from reslab.config import Optimizer, Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of optimiser step `step`, counted from 0, of a (scaled) recipe."""
    schedule, peak = recipe.schedule, recipe.optimizer.lr
    if step < schedule.warmup_steps:
        return schedule.warmup_lr
    if schedule.name == "cosine":
        progress = (step - schedule.warmup_steps) / (recipe.steps - schedule.warmup_steps)
        return peak * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return peak * schedule.gamma ** bisect.bisect_right(schedule.milestones, step)


def build_optimizer(net: nn.Module, optimizer: Optimizer) -> optim.Optimizer:
    """torch's optimiser over the net's parameters; see `Optimizer.decay` for the two groups."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    other_decay = optimizer.weight_decay if optimizer.decay == "all" else 0.0
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": optimizer.weight_decay},
        {"params": others, "weight_decay": other_decay},
    ]
    if optimizer.name == "adam":
        return optim.Adam(groups, lr=optimizer.lr, betas=optimizer.betas)
    return optim.SGD(
        groups, lr=optimizer.lr, momentum=optimizer.momentum, nesterov=optimizer.nesterov
    )


def log_interval(recipe: Recipe) -> int:
    """Steps between two rows of training metrics: at most 200 rows a run."""
    return math.ceil(recipe.steps / 200)


def evaluation_interval(recipe: Recipe, test_examples: int) -> int:
    """Steps between two evaluations on the test split.

    At most 40 a run, and together at most a tenth of the training's cost, where a training example
    costs three forward passes and a test example one.
    """
    affordable = 10 * test_examples / (3 * recipe.batch_size)
    return max(math.ceil(recipe.steps / 40), math.ceil(affordable))
