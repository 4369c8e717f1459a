"""Nets as plain `nn.Module`s, residual ones built from an algebra. Torch and descriptions only."""

from reslab.models.layers import draw_depths
from reslab.models.nets import build
from reslab.models.units import ORDERS, word
from reslab.models.weights import fit, translate

__all__ = ["ORDERS", "build", "draw_depths", "fit", "translate", "word"]
