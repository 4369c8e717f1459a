"""A net as a backbone: its feature maps at several strides, for detectors and segmentation nets.

Level k is what the net has at stride 2^k, before its images shrink further: C2 … C5 of feature
pyramids (Lin et al. 2017, arXiv 1612.03144). Names, parameters and frozen norms are those of
torchvision's backbones, so that whatever takes one of them takes ours, and weights go both ways.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reslab.config.nets import DenseNet, Described, ResNet
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.methods.building import build_net
from reslab.models.nets import build


class Backbone(nn.Sequential):
    """Images (N, C, H, W) → maps by name, (N, out_channels[i], H / strides[i], W / strides[i]).

    The children of a net up to the last that is asked for, under their own names. torchvision's
    `BackboneWithFPN` takes it as it is, with its `return_layers` and its `out_channels`.
    """

    def __init__(self, layers: Mapping[str, nn.Module], levels: Mapping[str, "Level"]) -> None:
        super().__init__(OrderedDict(layers))
        self.return_layers = {level.layer: name for name, level in levels.items()}
        """The name of each map by that of the child that puts it out."""
        self.out_channels = [level.channels for level in levels.values()]
        self.strides = [level.stride for level in levels.values()]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = OrderedDict()
        x = images
        for name, layer in self.named_children():
            x = layer(x)
            if name in self.return_layers:
                maps[self.return_layers[name]] = x
        return maps


class Level(NamedTuple):
    """What a net puts out at a stride."""

    layer: str
    channels: int
    stride: int


def backbone(
    net: Described | str,
    weights: str | Path | Mapping[str, Any] | None = None,
    levels: Sequence[int] | Mapping[str, int] = (2, 3, 4, 5),
    frozen_norms: bool = True,
) -> Backbone:
    """One of our nets without its head, as feature maps at strides 2^level.

    `weights` as `reslab.build` takes them: a file, a run's folder, a published name, a mapping;
    their head is left out. None draws them from torch's global generator. `levels` are called "0",
    "1", … in their order, as torchvision's, or as a mapping calls them. `frozen_norms` puts
    torchvision's FrozenBatchNorm2d in the place of every BatchNorm: scale, bias and statistics stay
    as loaded, in training too. `UserError` for a net that is not ours, for levels that it does not
    have, and for weights that do not fit.
    """
    described = describe(net) if isinstance(net, str) else net
    if not isinstance(described, ResNet | DenseNet):
        raise UserError(
            f"backbone: got {net if isinstance(net, str) else described.family}; expected a net of "
            "this repository (make models), whose layers are a chain; of timm's nets "
            "timm.create_model(…, features_only=True) makes one"
        )
    chosen = _chosen(levels, levels_of(described))
    built = build_net(described, weights=None if weights is None else _trunk(weights))
    layers, last = dict(built.named_children()), list(chosen.values())[-1].layer
    kept = list(layers)[: list(layers).index(last) + 1]
    body = Backbone({name: layers[name] for name in kept}, chosen)
    if frozen_norms:
        freeze_norms(body)
    return body


def _trunk(weights: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """All of some weights but their head."""
    if isinstance(weights, Path):
        return {"file": str(weights), "loads": "trunk"}
    said = {"name": weights} if isinstance(weights, str) else weights  # a path is no name, too
    return {**said, "loads": "trunk"}


PROBE = 256
"""Side of the images by which strides are found; no net shrinks them to less than a pixel."""


@torch.no_grad()
def levels_of(described: ResNet | DenseNet) -> dict[int, Level]:
    """What a net has at each stride 2^level: the last child before its images shrink further, and
    before its head. Nothing is computed (torch's meta device)."""
    found: dict[int, Level] = {}
    with torch.device("meta"):
        net, x = build(described).eval(), torch.zeros(1, described.in_channels, PROBE, PROBE)
    for name, layer in net.named_children():
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            break
        x = layer(x)
        stride = PROBE // x.shape[-1]
        found[round(log2(stride))] = Level(name, x.shape[1], stride)
    return found


def _chosen(
    levels: Sequence[int] | Mapping[str, int], known: Mapping[int, Level]
) -> dict[str, Level]:
    """The levels that are asked for by name, from the finest to the coarsest."""
    named = levels if isinstance(levels, Mapping) else {str(i): k for i, k in enumerate(levels)}
    numbers = list(named.values())
    if not numbers or not set(numbers) <= set(known) or numbers != sorted(set(numbers)):
        there = ", ".join(f"{k} (stride {level.stride})" for k, level in known.items())
        raise UserError(
            f"backbone: levels: got {numbers}; expected some of the net's, each once and in this "
            f"order: {there}"
        )
    return {name: known[number] for name, number in named.items()}


def freeze_norms(net: nn.Module) -> None:
    """torchvision's FrozenBatchNorm2d in the place of every BatchNorm of a net, with its numbers.

    `UserError` where there is none.
    """
    from torchvision.ops import FrozenBatchNorm2d  # a second

    norms = {name: m for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}
    if not norms:
        raise UserError(
            "backbone: frozen_norms freezes BatchNorm, of which the net has none; "
            "write frozen_norms=False"
        )
    for name, norm in norms.items():
        frozen = FrozenBatchNorm2d(norm.num_features, norm.eps)
        frozen.load_state_dict(norm.state_dict())
        net.set_submodule(name, frozen)
