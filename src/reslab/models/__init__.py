"""Nets as plain `nn.Module`s, residual ones built from an algebra. Torch and descriptions only."""

from reslab.models.layers import draw_depths
from reslab.models.nets import build

__all__ = ["build", "draw_depths"]
