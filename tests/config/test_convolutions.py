"""Convolutions as values: which a branch has, which of them strides, and what is built of them."""

import pytest
import torch

from reslab.config.convolutions import BRANCHES, EXPANSION
from reslab.config.nets import ResNet
from reslab.config.zoo import describe
from reslab.models.layers import convolutions
from reslab.models.nets import build


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_halves_the_image_and_ends_with_its_stages_channels(branch: str) -> None:
    """In as many convolutions as its description counts, one of which strides."""
    shape = {"units": (1, 1), "widths": (8, 16), "strides": (1, 2)}
    net = ResNet.model_validate({**shape, "stem_width": 8 * EXPANSION[branch], "branch": branch})
    x = torch.randn(2, 8 * EXPANSION[branch], 9, 9)
    layers = BRANCHES[branch](net, (1, 0), x.shape[1], 2)
    assert len(layers) == net.convolutions(1)
    for layer in layers:
        x = convolutions(layer)(x)
    assert x.shape == (2, 16 * EXPANSION[branch], 5, 5)


@pytest.mark.parametrize(("stride_on", "strides"), [("first", (2, 1, 1)), ("middle", (1, 2, 1))])
def test_a_bottleneck_strides_where_its_description_says(
    stride_on: str, strides: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        unit = build(describe("resnet50").model_copy(update={"stride_on": stride_on})).layer2[0]
    assert tuple(c.stride[0] for c in (unit.conv1, unit.conv2, unit.conv3)) == strides
