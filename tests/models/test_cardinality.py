"""Xie 2017 (arXiv 1611.05431), Fig. 3: three forms of one block compute the same.

(a) adds the outputs of C paths of three convolutions each; (b) concatenates the paths before one
last convolution; (c) is one bottleneck with a grouped convolution, the only form in `src/`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from reslab.config import ResNet
from reslab.models.units import Unit, unit

C, D, INPUTS = 4, 3, 32


def grouped() -> Unit:
    """Form (c), in float64, with randomised norms."""
    torch.manual_seed(0)
    net = ResNet.model_validate(
        {"units": (1,), "widths": (8,), "strides": (1,), "branch": "bottleneck", "groups": C,
         "base_width": 8 * D, "stem_width": INPUTS}
    )  # fmt: skip
    made = unit(net, 0, INPUTS, 1, first=False)[0].double().eval()
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    return made


def norm(layer: nn.BatchNorm2d, x: Tensor, channels: slice) -> Tensor:
    statistics = layer.running_mean[channels], layer.running_var[channels]
    return functional.batch_norm(x, *statistics, layer.weight[channels], layer.bias[channels])


def paths(block: Unit, x: Tensor) -> list[Tensor]:
    """The first two convolutions of each path, D channels wide, with the block's weights."""
    found = []
    for i in range(C):
        own = slice(i * D, (i + 1) * D)
        h = functional.conv2d(x, block.conv1.weight[own])
        h = norm(block.bn1, h, own).relu()
        h = functional.conv2d(h, block.conv2.weight[own], padding=1)
        found.append(norm(block.bn2, h, own).relu())
    return found


def form_a(block: Unit, x: Tensor) -> Tensor:
    last = block.conv3.weight
    aggregated = sum(
        functional.conv2d(h, last[:, i * D : (i + 1) * D]) for i, h in enumerate(paths(block, x))
    )
    return (norm(block.bn3, aggregated, slice(None)) + x).relu()


def form_b(block: Unit, x: Tensor) -> Tensor:
    joined = torch.cat(paths(block, x), dim=1)
    return (norm(block.bn3, functional.conv2d(joined, block.conv3.weight), slice(None)) + x).relu()


def test_the_three_forms_of_a_block_are_equal() -> None:
    block, x = grouped(), torch.randn(2, INPUTS, 7, 7, dtype=torch.float64)
    assert block.conv2.groups == C and block.conv2.weight.shape == (C * D, D, 3, 3)
    expected = block(x)
    for form in (form_a, form_b):
        torch.testing.assert_close(form(block, x), expected, rtol=1e-12, atol=1e-12)
