"""Shortcuts: what joins a unit's input x and its branch's output F(x).

A shortcut is a module of two arguments, (x, F(x)) → y, with parameters of its own; images are
(N, C, H, W) on both sides. He et al. 2015 (arXiv 1512.03385), Sec. 3.3: options A, B and C.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from reslab.config.schema import ResNet
from reslab.models.branches import convolution


class Change(NamedTuple):
    """What a shortcut has to bridge: channels in and out, the branch's stride, whether F(x) ends
    with a norm."""

    inputs: int
    outputs: int
    stride: int
    norm: bool


class Drop(nn.Module):
    """y = F(x): a plain net."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        return fx


class Add(nn.Module):
    """y = x + F(x)."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        return x + fx


class PadZeros(nn.Module):
    """y = pad(x[::stride, ::stride]) + F(x), with zero channels before and after the copied ones.

    No parameters. The paper does not say where the zeros go; with akamaster's published weights
    both sides are needed (8.27 % of CIFAR-10 wrong; zeros after: 78 %).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after)) + fx

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, stride={self.stride}"


class Project(nn.Sequential):
    """y = W x + F(x), W a strided 1×1 convolution, with a norm exactly where F(x) ends with one."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:  # type: ignore[override]
        projected: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return projected + fx


def drop(net: ResNet, change: Change) -> nn.Module:
    """No shortcut."""
    return Drop()


def add(net: ResNet, change: Change) -> nn.Module:
    """The identity."""
    return Add()


def pad_zeros(net: ResNet, change: Change) -> nn.Module:
    """Option A: subsample and pad; `net.zeros` says on which sides."""
    zeros = change.outputs - change.inputs
    before = {"both": zeros // 2, "after": 0}[net.zeros]
    return PadZeros(before, zeros - before, change.stride)


def project(net: ResNet, change: Change) -> nn.Module:
    """Options B and C: a 1×1 convolution."""
    layers: list[nn.Module] = [convolution(change.inputs, change.outputs, 1, change.stride)]
    if change.norm:
        layers.append(nn.BatchNorm2d(change.outputs))
    return Project(*layers)


Row = Callable[[ResNet, Change], nn.Module]

SHORTCUTS: dict[str, tuple[Row, Row]] = {
    # option: (where the shape stays, where it changes)
    "none": (drop, drop),
    "A": (add, pad_zeros),
    "B": (add, project),
    "C": (project, project),
}


def shortcut(net: ResNet, change: Change) -> nn.Module:
    """The shortcut of one unit."""
    stays, changes = SHORTCUTS[net.shortcut]
    same_shape = change.stride == 1 and change.inputs == change.outputs
    return (stays if same_shape else changes)(net, change)
