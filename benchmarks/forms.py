"""Xie 2017 (arXiv 1611.05431), Fig. 3: the two other forms of a block, to be tested and timed.

(a) adds the outputs of C paths of three convolutions each; (b) joins the paths before one last
convolution; (c) is one bottleneck with a grouped convolution, which is how nets are built. All take
images (N, channels, H, W) to the same shape, with the weights of form (c).
"""

from typing import cast

from torch import Tensor, cat, nn
from torch.nn.functional import batch_norm, conv2d

from reslab.config.nets import ResNet
from reslab.models.units import unit


def form_c(paths: int, width: int, channels: int) -> nn.Module:
    """A block of so many paths, each `width` channels wide, around an identity shortcut."""
    net = ResNet.model_validate(
        {
            "units": (1,),
            "widths": (channels // 4,),
            "strides": (1,),
            "branch": "bottleneck",
            "groups": paths,
            "base_width": 64 * width // (channels // 4),
            "stem_width": channels,
        }
    )
    return unit(net, 0, 0)


def form_a(block: nn.Module, x: Tensor) -> Tensor:
    """The sum of what all paths put out."""
    last = _convolution(block, "conv3").weight
    paths = _paths(block, x)
    outputs = [conv2d(h, own) for h, own in zip(paths, last.chunk(len(paths), 1), strict=True)]
    return _closed(block, sum(outputs[1:], outputs[0]), x)


def form_b(block: nn.Module, x: Tensor) -> Tensor:
    """One last convolution of all paths' channels."""
    return _closed(block, conv2d(cat(_paths(block, x), 1), _convolution(block, "conv3").weight), x)


def _paths(block: nn.Module, x: Tensor) -> list[Tensor]:
    """The first two convolutions of each path."""
    first, second = _convolution(block, "conv1"), _convolution(block, "conv2")
    width, found = second.weight.shape[1], []
    for start in range(0, second.out_channels, width):
        own = slice(start, start + width)
        h = _normalised(block, "bn1", conv2d(x, first.weight[own]), own).relu()
        h = conv2d(h, second.weight[own], padding=1)
        found.append(_normalised(block, "bn2", h, own).relu())
    return found


def _closed(block: nn.Module, outputs: Tensor, x: Tensor) -> Tensor:
    return (_normalised(block, "bn3", outputs, slice(None)) + x).relu()


def _normalised(block: nn.Module, name: str, x: Tensor, channels: slice) -> Tensor:
    norm = cast(nn.BatchNorm2d, block.get_submodule(name))
    held = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, variance, weight, bias = (cast(Tensor, values)[channels] for values in held)
    return batch_norm(x, mean, variance, weight, bias, norm.training)


def _convolution(block: nn.Module, name: str) -> nn.Conv2d:
    return cast(nn.Conv2d, block.get_submodule(name))
