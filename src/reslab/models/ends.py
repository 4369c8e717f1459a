"""What all nets of ours share: stems, heads, and He's initialisation.

Children are called as in torchvision (conv1, bn1, …, fc). He et al. 2015 (arXiv 1512.03385),
Table 1; He et al. 2019 (arXiv 1812.01187), Fig. 2 (ResNet-C's stem); Chollet 2017 (arXiv
1610.02357), Fig. 5; initialisation of He et al. 2015 (arXiv 1502.01852).
"""

from typing import NamedTuple

from torch import nn

from reslab.config.nets import DenseNet, Init, ResNet
from reslab.models.units import Layers, alphabet, spell


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


def stem(net: ResNet | DenseNet, word: str) -> Layers:
    """From images to `net.stem_width` channels; `word` is written once per convolution."""
    row, inputs, convolutions = STEMS[net.stem], net.in_channels, []
    for kernel, stride, padding, part in row.convolutions:
        outputs = int(net.stem_width * part)
        convolutions.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False))
        inputs = outputs
    pool = [("maxpool", nn.MaxPool2d(3, 2, padding=1))] if row.pooled else []
    text = " ".join([word] * len(convolutions))
    return [*spell(text, net.in_channels, convolutions, alphabet(net)), *pool]


def head(net: ResNet | DenseNet, closing: Layers) -> Layers:
    """`closing`, then an average over the image and a linear layer: logits (N, classes)."""
    return [
        *((f"closing_{name}", layer) for name, layer in closing),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(net.features, net.classes)),
    ]


def initialize(net: nn.Module, mode: Init) -> None:
    """He initialisation in place: convolutions normal with variance 2 / fan, the fan as torch (and
    torchvision) counts it, whatever the groups.

    Norms (1 and 0), convolutions with a bias (gates, squeeze-and-excitation) and the linear layer
    keep torch's own initialisation, as in torchvision.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None:
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
