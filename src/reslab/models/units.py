"""Residual units as words.

A unit computes y = after(shortcut(u, F(u))) with u = enter(x). Its layers, read along the branch,
are a word over c (convolution), n (norm) and a (activation):

    before c (n a c)* end + after          e.g. original: c n a c n + a

The five orders of He et al. 2016 (arXiv 1603.05027), Fig. 4, differ only in the three strings.
"""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from reslab.config.schema import ResNet
from reslab.models.branches import BRANCHES
from reslab.models.shortcuts import Change, Project, shortcut

Layers = list[tuple[str, nn.Module]]


class Order(NamedTuple):
    """What stands before the first convolution, after the last, and after the addition; and whether
    a projecting shortcut reads before(x) instead of x."""

    before: str
    end: str
    after: str
    projects_before: bool


ORDERS: dict[str, Order] = {
    #                               before  end    after  a projection reads before(x)
    "original":               Order("",     "n",   "a",   False),
    "bn_after_addition":      Order("",     "",    "n a", False),
    "relu_before_addition":   Order("",     "n a", "",    False),
    "relu_only_preactivation": Order("a",   "n",   "",    True),
    "full_preactivation":     Order("n a",  "",    "",    True),
}  # fmt: skip

NAMES = {"c": "conv", "n": "bn", "a": "relu"}
"""Layers are called by their letter and its count along the word: torchvision's names."""


def word(order: Order, convolutions: int) -> str:
    """The word of a unit, letters and `+` separated by spaces, as Fig. 4 reads downwards."""
    inner = " ".join(["c"] + ["n a c"] * (convolutions - 1))
    return " ".join(filter(None, [order.before, inner, order.end, "+", order.after]))


def spell(word: str, channels: int, convolutions: Iterable[nn.Conv2d]) -> Layers:
    """The layers of a word with their names (`conv1`, `bn1`, `relu1`, …); c's are `convolutions`.

    A norm has the channels of what it reads: at first `channels`, then the last convolution's. An
    activation before the first convolution is not in place: it would corrupt the x that the
    shortcut reads.
    """
    letters = word.replace("+", "").split()
    remaining = iter(convolutions)
    layers: Layers = []
    for i, letter in enumerate(letters):
        layer: nn.Module
        match letter:
            case "c":
                layer = convolution = next(remaining)
                channels = convolution.out_channels
            case "n":
                layer = nn.BatchNorm2d(channels)
            case "a":
                layer = nn.ReLU(inplace="c" in letters[:i])
        layers.append((f"{NAMES[letter]}{letters[: i + 1].count(letter)}", layer))
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


def unit(net: ResNet, inputs: int, width: int, stride: int, first: bool) -> tuple[Unit, int]:
    """One unit of `net`, and its output channels.

    The net's first unit has no `before`: the stem ends with a norm and an activation already, and
    both paths read them (He 2016, appendix).
    """
    order = ORDERS[net.order]
    convolutions = BRANCHES[net.branch](net, inputs, width, stride)
    outputs = convolutions[-1].out_channels
    join = shortcut(net, Change(inputs, outputs, stride, norm="n" in order.end))

    layers = spell(word(order, len(convolutions)), inputs, convolutions)
    before, end = len(order.before.split()), len(layers) - len(order.after.split())
    start = before if first else 0
    fork = before if order.projects_before and isinstance(join, Project) else start
    return Unit(layers[start:fork], layers[fork:end], join, layers[end:]), outputs
