"""Which description weights fit that do not fit the one that was said: a field, or another net.

Only names and shapes are compared, of nets that are built without numbers (torch's meta device).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import torch
from pydantic import ValidationError
from torch import Tensor

from reslab.config.costs import cost
from reslab.config.nets import Described, Opaque, ResNet
from reslab.config.zoo import ZOO
from reslab.errors import UserError, first_line
from reslab.models.nets import build
from reslab.text import shortened
from reslab.weights.names import misfits, under_names

NEAREST = 6
"""Nets of the zoo that are looked at: of those with as many units, those with nearly as many
parameters."""


def skeleton(net: Described) -> dict[str, Tensor]:
    """The names and shapes of a net's state dict, in tensors that take no memory."""
    try:
        with torch.device("meta"):
            return build(net).state_dict()
    except (RuntimeError, OverflowError) as error:
        raise UserError(f"the net cannot be built: {shortened(first_line(error))}") from None


def refuse_misfit(net: Described, tensors: Mapping[str, Tensor]) -> None:
    """`UserError` where tensors are not a net's, before it takes the memory that its description
    says: that may be anybody's."""
    if max(net.classes, net.in_channels) > MOST_SIDE or not _as_deep(net, tensors):
        raise UserError(f"the weights do not fit the net: they are {len(tensors):,} tensors")
    try:
        expected = skeleton(net)
    except UserError:
        if isinstance(net, Opaque):  # some look at their numbers while they are built
            return
        raise
    if lines := misfits(expected, under_names(expected, tensors)):
        raise UserError("\n".join(["the weights do not fit the net", *lines]))


MOST_SIDE = 50_000
"""Classes of a net that takes no absurd memory."""


def _as_deep(net: Described, tensors: Mapping[str, Tensor]) -> bool:
    """Every unit has a tensor."""
    return isinstance(net, Opaque) or sum(net.units) <= len(tensors)


def what_fits(net: Described, tensors: Mapping[str, Tensor]) -> str | None:
    """`--set model.shortcut=B` or `--model resnet50`: what to say in place of `net`."""
    if isinstance(net, Opaque):
        return _zoo_net(tensors)
    sizes = sizes_of(net, tensors)
    sized = _changed(net, sizes)
    if sized is None or _units(tensors) != net.units:
        return _zoo_net(tensors)
    for change in ({}, *_changes(sized)):
        changed = _changed(sized, change)
        if changed and _fits(changed, tensors):
            fields = change | {k: v for k, v in sizes.items() if getattr(net, k) != v}
            return " ".join(f"--set model.{k}={_spelled(v)}" for k, v in fields.items()) or None
    return _zoo_net(tensors)


def sizes_of(net: Described, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Channels and classes as the first convolution and the last linear layer have them."""
    matrices = [tensor for tensor in tensors.values() if tensor.dim() == 2]
    kernels = [tensor for tensor in tensors.values() if tensor.dim() == 4]
    return {
        "in_channels": kernels[0].shape[1] if kernels else net.in_channels,
        "classes": matrices[-1].shape[0] if matrices else net.classes,
    }


def _changes(net: Described) -> Iterator[dict[str, Any]]:
    """Another value of one field, the shortcut's first."""
    fields = type(net).model_fields
    for name in sorted(fields, key=lambda name: name != "shortcut"):
        annotation = fields[name].annotation
        values = get_args(annotation) if get_origin(annotation) is Literal else ()
        values = (False, True) if annotation is bool else tuple(sorted(values, key="none".__eq__))
        yield from ({name: value} for value in values if value != getattr(net, name))


def _changed(net: Described, change: Mapping[str, Any]) -> Described | None:
    """None where it is impossible."""
    try:
        return type(net).model_validate({**dict(net), **change})
    except ValidationError:
        return None


UNIT = re.compile(r"(?:layer|block)(\d+)\.(\d+)\.")
"""A unit's stage and its number there."""


def _units(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """How many units the stages have."""
    units: dict[int, int] = {}
    for found in filter(None, map(UNIT.match, tensors)):
        units[int(found[1])] = max(units.get(int(found[1]), 0), int(found[2]) + 1)
    return tuple(units[stage] for stage in sorted(units))


def _fits(net: Described, tensors: Mapping[str, Tensor]) -> bool:
    """Whether they do; of a residual net's stage the units after the second are like that one."""
    if isinstance(net, ResNet):
        net = net.model_copy(update={"units": tuple(min(units, 2) for units in net.units)})
        tensors = {
            key: tensor
            for key, tensor in tensors.items()
            if not (found := UNIT.match(key)) or int(found[2]) < 2
        }
    try:
        refuse_misfit(net, tensors)
    except UserError:
        return False
    return True


def _zoo_net(tensors: Mapping[str, Tensor]) -> str | None:
    units = _units(tensors)
    names = [name for name in ZOO if ZOO[name].description.units == units]
    for name in sorted(names, key=lambda name: _distance(name, tensors))[:NEAREST]:
        net = ZOO[name].description
        changed = _changed(net, sizes_of(net, tensors))
        if changed and _fits(changed, tensors):
            return f"--model {name}"
    return None


def _distance(name: str, tensors: Mapping[str, Tensor]) -> int:
    """Between the numbers of parameters, for as many classes as the tensors have."""
    net = ZOO[name].description
    classes = sizes_of(net, tensors)["classes"]
    own = cost(net, ZOO[name].image_size).params + (net.features + 1) * (classes - net.classes)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    theirs = sum(t.numel() for key, t in tensors.items() if not key.endswith(statistics))
    return abs(own - theirs)


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
