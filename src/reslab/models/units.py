"""Residual units: a word (config/words.py) spelled with layers, and a shortcut.

A unit computes y = after(shortcut(u, F(u))) with u = enter(x); the order says where the norms and
activations stand, the branch which convolutions there are. He et al. 2015 (arXiv 1512.03385),
Fig. 2; He et al. 2016 (arXiv 1603.05027), Fig. 4.
"""

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor, nn

from reslab.config.nets import DenseNet, ResNet
from reslab.config.words import ORDERS, Word, word
from reslab.models.branches import BRANCHES, outputs_of
from reslab.models.layers import (
    ACTIVATIONS,
    NORMS,
    Bias,
    Scale,
    SqueezeExcitation,
    StochasticDepth,
)
from reslab.models.shortcuts import Change, add, pool_project, project, row, shortcut

Layers = list[tuple[str, nn.Module]]


NAMES = {
    "c": "conv", "n": "bn", "a": "relu", "d": "dropout", "b": "bias", "m": "pool", "e": "se",
    "s": "scale", "p": "depth",
}  # fmt: skip
"""Layers are called by their letter and its count along the word: torchvision's names."""


Factory = Callable[[int], nn.Module]
"""A layer for a number of channels."""


def alphabet(net: ResNet | DenseNet, **further: Factory) -> dict[str, Factory]:
    """What each letter but c stands for in this net."""
    return {
        "n": NORMS[net.norm],
        "a": lambda _: ACTIVATIONS[net.activation](),
        "d": lambda _: nn.Dropout(net.dropout),
        "b": lambda _: Bias(1),
        **further,
    }


def spell(
    word: str, channels: int, convolutions: Iterable[nn.Module], letters: Mapping[str, Factory]
) -> Layers:
    """The layers of a word with their names (`conv1`, `bn1`, `relu1`, …); c's are `convolutions`.

    A norm has the channels of what it reads: at first `channels`, then the last convolution's. A
    ReLU before the first convolution is not in place: it would corrupt the x that the shortcut
    reads.
    """
    spelled = word.replace("+", "").split()
    remaining = iter(convolutions)
    layers: Layers = []
    for i, letter in enumerate(spelled):
        if letter == "c":
            layer = next(remaining)
            channels = outputs_of(layer)
        else:
            layer = letters[letter](channels)
        if isinstance(layer, nn.ReLU):
            layer.inplace = "c" in spelled[:i]
        layers.append((f"{NAMES[letter]}{spelled[: i + 1].count(letter)}", layer))
    return layers


class Unit(nn.Module):
    """y = after(shortcut(u, F(u))), u = enter(x); all layers are children under their own names.

    Reads and returns images (N, C, H, W). The shortcut is called `downsample`, so that its
    parameters have torchvision's names.
    """

    downsample: nn.Module

    def __init__(self, enter: Layers, branch: Layers, shortcut: nn.Module, after: Layers) -> None:
        super().__init__()
        for name, layer in [*enter, *branch, ("downsample", shortcut), *after]:
            self.add_module(name, layer)
        # Names: a list of layers goes stale when torch replaces children (SyncBatchNorm).
        self.enter, self.branch, self.after = (
            tuple(name for name, _ in path) for path in (enter, branch, after)
        )

    def forward(self, x: Tensor) -> Tensor:
        u = self._through(self.enter, x)
        return self._through(self.after, self.downsample(u, self._through(self.branch, u)))

    def _through(self, names: tuple[str, ...], x: Tensor) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x


def unit(
    net: ResNet, stage: int, inputs: int, stride: int, first: bool, survival: float = 1.0
) -> tuple[Unit, int]:
    """One unit of `net`, and its output channels; `survival` is its own p of stochastic depth.

    The net's first unit has no `before`: the stem ends with a norm and an activation already, and
    both paths read them (He 2016, appendix).
    """
    order, pooled = ORDERS[net.order], net.downsample == "max_pool" and stride > 1
    convolutions = BRANCHES[net.branch](net, stage, inputs, 1 if pooled else stride)
    outputs = outputs_of(convolutions[-1])
    ends_with_norm = "n" in order.end and net.scaling != "fixup"
    change = Change(inputs, outputs, stride, ends_with_norm)
    join = shortcut(net, change)

    parts = word(net, len(convolutions), pooled)
    letters = alphabet(
        net,
        m=lambda _: nn.MaxPool2d(3, stride, padding=1),
        e=lambda channels: SqueezeExcitation(channels, net.se),
        s=lambda _: Scale(1.0 if net.scaling == "fixup" else net.scale_init),
        p=lambda _: StochasticDepth(survival),
    )
    layers = spell(str(parts), inputs, convolutions, letters)
    start = len(parts.before.split()) if first else 0
    fork = max(start, _shared(net, parts, change))
    end = len(layers) - len(parts.after.split())
    return Unit(layers[start:fork], layers[fork:end], join, layers[end:]), outputs


def _shared(net: ResNet, parts: Word, change: Change) -> int:
    """How many letters at the beginning are before the fork: both paths read what they return."""
    if net.projection_reads == "x":
        return 0
    before, joins = len(parts.before.split()), row(net, change)
    if net.scaling == "fixup" and not (joins is add and change.stays):
        return before + 1  # Fixup's code: the first bias stands before both convolutions
    projects = joins in (project, pool_project)
    return before if projects and ORDERS[net.order].projects_before else 0
