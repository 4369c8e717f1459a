"""Nets of timm and torchvision, built by their names there, without their weights."""

from collections.abc import Callable

from torch import nn

from reslab.config.nets import Foreign
from reslab.errors import UserError, nearest
from reslab.text import quoted


def foreign(net: Foreign) -> nn.Module:
    """The untrained net; `UserError` with the nearest names where the library has none such."""
    return FROM_LIBRARY[net.library](net)


def made_by_timm(net: Foreign) -> nn.Module:
    """timm.create_model: any number of channels and classes."""
    import timm  # takes seconds, and few runs need it

    known = timm.list_models()  # `is_model` knows old names of trained weights, too
    if net.architecture not in known:
        raise UserError(_unknown(net, known))
    made: nn.Module = timm.create_model(
        net.architecture, pretrained=False, in_chans=net.in_channels, num_classes=net.classes
    )
    return made


def made_by_torchvision(net: Foreign) -> nn.Module:
    """torchvision.models.get_model: classification nets for three channels."""
    from torchvision import models

    known = models.list_models(module=models)
    if net.architecture not in known:
        raise UserError(_unknown(net, known))
    own: dict[str, bool] = {}
    if net.architecture in ("googlenet", "inception_v3"):  # no further logits beside the net's
        own = {"aux_logits": False, "init_weights": True}
    made: nn.Module = models.get_model(net.architecture, num_classes=net.classes, **own)
    return made


FROM_LIBRARY: dict[str, Callable[[Foreign], nn.Module]] = {
    "timm": made_by_timm,
    "torchvision": made_by_torchvision,
}
LISTERS = {
    "timm": 'python -c "import timm; print(*timm.list_models())"',
    "torchvision": 'python -c "import torchvision; print(*torchvision.models.list_models())"',
}
"""Commands that list what there is."""


def _unknown(net: Foreign, known: list[str]) -> str:
    near = nearest(net.architecture, known, LISTERS[net.library])
    return f"{net.library} has no net {quoted(net.architecture)}{near}"
