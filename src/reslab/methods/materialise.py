"""From a description to a net, the one way: build, adapt, load. Training begins with `materialise`;
whatever uses a trained net has it from `restore`."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from reslab.config.nets import Described, PythonNet
from reslab.config.run import RunConfig
from reslab.config.use import Use
from reslab.data.batches import dtype_of
from reslab.data.order import Stream, seed_of
from reslab.methods.adapters import adapt, is_adapter_parameter, plain_name
from reslab.methods.trains import freeze
from reslab.models.nets import build
from reslab.weights.names import fit
from reslab.weights.near import refuse_misfit


def materialise(config: RunConfig, load: Callable[[nn.Module], None] | None = None) -> nn.Module:
    """The net that a run begins its training with: drawn from its seed, with other weights where
    `load` puts them, adapted, in part frozen.

    An adapter draws from a key of its own, so that the net's weights are those of one without.
    """
    torch.manual_seed(seed_of(Stream.INIT, config.seed))
    use = Use.of_run(config)
    net = _built(use)
    if load is not None:
        load(net)
    net = _adapted(net, use, seed_of(Stream.ADAPTER, config.seed))
    freeze(net, config.model, config.trains)
    return net


def fastest(net: nn.Module, described: Described) -> nn.Module:
    """A net with its weights laid out as convolutions are the fastest; one of one's own as it is,
    whose .view may need the usual order."""
    return net if isinstance(described, PythonNet) else net.to(memory_format=torch.channels_last)


def restore(use: Use, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A net with the whole state dict of a trained one.

    `UserError` lists what does not fit, before the memory of a net that is much larger is taken.
    """
    refuse_misfit(use.model, plain_tensors(use, tensors))
    return fit(_adapted(_built(use), use), tensors)


def plain_tensors(use: Use, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The part of an adapted net's state dict that is the plain net's, under its names."""
    if use.adapter is None:
        return tensors
    return {plain_name(n): value for n, value in tensors.items() if not is_adapter_parameter(n)}


def _adapted(net: nn.Module, use: Use, seed: int = 0) -> nn.Module:
    """The net with its adapter, if it has one, which draws from `seed`."""
    if use.adapter is None:
        return net
    shape = use.model.in_channels, use.image_size, use.image_size
    return adapt(net, use.adapter, shape, seed)


def _built(description: Use) -> nn.Module:
    """In the description's precision. Weights are drawn in float32, whatever it is, and become
    float64 before any are loaded: Lightning would convert the net after that."""
    return build(description.model).to(dtype_of(description.precision))
