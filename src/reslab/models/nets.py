"""Nets: stem → stages of units → head, as one `nn.Sequential` with named children.

`build` turns a description into a module. Children are called as in torchvision (conv1, bn1,
layer1 …, fc). He et al. 2015 (arXiv 1512.03385), Table 1 and Sec. 4.2; initialisation of He et al.
2015 (arXiv 1502.01852).
"""

from typing import Literal

from torch import nn

from reslab.config.schema import ResNet
from reslab.config.zoo import describe
from reslab.models.units import ORDERS, Layers, spell, unit

STEMS: dict[str, tuple[int, int, bool]] = {
    # stem:     (kernel, stride, a 3×3 max-pooling of stride 2 after it)
    "3x3":      (3, 1, False),
    "7x7_pool": (7, 2, True),
}  # fmt: skip


def build(description: ResNet | str) -> nn.Sequential:
    """The net that a description or a name of the zoo stands for, freshly initialised in float32.

    Reads images (N, in_channels, H, W) and returns logits (N, classes). Random numbers come from
    torch's global generator. `UserError` for an unknown name.
    """
    net = describe(description) if isinstance(description, str) else description
    stages, outputs = _stages(net)
    closing = spell(ORDERS[net.order].before, outputs, ())
    module = nn.Sequential()
    for name, layer in [*_stem(net), *stages, *_head(net, closing, outputs)]:
        module.add_module(name, layer)
    initialize(module, net.init)
    return module


def initialize(net: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    """He initialisation in place: convolutions normal with variance 2 / fan, norms 1 and 0.

    The linear layer keeps torch's own initialisation, as in torchvision.
    """
    for layer in net.modules():
        match layer:
            case nn.Conv2d():
                nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
            case nn.BatchNorm2d():
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)


def _stem(net: ResNet) -> Layers:
    kernel, stride, pooled = STEMS[net.stem]
    first = nn.Conv2d(
        net.in_channels, net.stem_width, kernel, stride, padding=kernel // 2, bias=False
    )
    pool = [("maxpool", nn.MaxPool2d(3, 2, padding=1))] if pooled else []
    return [*spell("c n a", net.in_channels, [first]), *pool]


def _stages(net: ResNet) -> tuple[Layers, int]:
    """layer1, layer2, …, and the channels that the last one puts out."""
    stages: Layers = []
    channels = net.stem_width
    for units, width, stride in zip(net.units, net.widths, net.strides, strict=True):
        stage = nn.Sequential()
        for i in range(units):
            first = not stages and i == 0
            made, channels = unit(net, channels, width, stride if i == 0 else 1, first)
            stage.append(made)
        stages.append((f"layer{len(stages) + 1}", stage))
    return stages, channels


def _head(net: ResNet, closing: Layers, channels: int) -> Layers:
    """`closing` is what would stand before one more unit: a pre-activation net ends with it."""
    return [
        *((f"closing_{name}", layer) for name, layer in closing),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(channels, net.classes)),
    ]
