"""Dense nets: every layer reads the concatenation of all outputs before it.

A dense layer's word is n a c, or n a c n a c with a 1×1 bottleneck (B); a transition's n a c and a
pooling, its 1×1 convolution to a part of the channels (C). Huang et al. 2017 (arXiv 1608.06993),
Sec. 3 and Table 1.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from reslab.config import spelling
from reslab.config.convolutions import Convolution, Layer, dense_layer
from reslab.config.nets import DenseNet
from reslab.models.layers import convolutions
from reslab.models.stem_and_head import head, initialize, stem
from reslab.models.units import Layers, alphabet, spell


class Dense(nn.Sequential):
    """y = [x, F(x)], concatenated along channels: (N, C, H, W) → (N, C + k, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        fx: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return torch.cat((x, fx), dim=1)


def dense(net: DenseNet) -> nn.Sequential:
    """Images (N, in_channels, H, W) → logits (N, classes); children are stem, block1, transition1,
    block2, …, closing, head."""
    layers, channels = stem(net), net.stem_width
    for i, units in enumerate(net.units):
        if i:
            kept = int(channels * net.compression)
            layers.append((f"transition{i}", _transition(net, channels, kept)))
            channels = kept
        block = [_layer(net, channels + j * net.growth) for j in range(units)]
        layers.append((f"block{i + 1}", nn.Sequential(*block)))
        channels += units * net.growth
    closing = spell("n a", channels, (), alphabet(net))
    module = nn.Sequential(OrderedDict([*layers, *head(net, closing)]))
    initialize(module, net)
    return module


def _layer(net: DenseNet, inputs: int) -> Dense:
    return Dense(OrderedDict(_spelled(net, inputs, dense_layer(net, inputs))))


def _transition(net: DenseNet, inputs: int, outputs: int) -> nn.Sequential:
    spelled = _spelled(net, inputs, [(Convolution(inputs, outputs, 1),)])
    return nn.Sequential(OrderedDict([*spelled, ("pool", nn.AvgPool2d(2))]))


def _spelled(net: DenseNet, inputs: int, layers: list[Layer]) -> Layers:
    word = spelling.dense(net, len(layers))
    return spell(word, inputs, map(convolutions, layers), alphabet(net))
