"""Convolutions as values: what stems, branches and dense layers convolve with.

`models` builds these values and costs.py sums over them; norms and activations between and around
them are a word's (words.py). He et al. 2015 (arXiv 1512.03385), Table 1 and Fig. 5; Xie et al. 2017
(arXiv 1611.05431), Fig. 3 (c); Chollet 2017 (arXiv 1610.02357), Fig. 5; He et al. 2019 (arXiv
1812.01187), Fig. 2 (ResNet-C's stem); Huang et al. 2017 (arXiv 1608.06993), Table 1.
"""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reslab.config.nets import DenseNet, ResNet


class Convolution(NamedTuple):
    """A convolution of square kernels without bias; `padding` None keeps the size of the images,
    divided by `stride` and rounded up."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1
    padding: int | None = None

    @property
    def pads(self) -> int:
        """Pixels of padding on each side."""
        return self.kernel // 2 if self.padding is None else self.padding


Layer = tuple[Convolution, ...]
"""What one letter c of a word stands for: a convolution, or several with nothing between."""

Branch = Callable[["ResNet", tuple[int, int], int, int], list[Layer]]
"""(net, stage and place in it, both counted from 0, input channels, stride) → a unit's letters c;
one of them strides."""

EXPANSION = {"basic": 1, "bottleneck": 4, "separable": 1, "single": 1}
"""Output channels of a branch per channel of its width (He 2015, Fig. 5)."""


def separable(inputs: int, outputs: int, stride: int = 1) -> Layer:
    """3×3 within each channel, then 1×1 across them, nothing between (Chollet 2017, Sec. 3)."""
    return Convolution(inputs, inputs, 3, stride, groups=inputs), Convolution(inputs, outputs, 1)


def basic_branch(net: "ResNet", unit: tuple[int, int], inputs: int, stride: int) -> list[Layer]:
    """3×3, 3×3, or other `net.kernels`; the first strides."""
    width = net.widths[unit[0]]
    channels = (inputs, net.inner_width(*unit), *(width for _ in net.kernels[1:]))
    steps = zip(itertools.pairwise(channels), net.kernels, strict=True)
    return [
        (Convolution(*step, kernel, 1 if i else stride),) for i, (step, kernel) in enumerate(steps)
    ]


def single_branch(net: "ResNet", unit: tuple[int, int], inputs: int, stride: int) -> list[Layer]:
    """One 3×3: He 2015, Eqn. 1 with one layer, "for which we have not observed advantages"."""
    return [(Convolution(inputs, net.widths[unit[0]], 3, stride),)]


def bottleneck_branch(
    net: "ResNet", unit: tuple[int, int], inputs: int, stride: int
) -> list[Layer]:
    """1×1 down, 3×3 in groups, 1×1 up to four times the width; `net.stride_on` says which strides.

    `first` is He 2015's (Caffe) ResNet-50, 3.86 G multiply-adds; `middle` is fb.resnet.torch's and
    torchvision's, 4.09 G.
    """
    first, middle = {"first": (stride, 1), "middle": (1, stride)}[net.stride_on]
    width, reduced = net.widths[unit[0]], net.inner_width(*unit)
    inner = net.whole_width(unit[0])
    return [
        (Convolution(inputs, reduced, 1, first),),
        (Convolution(reduced, inner, 3, middle, net.groups),),
        (Convolution(inner, EXPANSION["bottleneck"] * width, 1),),
    ]


def separable_branch(net: "ResNet", unit: tuple[int, int], inputs: int, stride: int) -> list[Layer]:
    """Separable convolutions, to `net.inner` and then the stage's width; the first strides."""
    stage, _ = unit
    width = net.widths[stage]
    inner = net.inner[stage] if net.inner else (width,)
    steps = itertools.pairwise((inputs, *inner, width))
    return [separable(*step, 1 if i else stride) for i, step in enumerate(steps)]


BRANCHES: dict[str, Branch] = {
    "basic": basic_branch,
    "bottleneck": bottleneck_branch,
    "separable": separable_branch,
    "single": single_branch,
}


class Stem(NamedTuple):
    """A stem's convolutions, (kernel, stride, padding, part of the stem's width) each, and whether
    a 3×3 max-pooling of stride 2 follows."""

    convolutions: tuple[tuple[int, int, int, float], ...]
    pooled: bool


STEMS: dict[str, Stem] = {
    "3x3":      Stem(((3, 1, 1, 1),), False),
    "7x7_pool": Stem(((7, 2, 3, 1),), True),
    "deep":     Stem(((3, 2, 1, 0.5), (3, 1, 1, 0.5), (3, 1, 1, 1)), True),
    "xception": Stem(((3, 2, 0, 0.5), (3, 1, 0, 1)), False),
}  # fmt: skip


def stem(net: "ResNet | DenseNet") -> list[Layer]:
    """From images to `net.stem_width` channels."""
    layers, inputs = list[Layer](), net.in_channels
    for kernel, stride, padding, part in STEMS[net.stem].convolutions:
        outputs = int(net.stem_width * part)
        layers.append((Convolution(inputs, outputs, kernel, stride, padding=padding),))
        inputs = outputs
    return layers


def exits(net: "ResNet") -> list[Layer]:
    """Separable convolutions after the last stage (Xception's)."""
    return [separable(*step) for step in itertools.pairwise((net.outputs[-1], *net.exit))]


def dense_layer(net: "DenseNet", inputs: int) -> list[Layer]:
    """A 3×3 to k channels, behind a 1×1 to 4k where the net has bottlenecks."""
    inner = 4 * net.growth
    if net.bottleneck:
        return [(Convolution(inputs, inner, 1),), (Convolution(inner, net.growth, 3),)]
    return [(Convolution(inputs, net.growth, 3),)]
