"""Learning rates and points in time, as functions of the recipe and the step alone."""

import bisect
import math
from collections.abc import Callable
from typing import Any

from torch import nn, optim
from torch.nn.modules.conv import _ConvNd

from reslab.config import Optimizer, Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of optimiser step `step`, counted from 0, of a (scaled) recipe."""
    schedule, peak = recipe.schedule, recipe.optimizer.lr
    if step < schedule.warmup_steps:
        risen = step / schedule.warmup_steps if schedule.warmup == "linear" else 0.0
        return schedule.warmup_lr + (peak - schedule.warmup_lr) * risen
    if schedule.name == "cosine":
        progress = (step - schedule.warmup_steps) / (recipe.steps - schedule.warmup_steps)
        return _half_cosine(peak, 0.0, progress)
    if schedule.name == "one_cycle":
        return _one_cycle(peak, step, recipe.steps, schedule.pct_start)
    return peak * schedule.gamma ** bisect.bisect_right(schedule.milestones, step)


def _one_cycle(peak: float, step: int, steps: int, pct_start: float) -> float:
    """torch's OneCycleLR with its defaults: from peak / 25 to the peak, then to peak / 250,000."""
    top, last = pct_start * steps - 1, steps - 1
    if step < top:
        return _half_cosine(peak / 25, peak, step / top)
    return _half_cosine(peak, peak / 25 / 1e4, (step - top) / (last - top))


def _half_cosine(start: float, end: float, progress: float) -> float:
    """From `start` at progress 0 to `end` at 1 and after it."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1))) / 2


def build_optimizer(net: nn.Module, optimizer: Optimizer) -> optim.Optimizer:
    """torch's or timm's optimiser over the net's parameters, in two groups.

    The first are the weights of convolutions and linear layers, the second all others; what differs
    is `Optimizer.decay` and `Optimizer.scale_and_bias_lr_factor`.
    """
    layers = (m for m in net.modules() if isinstance(m, nn.Linear | _ConvNd))
    is_weight = {id(layer.weight) for layer in layers}
    weights = [p for p in net.parameters() if id(p) in is_weight]
    others = [p for p in net.parameters() if id(p) not in is_weight]
    lr, decay = optimizer.lr, optimizer.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": decay},
        {
            "params": others,
            "weight_decay": decay if optimizer.decay == "all" else 0.0,
            "lr": lr * optimizer.scale_and_bias_lr_factor,
        },
    ]
    if optimizer.name == "sgd":
        momentum, nesterov = optimizer.momentum, optimizer.nesterov
        return optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov)
    return _adaptive(optimizer.name)(groups, lr=lr, betas=optimizer.betas)


def _adaptive(name: str) -> Callable[..., optim.Optimizer]:
    """The optimisers with betas by name; timm is imported only for its own."""
    if name == "lamb":
        from timm.optim.lamb import Lamb

        return Lamb
    return {"adam": optim.Adam, "adamw": optim.AdamW}[name]


def log_interval(recipe: Recipe) -> int:
    """Steps between two rows of training metrics: at most 200 rows a run."""
    return math.ceil(recipe.steps / 200)


def ends_epoch(recipe: Recipe, step: int, examples: int) -> bool:
    """Whether optimiser step `step`, counted from 1, is the last, or the one that reads the last of
    `examples` training images once more."""
    read = step * recipe.batch_size
    return step == recipe.steps or read // examples > (read - recipe.batch_size) // examples


def evaluation_interval(recipe: Recipe, test_examples: int) -> int:
    """Steps between two evaluations on the test split.

    At most 40 a run, and together at most a tenth of the training's cost, where a training example
    costs three forward passes and a test example one.
    """
    affordable = 10 * test_examples / (3 * recipe.batch_size)
    return max(math.ceil(recipe.steps / 40), math.ceil(affordable))
