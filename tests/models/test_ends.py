"""Stems, and how weights begin: what the nets share, as their papers have it."""

import math
from collections import OrderedDict
from typing import Literal

import pytest
import torch
from torch import nn

from reslab.config import ResNet, describe
from reslab.models import build
from reslab.models.ends import STEMS, stem

SIDES = {"3x3": (32, 32), "7x7_pool": (224, 56), "deep": (224, 56), "xception": (299, 147)}
"""Of an image and of what a stem leaves: He 2015, Sec. 4.2 and Table 1; He 2019, Fig. 2; Chollet
2017, Fig. 5."""


@pytest.mark.parametrize("name", STEMS)
def test_a_stem_leaves_the_size_that_its_paper_says(name: str) -> None:
    side, left = SIDES[name]
    shape = {"units": (1,), "widths": (64,), "strides": (1,), "stem_width": 64, "stem": name}
    with torch.device("meta"):
        layers = nn.Sequential(OrderedDict(stem(ResNet.model_validate(shape), "c n a")))
        assert layers(torch.empty(2, 3, side, side)).shape == (2, 64, left, left)


@pytest.mark.parametrize("init", ["fan_in", "fan_out"])
def test_convolutions_are_initialised_as_he_et_al_say(init: Literal["fan_in", "fan_out"]) -> None:
    """arXiv 1502.01852, Eqn. 10 (fan in) and 14 (fan out): variance 2 / fan."""
    torch.manual_seed(0)
    net = build(describe("resnet20").model_copy(update={"init": init}))
    convolution = net.layer3[0].conv1  # 32 → 64 channels, 18,432 weights
    fan = {"fan_in": 32 * 9, "fan_out": 64 * 9}[init]
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.03)
    assert convolution.weight.mean().item() == pytest.approx(0, abs=0.002)
    assert (net.bn1.weight == 1).all() and (net.bn1.bias == 0).all()
