"""ResNet from zero: residual nets, the protocols of their papers, and the tables they print."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reslab.inference.trained import load as load
    from reslab.methods.backbone import backbone as backbone
    from reslab.methods.building import build_net as build
    from reslab.report.results import results as results
    from reslab.store.wrong import read_wrong as wrong

__all__ = ["backbone", "build", "load", "results", "wrong"]
__version__ = "0.1.0"


DOORS = {
    "backbone": ("reslab.methods.backbone", "backbone"),
    "build": ("reslab.methods.building", "build_net"),
    "load": ("reslab.inference.trained", "load"),
    "results": ("reslab.report.results", "results"),
    "wrong": ("reslab.store.wrong", "read_wrong"),
}
"""Imported when they are first used: three of them need torch."""


def __getattr__(name: str) -> Any:
    """What `DOORS` says."""
    if name in DOORS:
        module, function = DOORS[name]
        return getattr(import_module(module), function)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
