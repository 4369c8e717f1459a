"""What all nets of ours share: stems, heads, and how weights begin.

Children are called as in torchvision (conv1, bn1, …, fc). He et al. 2015 (arXiv 1512.03385),
Table 1; initialisation of He et al. 2015 (arXiv 1502.01852).
"""

from collections.abc import Callable

from torch import nn

from reslab.config import spelling
from reslab.config.convolutions import STEMS
from reslab.config.convolutions import stem as convolutions_of_stem
from reslab.config.nets import DenseNet, Init, LinearInit, ResNet
from reslab.models.layers import convolutions
from reslab.models.shortcuts import Gated
from reslab.models.units import Layers, alphabet, spell


def stem(net: ResNet | DenseNet) -> Layers:
    """From images to `net.stem_width` channels."""
    layers = convolutions_of_stem(net)
    pool = [("maxpool", nn.MaxPool2d(3, 2, padding=1))] if STEMS[net.stem].pooled else []
    text = " ".join([spelling.stem(net)] * len(layers))
    return [*spell(text, net.in_channels, map(convolutions, layers), alphabet(net)), *pool]


def head(net: ResNet | DenseNet, closing: Layers) -> Layers:
    """`closing`, then an average over the image and a linear layer: logits (N, classes)."""
    return [
        *((f"closing_{name}", layer) for name, layer in closing),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(net.features, net.classes)),
    ]


def initialize(module: nn.Sequential, net: ResNet | DenseNet) -> None:
    """The weights of a built net as its description says they begin, in place.

    What it does not name stays as torch draws it: norms (1 and 0), gates, the linear layer, and
    squeeze-and-excitation's layers with a bias.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None and not _stays(name, net):
            he_normal(layer, net.init)
        if isinstance(layer, Gated) and isinstance(net, ResNet) and net.gate_init == "same":
            he_normal(layer.gate, net.init)
    if net.gamma_init == "uniform":
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.uniform_(layer.weight)
    LINEAR[net.linear_init](module.get_submodule("fc"))


def he_normal(convolution: nn.Module, mode: Init) -> None:
    """Normal with variance 2 / fan, the fan as torch (and torchvision) counts it, whatever the
    groups; uniform is torch's own, which a convolution has already."""
    if mode != "uniform":
        weight = convolution.get_parameter("weight")
        nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")


def _stays(name: str, net: ResNet | DenseNet) -> bool:
    """Whether a convolution is one of a stem that stays as torch draws it: children of the net
    itself."""
    return isinstance(net, ResNet) and net.stem_init == "uniform" and "." not in name


def as_drawn(fc: nn.Module) -> None:
    """Weights and biases uniform within ± 1/√n, torch's own."""


def zero_bias(fc: nn.Module) -> None:
    """Weights as torch draws them, and no bias."""
    nn.init.zeros_(fc.get_parameter("bias"))


def small(fc: nn.Module) -> None:
    """Normal weights of standard deviation 0.001, and no bias."""
    nn.init.normal_(fc.get_parameter("weight"), std=1e-3)
    zero_bias(fc)


LINEAR: dict[LinearInit, Callable[[nn.Module], None]] = {
    "uniform": as_drawn,
    "zero_bias": zero_bias,
    "small": small,
}
"""How the linear layer begins, by `linear_init`."""
