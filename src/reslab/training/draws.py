"""What a net draws in a step: a function of (seed, step), dropout also of the examples' place.

Whether it draws anything is asked once per start of a run.
"""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from reslab.data.order import Stream, seed_of
from reslab.models.layers import Depths

DRAWING = (
    _DropoutNd, nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d, nn.MultiheadAttention,
    nn.RNNBase,
)  # fmt: skip
"""torch's layers that draw in training."""

KNOWN = "torch.nn.", "reslab."
"""Whose other modules draw nothing."""


class NetDraws:
    """Decides what nets draw in each micro-batch of a step."""

    def __init__(
        self, nets: Iterable[nn.Module], seed: int, rank: int, device: torch.device
    ) -> None:
        nets = list(nets)
        self.seed, self.rank, self.device = seed, rank, device
        self.reseeds = any(map(may_draw, nets))
        trained = (Depths(net) for net in nets if net.training)
        self.depths = [depths for depths in trained if depths.units]

    def __call__(self, step: int, micro_batch: int) -> None:
        if self.reseeds:
            place = (self.rank, micro_batch) if micro_batch else (self.rank,)
            reseed(seed_of(Stream.STEP, self.seed, step, *place), self.device)
        for depths in self.depths:
            depths.draw((seed_of(Stream.DEPTHS, self.seed, step),))


def may_draw(net: nn.Module) -> bool:
    """Whether a forward pass may draw from torch's generators; of modules of other libraries and
    of one's own nobody knows."""
    return any(
        isinstance(module, DRAWING) or not type(module).__module__.startswith(KNOWN)
        for module in net.modules()
    )


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that a net on `device` draws from.

    torch.manual_seed seeds every kind of device; for those that are absent it formats a stack trace
    to be run later, which costs milliseconds in every step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
