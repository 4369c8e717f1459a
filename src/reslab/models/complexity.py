"""Parameters and multiply-adds of a net, counted on torch's meta device (nothing is computed).

Multiply-adds are torch's own FLOP count halved: convolutions and linear layers, as papers count.

    python -m reslab.models.complexity < nets.json

reads a list of {"description": {…}, "image_size": n} and prints a list of {"params": …,
"multiply_adds": …}: the way for code without torch to ask for nets that have no golden row. With
`--layers` it prints a list of layers for each.
"""

import copy
import json
import sys
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reslab.config.complexities import Complexity
from reslab.config.nets import Described, Net
from reslab.errors import exit_code
from reslab.models.nets import build

NET: TypeAdapter[Described] = TypeAdapter(Net)


def complexity(net: nn.Module, shape: tuple[int, int, int]) -> Complexity:
    """Costs of `net` for one image of `shape` (C, H, W). A copy is counted; `net` is untouched."""
    net = copy.deepcopy(net).to("meta").eval()
    dtype = next(net.parameters()).dtype
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.empty(1, *shape, dtype=dtype, device="meta"))
    params = sum(parameter.numel() for parameter in net.parameters())
    return Complexity(params, counter.get_total_flops() // 2)


def count(description: Described, image_size: int) -> Complexity:
    """Costs of the net that a description stands for, at square images of `image_size` pixels."""
    with torch.device("meta"):
        net = build(description)
    return complexity(net, (description.in_channels, image_size, image_size))


def layers(description: Described, image_size: int) -> list[list[str | int]]:
    """Name, class, output shape for one image (without N), parameters and multiply-adds of each
    layer in the order in which they run; parameters are a layer's own, not its children's."""
    with torch.device("meta"):
        net = build(description).eval()
    ran: list[tuple[str, nn.Module, str]] = []

    def recorder(name: str) -> Any:
        def record(layer: nn.Module, inputs: Any, output: Any) -> None:
            shape = output.shape[1:] if isinstance(output, Tensor) else ()
            ran.append((name, layer, " × ".join(map(str, shape))))

        return record

    for name, layer in net.named_modules():
        if not list(layer.children()) or list(layer.parameters(recurse=False)):
            layer.register_forward_hook(recorder(name))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.empty(1, description.in_channels, image_size, image_size, device="meta"))
    flops, root = counter.get_flop_counts(), type(net).__name__
    return [
        [
            name,
            type(layer).__name__,
            shape,
            sum(parameter.numel() for parameter in layer.parameters(recurse=False)),
            sum(flops.get(f"{root}.{name}", {}).values()) // 2,
        ]
        for name, layer, shape in ran
    ]


def main() -> None:
    asked = json.load(sys.stdin)
    nets = [(NET.validate_json(json.dumps(a["description"])), a["image_size"]) for a in asked]
    answer = layers if "--layers" in sys.argv else lambda *net: vars(count(*net))
    json.dump([answer(*net) for net in nets], sys.stdout)


if __name__ == "__main__":
    sys.exit(exit_code(main))
