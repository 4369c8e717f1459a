"""Costs of nets as torch counts them, on its meta device: nothing is computed, but by nets of one's
own.

Multiply-adds are torch's own FLOP count halved: convolutions and linear layers, as papers count.

    python -m reslab.models.count < nets.json

reads a list of {"description": {…}, "image_size": n} and prints a list of {"params": …,
"multiply_adds": …}, with `--layers` a list of layers for each, or in words why a net is impossible;
config/costs.py asks it for nets of other libraries, and of one's own.
"""

import contextlib
import copy
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reslab.config.costs import Complexity
from reslab.config.nets import NET, Described, PythonNet
from reslab.errors import UserError, exit_code, first_line
from reslab.models.nets import build
from reslab.models.python import refuse_unfit


def complexity_of(net: nn.Module, description: Described, image_size: int) -> Complexity:
    """Costs of a built net at square images of `image_size` pixels; `UserError` for one of one's
    own that does not do what its description says."""
    shape = description.in_channels, image_size, image_size
    if isinstance(description, PythonNet):  # it may look at numbers, of which meta has none
        refuse_unfit(net, description, image_size)
        return complexity(net, shape, "cpu")
    return complexity(net, shape)


def complexity(net: nn.Module, shape: tuple[int, int, int], device: str = "meta") -> Complexity:
    """Costs of `net` for one image of `shape` (C, H, W). A copy is counted; `net` is untouched."""
    counter = flops_counted(copy.deepcopy(net).to(device), shape)
    params = sum(parameter.numel() for parameter in net.parameters())
    return Complexity(params, counter.get_total_flops() // 2)


def flops_counted(net: nn.Module, shape: tuple[int, int, int]) -> FlopCounterMode:
    """What torch counts while `net` evaluates one image of `shape`, where it is."""
    first = next(net.parameters())
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            net.eval()(torch.zeros(1, *shape, dtype=first.dtype, device=first.device))
    except (AssertionError, RuntimeError) as error:
        raise UserError(f"the net cannot take images of shape {shape}: {error}") from None
    return counter


def count(description: Described, image_size: int) -> Complexity:
    """Costs of the net that a description stands for, at square images of `image_size` pixels."""
    with torch.device("meta"):
        net = build(description)
    return complexity_of(net, description, image_size)


def layers(description: Described, image_size: int) -> list[list[str | int]]:
    """Name, class, output shape for one image (without N), parameters and multiply-adds of each
    layer in the order in which they run; parameters are a layer's own, not its children's."""
    with torch.device("meta"):
        net = build(description)
    if isinstance(description, PythonNet):
        refuse_unfit(net, description, image_size)
    ran: list[tuple[str, nn.Module, str]] = []

    def record(name: str, layer: nn.Module, _: Any, output: Any) -> None:
        shape = output.shape[1:] if isinstance(output, Tensor) else ()
        ran.append((name, layer, " × ".join(map(str, shape))))

    for name, layer in net.named_modules():
        if not list(layer.children()) or _own_params(layer):
            layer.register_forward_hook(partial(record, name))
    counter = flops_counted(net, (description.in_channels, image_size, image_size))
    flops, root = counter.get_flop_counts(), type(net).__name__
    return [
        [
            name,
            type(layer).__name__,
            shape,
            _own_params(layer),
            sum(flops.get(f"{root}.{name}", {}).values()) // 2,
        ]
        for name, layer, shape in ran
    ]


REFUSALS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What torch and other libraries raise where sizes do not fit."""


def answer(ask: Callable[[Described, int], Any], description: Described, image_size: int) -> Any:
    """`count` or `layers` of a net as JSON has it, or in one line why there is no such net."""
    try:
        found = ask(description, image_size)
    except UserError as error:
        return first_line(error)
    except REFUSALS as error:
        size = f"{image_size} × {image_size}"
        return f"the net cannot be built for images of {size} pixels: {first_line(error)}"
    return vars(found) if isinstance(found, Complexity) else found


def _own_params(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters(recurse=False))


def main() -> None:
    """Answer the nets on standard input."""
    asked = json.load(sys.stdin)
    nets = [(NET.validate_json(json.dumps(a["description"])), a["image_size"]) for a in asked]
    ask = layers if "--layers" in sys.argv else count
    with contextlib.redirect_stdout(sys.stderr):  # what a net of one's own prints
        answers = [answer(ask, *net) for net in nets]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    sys.exit(exit_code(main))
