"""Shortcuts: what joins a unit's input x and its branch's output F(x).

A shortcut is a module of two arguments, (x, F(x)) → y, with parameters of its own; images are
(N, C, H, W) on both sides. He et al. 2015 (arXiv 1512.03385), Sec. 3.3: options A, B and C; He et
al. 2016 (arXiv 1603.05027), Sec. 3: scaled, gated, dropout; He et al. 2019 (arXiv 1812.01187): D.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from reslab.config.convolutions import Convolution
from reslab.config.nets import ResNet
from reslab.config.spelling import Change, maker
from reslab.models.layers import NORMS, convolution


class Drop(nn.Module):
    """y = F(x): a plain net."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        return fx


class Add(nn.Sequential):
    """y = c(x) + F(x), c the children one after another; without any, the identity."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:  # type: ignore[override]
        carried: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return carried + fx


class Scaled(nn.Module):
    """y = a c(x) + b F(x), constants a and b."""

    def __init__(self, carry: nn.Module, a: float, b: float) -> None:
        super().__init__()
        self.carry, self.a, self.b = carry, a, b

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        carried: Tensor = self.carry(x)
        return self.a * carried + self.b * fx


class Gated(nn.Module):
    """y = (1 − g) c(x) + f(g) F(x), g = σ(W x + b), W a 1×1 convolution; f(g) is g or 1."""

    def __init__(
        self, carry: nn.Module, gate: nn.Module, factor: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.carry, self.gate, self.factor = carry, gate, factor

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        g: Tensor = self.gate(x).sigmoid()
        carried: Tensor = self.carry(x)
        return (1 - g) * carried + self.factor(g) * fx


class ScalarGated(nn.Module):
    """y = (1 − α) c(x) + α F(x), one learned α for all channels and pixels; 0 at first."""

    def __init__(self, carry: nn.Module) -> None:
        super().__init__()
        self.carry, self.alpha = carry, nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        carried: Tensor = self.carry(x)
        return (1 - self.alpha) * carried + self.alpha * fx


class PadZeros(nn.Module):
    """c of option A: x[::stride, ::stride] with zero channels before and after the copied ones.

    No parameters. The paper does not say where the zeros go; with akamaster's published weights
    both sides are needed (8.27 % of CIFAR-10 wrong; zeros after: 78 %).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, stride={self.stride}"


def carry(net: ResNet, change: Change) -> nn.Sequential:
    """What comes of x alone: x itself, or option A's where the shape changes (`net.zeros` says on
    which sides it pads)."""
    if change.stays:
        return nn.Sequential()
    zeros = change.outputs - change.inputs
    before = {"both": zeros // 2, "after": 0}[net.zeros]
    return nn.Sequential(PadZeros(before, zeros - before, change.stride))


def drop(net: ResNet, change: Change) -> nn.Module:
    """No shortcut."""
    return Drop()


def add(net: ResNet, change: Change) -> nn.Module:
    """The identity; option A where the shape changes."""
    return Add(*carry(net, change))


def pool_pad(net: ResNet, change: Change) -> nn.Module:
    """Option A with an average over stride × stride pixels (the code of Huang 2016)."""
    pool = nn.AvgPool2d(change.stride, ceil_mode=True)
    return Add(pool, *carry(net, change._replace(stride=1)))


def project(net: ResNet, change: Change) -> nn.Module:
    """Options B and C: a strided 1×1 convolution, with a norm exactly where F(x) ends with one."""
    bridge = Convolution(change.inputs, change.outputs, 1, change.stride)
    return Add(convolution(bridge), *_norm(net, change))


def pool_project(net: ResNet, change: Change) -> nn.Module:
    """Option D: an average over stride × stride pixels, then a 1×1 convolution that reads all."""
    pool = nn.AvgPool2d(change.stride, ceil_mode=True, count_include_pad=False)
    bridge = Convolution(change.inputs, change.outputs, 1)
    return Add(pool, convolution(bridge), *_norm(net, change))


def scaled(net: ResNet, change: Change) -> nn.Module:
    """Constant factors of both terms."""
    return Scaled(carry(net, change), *net.scale)


def gated(net: ResNet, change: Change) -> nn.Module:
    """A gate per channel and pixel that reads x. Where the shape changes the paper says nothing: x
    is option A's, and the gate's convolution strides."""
    gate = nn.Conv2d(change.inputs, change.outputs, 1, change.stride)
    nn.init.constant_(gate.bias, net.gate_bias)  # type: ignore[arg-type]
    return Gated(carry(net, change), gate, GATES[net.gate])


GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "exclusive": torch.clone,
    "shortcut_only": torch.ones_like,
}
"""What F(x) is multiplied by, a function of g."""


def scalar_gated(net: ResNet, change: Change) -> nn.Module:
    """ReZero's comparison (Bachlechner 2020, arXiv 2003.04887): the highway nets of its code."""
    return ScalarGated(carry(net, change))


def dropped(net: ResNet, change: Change) -> nn.Module:
    """Dropout on the shortcut."""
    return Add(*carry(net, change), nn.Dropout(net.shortcut_dropout))


def _norm(net: ResNet, change: Change) -> list[nn.Module]:
    return [NORMS[net.norm](change.outputs)] if change.norm else []


MAKERS: dict[str, Callable[[ResNet, Change], nn.Module]] = {
    "drop": drop,
    "add": add,
    "pool_pad": pool_pad,
    "project": project,
    "pool_project": pool_project,
    "scaled": scaled,
    "gated": gated,
    "scalar_gated": scalar_gated,
    "dropped": dropped,
}
"""What the table of shortcuts in config/words.py calls by name."""


def shortcut(net: ResNet, change: Change) -> nn.Module:
    """The shortcut of one unit."""
    return MAKERS[maker(net, change)](net, change)
