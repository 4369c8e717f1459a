"""Which tensors of a net are its head: the last layer, which puts out the logits."""

from collections.abc import Iterator
from typing import Any

from torch import nn


def head_of(net: nn.Module) -> frozenset[str]:
    """The names of the head's tensors: of timm's nets what `get_classifier` says, else `fc`, else
    the last linear layer, else the last convolution (torchvision's SqueezeNet)."""
    layers = set(map(id, _layers(net)))
    prefixes = tuple(f"{name}." for name, module in net.named_modules() if id(module) in layers)
    return frozenset(name for name in net.state_dict() if name.startswith(prefixes))


def _layers(net: nn.Module) -> Iterator[nn.Module]:
    ask = getattr(net, "get_classifier", None)
    if callable(ask):
        yield from _modules(ask())
    elif isinstance(own := getattr(net, "fc", None), nn.Linear):
        yield own
    else:
        for kind in (nn.Linear, nn.Conv2d):
            if found := [module for module in net.modules() if isinstance(module, kind)]:
                yield found[-1]
                return


def _modules(found: Any) -> Iterator[nn.Module]:
    """A classifier, or several."""
    if isinstance(found, nn.ModuleDict):
        found = list(found.values())
    yield from found if isinstance(found, list | tuple | nn.ModuleList) else [found]
