"""ResNet from zero: residual nets, the protocols of their papers, and the tables they print."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reslab.inference.trained import load as load
    from reslab.models.nets import build as build

__all__ = ["build", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`build` and `load` import torch, so they are imported when they are first used."""
    if name == "build":
        from reslab.models.nets import build

        return build
    if name == "load":
        from reslab.inference.trained import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
