"""Nets for tests of adapters: one of each kind, with statistics and affines as after training."""

import copy
from typing import Any

import torch
from torch import nn

from reslab.config.adapters import Adapter
from reslab.methods.adapters import adapt, is_adapter_parameter
from reslab.models.nets import build

SHAPE = (3, 32, 32)
NETS = {
    "basic": "resnet20",
    "bottleneck": "resnet50",
    "grouped": "resnext29_2x64d",
    "pre-activation": "preact_resnet20",
    "depthwise": "timm:mobilenetv3_small_050",
}
ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 2, "kernels": "spatial"},
    "parallel": {},
    "series": {},
    "prompt": {"width": 3},
    "mask": {"keep": 0.3},
}


def adapter(name: str, **fields: Any) -> Adapter:
    """An adapter by name; fields of `ADAPTERS` that are not given."""
    return Adapter(name=name, **{**ADAPTERS[name], **fields})


def trained_net(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A net of `NETS` in evaluation mode, whose norms are neither 0 nor 1, as if trained."""
    torch.manual_seed(0)
    net = build(NETS[name]).to(dtype).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            unlike_new(layer)
    return net


def unlike_new(norm: nn.BatchNorm2d) -> None:
    """Statistics and affines as after training."""
    nn.init.normal_(norm.get_buffer("running_mean"), 0, 0.1)
    nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 1.5)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias, 0, 0.1)


def adapted(net: nn.Module, how: Adapter, seed: int = 0) -> nn.Module:
    """A copy of `net` with an adapter as it begins."""
    return adapt(copy.deepcopy(net), how, SHAPE, seed)


def moved(net: nn.Module) -> nn.Module:
    """An adapted net as after training: nothing of its adapter is 0."""
    torch.manual_seed(1)
    for name, parameter in net.named_parameters():
        if is_adapter_parameter(name):
            nn.init.normal_(parameter, 0, 0.1)
    for name, layer in net.named_modules():
        if isinstance(layer, nn.BatchNorm2d) and ".adapter." in name:
            unlike_new(layer)
    return net


def images(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Two, normalised."""
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2)).to(dtype)
