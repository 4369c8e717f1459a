"""Nets: `build` turns a description into a module; residual nets are built here.

A residual net is stem → stages of units → head, one `nn.Sequential` with named children (conv1,
bn1, layer1 …, fc). He et al. 2015 (arXiv 1512.03385), Table 1 and Sec. 4.2; Fixup's initialisation
of Zhang et al. 2019 (arXiv 1901.09321), Sec. 3.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import nn

from reslab.config import spelling
from reslab.config.nets import DenseNet, Described, Foreign, PythonNet, ResNet
from reslab.config.zoo import describe
from reslab.models.dense import dense
from reslab.models.foreign import foreign
from reslab.models.layers import convolutions
from reslab.models.python import python_net
from reslab.models.stem_and_head import head, initialize, stem
from reslab.models.units import Unit, alphabet, spell, unit


def build(description: Described | str) -> nn.Module:
    """The net that a description or a name of the zoo stands for, freshly initialised in float32.

    Reads images (N, in_channels, H, W) and returns logits (N, classes). Random numbers come from
    torch's global generator. `UserError` for an unknown name.
    """
    net = describe(description) if isinstance(description, str) else description
    return BUILDERS[type(net)](net)


def residual(net: ResNet) -> nn.Sequential:
    """Images (N, in_channels, H, W) → logits (N, classes); children as torchvision's."""
    stages = [(f"layer{stage + 1}", _stage(net, stage)) for stage in range(len(net.units))]
    word, exits = spelling.closing(net)
    closing = spell(word, net.outputs[-1], map(convolutions, exits), alphabet(net))
    module = nn.Sequential(OrderedDict([*stem(net), *stages, *head(net, closing)]))
    initialize(module, net)
    if net.zero_gamma:
        zero_gamma(module)
    if net.scaling == "fixup":
        fixup(module)
    return module


BUILDERS: dict[type, Callable[[Any], nn.Module]] = {
    ResNet: residual,
    DenseNet: dense,
    Foreign: foreign,
    PythonNet: python_net,
}


def _stage(net: ResNet, stage: int) -> nn.Sequential:
    return nn.Sequential(*(unit(net, stage, place) for place in range(net.units[stage])))


def zero_gamma(net: nn.Module) -> None:
    """Every branch's last norm begins with scale 0, so every unit as its shortcut."""
    for one in _units(net):
        last = [name for name in one.branch if name.startswith("bn")][-1]
        nn.init.zeros_(getattr(one, last).weight)


def fixup(net: nn.Sequential) -> None:
    """Branches begin as 0: their last convolution is 0, the m − 1 others are scaled by
    L^(−1/(2m−2)), L the number of units; the linear layer is 0 (Zhang 2019, Sec. 3). The stem
    begins as `stem_init` says."""
    units = _units(net)
    for one in units:
        *others, last = (getattr(one, name) for name in one.branch if name.startswith("conv"))
        for convolution in others:
            _weight(convolution).data.mul_(len(units) ** (-1 / (2 * len(others))))
        nn.init.zeros_(_weight(last))
    for parameter in net.get_submodule("fc").parameters():
        nn.init.zeros_(parameter)


def _units(net: nn.Module) -> list[Unit]:
    return [layer for layer in net.modules() if isinstance(layer, Unit)]


def _weight(convolution: nn.Module) -> nn.Parameter:
    """A convolution's weight; a separable one's last."""
    return list(convolution.parameters())[-1]
