"""Parameters and multiply-adds of a net, counted on torch's meta device (nothing is computed).

Multiply-adds are torch's own FLOP count halved: convolutions and linear layers, as papers count.
"""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reslab.config.complexities import Complexity
from reslab.errors import UserError


def complexity(net: nn.Module, shape: tuple[int, int, int]) -> Complexity:
    """Costs of `net` for one image of `shape` (C, H, W). A copy is counted; `net` is untouched."""
    counter = evaluate(copy.deepcopy(net).to("meta"), shape)
    params = sum(parameter.numel() for parameter in net.parameters())
    return Complexity(params, counter.get_total_flops() // 2)


def evaluate(net: nn.Module, shape: tuple[int, int, int]) -> FlopCounterMode:
    """What torch counts while `net`, on the meta device, evaluates one image of `shape`."""
    dtype = next(net.parameters()).dtype
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            net.eval()(torch.empty(1, *shape, dtype=dtype, device="meta"))
    except (AssertionError, RuntimeError) as error:
        raise UserError(f"the net cannot take images of shape {shape}: {error}") from None
    return counter
