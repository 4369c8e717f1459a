"""An adapted net as a plain one: what its adapters add goes into its weights.

LoRA, the parallel adapter and the mask are functions of a weight, which takes their value: not a
bit changes. A series adapter (I + A s) y + c, s and c constants in evaluation mode, multiplies the
weight before it; c becomes part of the convolution's bias, or of the running mean of a BatchNorm
that alone reads the convolution (Rebuffi 2018, Sec. 3.1).
"""

import copy
from collections.abc import Mapping
from typing import TypeGuard, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from reslab.errors import UserError, first_line
from reslab.methods.adapters import (
    PROMPT,
    Center,
    LowRank,
    Mask,
    Series,
    adapted_layers,
    through_adapter,
)


@torch.no_grad()
def merge(net: nn.Module) -> nn.Module:
    """A plain net that computes what an adapted one does in evaluation mode, under its own names.

    `net` stays as it is, and is the answer where nothing of it is adapted. `UserError` where no
    plain net of the same description does.
    """
    if not adapted_layers(net):
        return net
    if PROMPT in dict(net.named_parameters(recurse=False)):
        raise UserError("a prompt cannot be merged: no weight of the net adds a border to images")
    net = copy.deepcopy(net)
    layers = dict(net.named_modules())
    adapted = {n: m for n, m in layers.items() if isinstance(getattr(m, "adapter", None), Series)}
    norms = readers(net) if adapted else {}
    for name, layer in adapted.items():
        assert isinstance(layer, nn.Conv2d)
        fold(name, layer, norms.get(name))
    for layer in layers.values():
        if _is_rewritten(layer):
            _restore(layer)
    return net


def _is_rewritten(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.Linear]:
    if not parametrize.is_parametrized(layer, "weight"):
        return False
    rewrites = layer.get_submodule("parametrizations.weight")
    return isinstance(rewrites.get_submodule("0"), LowRank | Center | Mask)


def _restore(layer: nn.Conv2d | nn.Linear) -> None:
    """The layer with its weight in place of what makes it.

    torch's own `remove_parametrizations` deletes from the class, which copies of a layer share.
    """
    weight, bias = layer.weight, cast(nn.Parameter | None, layer.bias)
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer.parametrizations, layer.bias
    layer.register_parameter("weight", nn.Parameter(weight))
    layer.register_parameter("bias", bias)


def fold(name: str, layer: nn.Conv2d, norm: _BatchNorm | None) -> None:
    """A convolution with its series adapter inside; `norm` alone reads what it puts out."""
    if layer.groups > 1:
        raise UserError(
            f"the series adapter of {name} cannot be merged: it mixes all channels, and the "
            f"convolution before it has {layer.groups} groups, which would become one"
        )
    factor, constant = _affine(cast(Series, layer.adapter))
    if layer.bias is not None:
        layer.bias.copy_(factor @ layer.bias + constant)
    elif norm is not None and norm.running_mean is not None:
        norm.running_mean -= constant
    elif constant.any():
        raise UserError(
            f"the series adapter of {name} cannot be merged: it adds a constant to each channel, "
            "which has no place in the plain net: the convolution has no bias, and no BatchNorm "
            "alone reads it"
        )
    layer.weight.copy_((factor @ layer.weight.flatten(1)).view(layer.weight.shape))
    del layer.adapter
    hooks = layer._forward_hooks
    for key in [key for key, hook in hooks.items() if hook is through_adapter]:
        del hooks[key]


def _affine(adapter: Series) -> tuple[Tensor, Tensor]:
    """M (C, C) and c (C,) of y + A norm(y) = M y + c in evaluation mode."""
    norm, matrix = adapter.norm, adapter.convolution.weight.flatten(1)
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale = norm.weight / (variance + norm.eps).sqrt()
    constant = matrix @ (norm.bias - scale * mean)
    return torch.eye(len(matrix)).to(matrix) + matrix * scale, constant


class _Layers(fx.Tracer):
    """Looks into no convolution and no norm, whatever library they are of."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_known = isinstance(m, nn.Conv2d | _BatchNorm)
        return is_known or super().is_leaf_module(m, module_qualified_name)


def readers(net: nn.Module) -> Mapping[str, _BatchNorm]:
    """Convolutions by name, each with the BatchNorm that reads it where nothing else does."""
    try:
        nodes = _Layers().trace(net).nodes
    except Exception as error:
        told = "series adapters cannot be merged: torch.fx does not follow the net"
        raise UserError(f"{told}: {first_line(error)}") from None
    layers = dict(net.named_modules())
    alone = (
        (str(node.target), layers.get(str(next(iter(node.users)).target)))
        for node in nodes
        if node.op == "call_module" and len(node.users) == 1
    )
    return {name: reader for name, reader in alone if isinstance(reader, _BatchNorm)}
