"""Branches: what a residual unit computes beside its shortcut.

A branch is a function that returns a list of convolutions; the norms and activations between and
around them are the order's (units.py). He et al. 2015 (arXiv 1512.03385), Fig. 5; Xie et al. 2017
(arXiv 1611.05431), Fig. 3 (c); Chollet 2017 (arXiv 1610.02357).
"""

import itertools
from collections.abc import Callable

from torch import nn

from reslab.config.nets import EXPANSION, ResNet

Branch = Callable[[ResNet, int, int, int], list[nn.Module]]
"""(net, stage counted from 0, input channels, stride) → convolutions; one of them strides."""


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution without bias that keeps the image size (divided by `stride`, rounded up)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def separable_convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3×3 within each channel, then 1×1 across them, nothing between (Chollet 2017, Sec. 3)."""
    return nn.Sequential(
        convolution(inputs, inputs, 3, stride, groups=inputs), convolution(inputs, outputs, 1)
    )


def basic(net: ResNet, stage: int, inputs: int, stride: int) -> list[nn.Module]:
    """3×3, 3×3, or other `net.kernels`; the first strides."""
    width = net.widths[stage]
    first, *others = net.kernels
    return [
        convolution(inputs, width, first, stride),
        *(convolution(width, width, kernel) for kernel in others),
    ]


def single(net: ResNet, stage: int, inputs: int, stride: int) -> list[nn.Module]:
    """One 3×3: He 2015, Eqn. 1 with one layer, "for which we have not observed advantages"."""
    return [convolution(inputs, net.widths[stage], 3, stride)]


def bottleneck(net: ResNet, stage: int, inputs: int, stride: int) -> list[nn.Module]:
    """1×1 down, 3×3 in groups, 1×1 up to four times the width; `net.stride_on` says which strides.

    `first` is He 2015's (Caffe) ResNet-50, 3.86 G multiply-adds; `middle` is fb.resnet.torch's and
    torchvision's, 4.09 G.
    """
    first, middle = {"first": (stride, 1), "middle": (1, stride)}[net.stride_on]
    width = net.widths[stage]
    inner = width * net.base_width // 64 * net.groups
    return [
        convolution(inputs, inner, 1, first),
        convolution(inner, inner, 3, middle, net.groups),
        convolution(inner, EXPANSION["bottleneck"] * width, 1),
    ]


def separable(net: ResNet, stage: int, inputs: int, stride: int) -> list[nn.Module]:
    """Separable convolutions, to `net.inner` and then the stage's width; the first strides."""
    width = net.widths[stage]
    inner = net.inner[stage] if net.inner else (width,)
    steps = itertools.pairwise((inputs, *inner, width))
    return [separable_convolution(*step, 1 if i else stride) for i, step in enumerate(steps)]


BRANCHES: dict[str, Branch] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "separable": separable,
    "single": single,
}
