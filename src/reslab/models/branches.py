"""Branches: what a residual unit computes beside its shortcut.

A branch is a function that returns a list of convolutions; the norms and activations between and
around them are the order's (units.py). He et al. 2015 (arXiv 1512.03385), Fig. 5; torch only.
"""

from collections.abc import Callable

from torch import nn

from reslab.config.schema import EXPANSION, ResNet

Branch = Callable[[ResNet, int, int, int], list[nn.Conv2d]]
"""(net, input channels, width, stride) → convolutions; one of them strides."""


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the image size (divided by `stride`, rounded up)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def basic(net: ResNet, inputs: int, width: int, stride: int) -> list[nn.Conv2d]:
    """3×3, 3×3; the first strides."""
    return [convolution(inputs, width, 3, stride), convolution(width, width, 3)]


def bottleneck(net: ResNet, inputs: int, width: int, stride: int) -> list[nn.Conv2d]:
    """1×1 down to `width`, 3×3, 1×1 up to four times `width`; `net.stride_on` says which strides.

    `first` is He 2015's (Caffe) ResNet-50, 3.86 G multiply-adds; `middle` is fb.resnet.torch's and
    torchvision's, 4.09 G.
    """
    first, middle = {"first": (stride, 1), "middle": (1, stride)}[net.stride_on]
    return [
        convolution(inputs, width, 1, first),
        convolution(width, width, 3, middle),
        convolution(width, EXPANSION["bottleneck"] * width, 1),
    ]


BRANCHES: dict[str, Branch] = {
    "basic": basic,
    "bottleneck": bottleneck,
}
