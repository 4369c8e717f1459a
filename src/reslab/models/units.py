"""Residual units: a word (config/words.py) spelled with layers, and a shortcut.

A unit computes y = after(shortcut(u, F(u))) with u = enter(x); the order says where the norms and
activations stand, the branch which convolutions there are. He et al. 2015 (arXiv 1512.03385),
Fig. 2; He et al. 2016 (arXiv 1603.05027), Fig. 4.
"""

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor, nn

from reslab.config import spelling
from reslab.config.nets import DenseNet, ResNet
from reslab.config.spelling import Change, Word, maker
from reslab.config.words import ORDERS, PROJECTIONS
from reslab.models.layers import (
    ACTIVATIONS,
    NORMS,
    Bias,
    Scale,
    SqueezeExcitation,
    StochasticDepth,
    convolutions,
)
from reslab.models.shortcuts import shortcut

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
            channels = [c.out_channels for c in layer.modules() if isinstance(c, nn.Conv2d)][-1]
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


def unit(net: ResNet, stage: int, place: int) -> Unit:
    """The unit at a place in a stage of `net`, both counted from 0 (config/spelling.py).

    The l-th of L units survives with probability 1 − l/L (1 − p_L) (Huang 2016, Eqn. 4).
    """
    word, layers, change, has_before = spelling.unit(net, stage, place)
    survival = 1 - (sum(net.units[:stage]) + place + 1) / sum(net.units) * (1 - net.survival)
    letters = alphabet(
        net,
        m=lambda _: nn.MaxPool2d(3, change.stride, padding=1),
        e=lambda channels: SqueezeExcitation(channels, net.se, net.se_bias),
        s=lambda _: Scale(1.0 if net.scaling == "fixup" else net.scale_init),
        p=lambda _: StochasticDepth(survival),
    )
    built = list(map(convolutions, layers))
    join = shortcut(net, change)
    spelled = spell(str(word), change.inputs, built, letters)
    start = 0 if has_before else len(word.before.split())
    fork, end = max(start, _shared(net, word, change)), len(spelled) - len(word.after.split())
    return Unit(spelled[start:fork], spelled[fork:end], join, spelled[end:])


def _shared(net: ResNet, parts: Word, change: Change) -> int:
    """How many letters at the beginning are before the fork: both paths read what they return."""
    before, projects = len(parts.before.split()), maker(net, change) in PROJECTIONS
    reads = net.projection_reads if projects else net.padding_reads
    if change.stays and not projects:
        return 0
    if net.scaling == "fixup" and not (projects and reads == "x"):
        return before + 1  # Fixup's code: the first bias stands before both convolutions
    return before if reads == "order" and ORDERS[net.order].projects_before else 0
