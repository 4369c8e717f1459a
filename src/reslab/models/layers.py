"""Layers that units and stems are spelled with, each a row of a table or a letter of a word.

Squeeze-and-excitation: Hu et al. 2018 (arXiv 1709.01507); stochastic depth: Huang et al. 2016
(arXiv 1603.09382); scalar biases and scales: Fixup (arXiv 1901.09321), SkipInit (arXiv 2002.10444),
ReZero (arXiv 2003.04887). All read and return images (N, C, H, W).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from reslab.config.convolutions import Convolution, Layer


def convolution(described: Convolution) -> nn.Conv2d:
    """The convolution that a value describes, without bias."""
    inputs, outputs, kernel, stride, groups, _ = described
    return nn.Conv2d(inputs, outputs, kernel, stride, described.pads, groups=groups, bias=False)


def convolutions(layer: Layer) -> nn.Module:
    """What a letter c stands for: one convolution, or several in a row."""
    built = [convolution(described) for described in layer]
    return built[0] if len(built) == 1 else nn.Sequential(*built)


class Bias(nn.Module):
    """x + b, one b per channel, or one for all (`Bias(1)`, Fixup's); 0 at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Scale(nn.Module):
    """α x, one learned α for all channels."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(initial)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class SqueezeExcitation(nn.Module):
    """x σ(W₂ relu(W₁ mean(x))): a factor per image and channel; W₁ reduces channels r-fold."""

    def __init__(self, channels: int, reduction: int, bias: bool = True) -> None:
        super().__init__()
        reduced = max(1, channels // reduction)
        self.fc1 = nn.Conv2d(channels, reduced, 1, bias=bias)
        self.fc2 = nn.Conv2d(reduced, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        squeezed: Tensor = self.fc1(x.mean((2, 3), keepdim=True))
        factors: Tensor = self.fc2(squeezed.relu())
        return x * factors.sigmoid()


class StochasticDepth(nn.Module):
    """In training F(x) or 0, decided from outside for the whole batch (`Depths`); in
    evaluation p F(x), p the probability of F(x) (Huang 2016, Sec. 3).

    A dropped unit is computed and multiplied by 0, so that its parameters have gradients, all zero:
    data-parallel training waits for every gradient. (The paper leaves the computation out.)
    """

    kept: Tensor

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival
        self.register_buffer("kept", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.kept if self.training else self.survival)

    def extra_repr(self) -> str:
        return f"survival={self.survival:g}"


class Depths:
    """The units of a net with stochastic depth, where their net is and stays.

    What is kept is one tensor, of which each unit sees its own number: filled once for all.
    """

    def __init__(self, net: nn.Module) -> None:
        self.units = [layer for layer in net.modules() if isinstance(layer, StochasticDepth)]
        self.survivals = np.array([unit.survival for unit in self.units])
        like = self.units[0].kept if self.units else torch.ones(())
        self.kept = like.new_ones(len(self.units))
        for unit, kept in zip(self.units, self.kept, strict=True):
            unit.kept = kept

    def draw(self, key: Sequence[int]) -> None:
        """Decide for the next batch which units are kept.

        `key` (for instance a stream, the seed and the step) decides alone: the same on every rank.
        """
        bits = np.random.Philox(np.random.SeedSequence(key)).random_raw(len(self.units))
        kept = (bits >> np.uint64(11)) * 2.0**-53 < self.survivals
        self.kept.copy_(torch.from_numpy(kept), non_blocking=True)


def group_norm(channels: int) -> nn.Module:
    """32 groups (Wu & He 2018, arXiv 1803.08494), fewer where they had less than two channels."""
    return nn.GroupNorm(math.gcd(32, channels // 2, channels), channels)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": group_norm,
    "layer": partial(nn.GroupNorm, 1),  # over channels and positions
    "none": Bias,
}

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}
