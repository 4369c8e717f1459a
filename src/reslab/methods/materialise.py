"""From a description to a net, the one way: build, then load. Training begins with `materialise`;
whatever uses a trained net has it from `restore`."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reslab.config import RunConfig, Use
from reslab.data.modules import dtype_of
from reslab.data.order import init_seed
from reslab.methods.trains import freeze
from reslab.models import build
from reslab.weights.names import fit
from reslab.weights.near import refuse_misfit


def materialise(config: RunConfig) -> nn.Module:
    """The net that a run begins its training with: drawn from its seed, in part frozen."""
    torch.manual_seed(init_seed(config.seed))
    net = _built(config)
    freeze(net, config.model, config.trains)
    return net


def restore(use: Use, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A net with the whole state dict of a trained one.

    `UserError` lists what does not fit, before the memory of a net that is much larger is taken.
    """
    refuse_misfit(use.model, tensors)
    return fit(_built(use), tensors)


def _built(description: RunConfig | Use) -> nn.Module:
    """In the description's precision. Weights are drawn in float32, whatever it is, and become
    float64 before any are loaded: Lightning would convert the net after that."""
    return build(description.model).to(dtype_of(description.precision))
