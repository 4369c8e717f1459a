"""Learning rates, points in time and groups of parameters, as functions of the description and the
step alone."""

import bisect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn, optim
from torch.nn.modules.conv import _ConvNd

from reslab.config.recipe import Optimizer, Recipe
from reslab.training.decay import TOWARDS_START, decay_to_start


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


def set_rates(
    optimizer: optim.Optimizer, peaks: Sequence[float], recipe: Recipe, step: int
) -> None:
    """Give an optimiser's groups the rates of a step: of each its peak, as far as the recipe's rate
    is at its own."""
    factor = learning_rate(recipe, step) / recipe.optimizer.lr
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        group["lr"] = peak * factor


def _one_cycle(peak: float, step: int, steps: int, pct_start: float) -> float:
    """torch's OneCycleLR with its defaults: from peak / 25 to the peak, then to peak / 250,000."""
    top, last = pct_start * steps - 1, steps - 1
    if step < top:
        return _half_cosine(peak / 25, peak, step / top)
    return _half_cosine(peak, peak / 25 / 1e4, (step - top) / (last - top))


def _half_cosine(start: float, end: float, progress: float) -> float:
    """From `start` at progress 0 to `end` at 1 and after it."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1))) / 2


class Rule(NamedTuple):
    """How parameters of a kind train: at `rate` times the recipe's, with this weight decay; with
    neither, they are frozen and no optimiser knows them."""

    matches: Callable[[nn.Module, str], bool]
    rate: float | None
    decay: float | None


def rules(optimizer: Optimizer) -> tuple[Rule, ...]:
    """The table of parameters: of each the first row counts that matches its net and its name."""
    decay = optimizer.weight_decay
    return (
        Rule(is_frozen, None, None),
        Rule(is_weight, 1.0, decay),
        Rule(
            lambda net, name: True,
            optimizer.scale_and_bias_lr_factor,
            decay if optimizer.decay == "all" else 0.0,
        ),
    )


def is_frozen(net: nn.Module, name: str) -> bool:
    """Whether a parameter has no gradient."""
    return not net.get_parameter(name).requires_grad


def is_weight(net: nn.Module, name: str) -> bool:
    """Whether a parameter is the weight of a convolution or a linear layer, or what torch's
    parametrisation makes it of."""
    layer, found, part = name.partition(".parametrizations.")
    if not found:
        layer, _, part = name.rpartition(".")
    of_weight = part.partition(".")[0] == "weight"
    return of_weight and isinstance(net.get_submodule(layer), nn.Linear | _ConvNd)


def groups(
    net: nn.Module,
    optimizer: Optimizer,
    depths: Mapping[str, int] | None = None,
    started: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Groups of parameters as torch's optimisers take them: by row, by depth where `layer_decay`
    reads it, and by whether they decay towards their start, by their names. Each parameter that
    trains is in one."""
    found = dict[tuple[int, int, bool], dict[str, Any]]()
    table = rules(optimizer)
    for name, parameter in net.named_parameters():
        place = next(i for i, row in enumerate(table) if row.matches(net, name))
        key = place, depths[name] if depths else 0, name in started
        if table[place].rate is not None:
            group = found.setdefault(key, _group(table[place], optimizer, *key[1:]))
            group["params"].append(parameter)
    return [found[key] for key in sorted(found)]


def _group(row: Rule, optimizer: Optimizer, depth: int, started: bool) -> dict[str, Any]:
    """A group that is still empty."""
    assert row.rate is not None
    decay = {"weight_decay": 0.0, TOWARDS_START: row.decay} if started else {}
    rate = optimizer.lr * row.rate * optimizer.layer_decay**depth
    return {"params": [], "weight_decay": row.decay, "lr": rate, **decay}


def build_optimizer(
    net: nn.Module,
    optimizer: Optimizer,
    depths: Mapping[str, int] | None = None,
    starts: Mapping[str, Tensor] | None = None,
    beside: nn.Module | None = None,
) -> optim.Optimizer:
    """torch's or timm's optimiser over those of the net's parameters that train, and over those of
    what its loss learns beside it.

    `depths` are read where the optimiser has a `layer_decay`, `starts`, by the names of parameters,
    where it decays towards them.
    """
    starts = starts or {}
    others = [] if beside is None else groups(beside, optimizer)
    made = _made(optimizer, [*groups(net, optimizer, depths, starts), *others])
    if starts:
        decay_to_start(made, {net.get_parameter(name): start for name, start in starts.items()})
    return made


def _made(optimizer: Optimizer, parameters: list[dict[str, Any]]) -> optim.Optimizer:
    if optimizer.name == "sgd":
        momentum, nesterov = optimizer.momentum, optimizer.nesterov
        return optim.SGD(parameters, lr=optimizer.lr, momentum=momentum, nesterov=nesterov)
    return _adaptive(optimizer.name)(parameters, lr=optimizer.lr, betas=optimizer.betas)


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
    costs three forward passes and a test example one. None before the end where an evaluation needs
    all training images, too: without labels.
    """
    if not recipe.objective.is_of_classes:
        return recipe.steps + 1
    affordable = 10 * test_examples / (3 * recipe.batch_size)
    return max(math.ceil(recipe.steps / 40), math.ceil(affordable))
