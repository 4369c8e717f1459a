"""Parameters and multiply-adds of a net, counted on torch's meta device (nothing is computed).

Multiply-adds are torch's own FLOP count halved: convolutions and linear layers, as papers count.

    python -m reslab.models.complexity < nets.json

reads a list of {"description": {…}, "image_size": n} and prints a list of {"params": …,
"multiply_adds": …}: the way for code without torch to ask for nets that have no golden row.
"""

import copy
import json
import sys

import torch
from pydantic import TypeAdapter
from torch import nn
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


def main() -> None:
    asked = json.load(sys.stdin)
    counted = [
        count(NET.validate_json(json.dumps(net["description"])), net["image_size"]) for net in asked
    ]
    json.dump([vars(row) for row in counted], sys.stdout)


if __name__ == "__main__":
    sys.exit(exit_code(main))
