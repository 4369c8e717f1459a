"""Weight decay towards the weights that a run starts from: L2-SP, Li et al. 2018 (arXiv 1802.01483,
Eqn. 4), in place of decay towards 0; what the start does not have, a new head, decays to 0.

sgd and adam add λ (w − w⁰) to the gradient, adamw subtracts lr λ (w − w⁰) from the weights before
its update: each what it does with λ w. LAMB's ratio of norms is of weights that decay to 0.
w⁰ travels in the checkpoint: a resumed run asks nobody for its start.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from reslab.config.run import RunConfig
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.stages import stage_of_each

TOWARDS_START = "towards_start"
"""λ of a group that decays towards its start; its `weight_decay`, towards 0, is 0."""


def starts_of(net: nn.Module, config: RunConfig) -> dict[str, Tensor]:
    """What of a run's net trains and decays to what it is now, by name: all that its start has, and
    so neither a new head nor an adapter's parameters. None where it decays to 0."""
    if config.start is None or config.recipe.optimizer.decay_towards == "zero":
        return {}
    has_head = config.start.head == "kept"
    return {
        name: net.get_parameter(name).detach().clone()
        for name, stage in stage_of_each(net, config.model).items()
        if net.get_parameter(name).requires_grad
        and not is_adapter_parameter(name)
        and (has_head or stage != "head")
    }


def decay_to_start(optimizer: optim.Optimizer, starts: Mapping[Tensor, Tensor]) -> None:
    """Let the groups of an optimiser that say so decay towards these tensors at every step."""
    pull = pull_weights if isinstance(optimizer, optim.AdamW) else pull_gradients
    on_device = {parameter: start.to(parameter) for parameter, start in starts.items()}

    def before_step(optimizer: optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            if decay := group.get(TOWARDS_START):
                trained: list[Tensor] = [p for p in group["params"] if p.grad is not None]
                pull(trained, [on_device[p] for p in trained], decay, group["lr"])

    optimizer.register_step_pre_hook(before_step)


@torch.no_grad()
def pull_gradients(parameters: list[Tensor], starts: list[Tensor], decay: float, lr: float) -> None:
    """The decay as a part of the gradient: + λ (w − w⁰)."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    torch._foreach_add_(gradients, torch._foreach_sub(parameters, starts), alpha=decay)


@torch.no_grad()
def pull_weights(parameters: list[Tensor], starts: list[Tensor], decay: float, lr: float) -> None:
    """The decay as a step of its own: w − lr λ (w − w⁰) (Loshchilov 2019, arXiv 1711.05101)."""
    torch._foreach_lerp_(parameters, starts, lr * decay)
