"""Nets as after training: at initialisation a net with a wrong norm gives the right logits."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from reslab.models.nets import build


@pytest.fixture
def randomised() -> Callable[[str], nn.Module]:
    """`randomised(name)`: a named net in float64 and evaluation mode, its BatchNorms' statistics
    and affines neither 0 nor 1, scales above 0."""

    def build_randomised(name: str) -> nn.Module:
        torch.manual_seed(0)
        net = build(name).double().eval()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias, 0, 0.1)
        return net

    return build_randomised
