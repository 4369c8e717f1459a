"""The head is the layer that puts out the logits, whoever made the net."""

import pytest
import torch

from reslab import build
from reslab.config.zoo import describe
from reslab.weights.head import head_of


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet8_w8", "fc"),
        ("densenet_40_12", "fc"),
        ("timm:tf_efficientnet_lite0", "classifier"),
        ("timm:resnet18", "fc"),
        ("timm:convnext_atto", "head.fc"),
        ("torchvision:resnet18", "fc"),
        ("torchvision:mobilenet_v2", "classifier.1"),
        ("torchvision:squeezenet1_1", "classifier.1"),
        ("torchvision:vit_b_16", "heads.head"),
    ],
)
def test_it_is_found(name: str, head: str) -> None:
    with torch.device("meta"):
        net = build(describe(name))
    assert head_of(net) == {f"{head}.weight", f"{head}.bias"}
