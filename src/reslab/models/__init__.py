"""Residual nets as plain `nn.Module`s, built from an algebra. Torch and descriptions only."""

from reslab.models.nets import build
from reslab.models.units import ORDERS, word
from reslab.models.weights import fit, translate

__all__ = ["ORDERS", "build", "fit", "translate", "word"]
