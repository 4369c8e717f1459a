"""A net by its name, for other classes and channels, with weights of an origin: `reslab.build`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from reslab.config.nets import NET, Described, PythonNet
from reslab.config.problems import reason
from reslab.config.resolve import whole_start
from reslab.config.start import Start
from reslab.config.zoo import describe
from reslab.errors import UserError, located
from reslab.methods.materialise import restore
from reslab.methods.merging import merge
from reslab.models.nets import build
from reslab.weights.about import refuse_untrained_head
from reslab.weights.files import Weights
from reslab.weights.sources import Origin, read_origin
from reslab.weights.starting import put


def build_net(
    net: Described | str,
    *,
    classes: int | None = None,
    in_channels: int | None = None,
    weights: str | Path | Mapping[str, Any] | None = None,
) -> nn.Module:
    """A net of the zoo or of another library by its name, or that of a description.

    `weights` are what an experiment's `start` takes: a file, a run's folder, a published name
    (`torchvision:ResNet50_Weights.IMAGENET1K_V2`), or a mapping, `{"file": …, "key": …}`. Their
    head is kept where `classes` says nothing, else new; `{…, "head": "kept"}` says it. Else the net
    is freshly initialised, by torch's global generator.

    Reads images (N, in_channels, H, W) and returns logits (N, classes), float32, in training mode.
    `UserError` for an unknown name, and for weights that are not there or do not fit.
    """
    described = describe(net) if isinstance(net, str) else net
    said = {"classes": classes, "in_channels": in_channels}
    if given := {field: value for field, value in said.items() if value is not None}:
        described = _changed(described, given)
    made = build(described)
    if weights is not None:
        _load(made, described, weights, "kept" if classes is None else "new")
    return made


def _changed(net: Described, given: Mapping[str, int]) -> Described:
    """The description with what is given; `UserError` where that is not possible."""
    try:
        found: Described = NET.validate_json(json.dumps({**net.model_dump(mode="json"), **given}))
    except (ValidationError, TypeError) as error:
        told = reason(error) if isinstance(error, ValidationError) else error
        raise UserError(f"{_spelled(given)}: {told}") from None
    return found


def _spelled(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{field}={value!r}" for field, value in given.items())


def _load(net: nn.Module, described: Described, said: Any, head: str) -> None:
    """Put what is said into the net, in place."""
    tree = dict(said) if isinstance(said, Mapping) else said
    tree = {"file": str(tree)} if isinstance(tree, Path) else tree
    with located("weights"):
        tree = whole_start(tree, {})
        if tree.get("loads") != "trunk":
            tree = {"head": head, **tree}
        start = _start(tree)
        origin, found = read_origin(start, Path())
        if start.head == "kept":
            refuse_untrained_head(origin.path, found.about)
        found = without_adapter(described, origin, found)
    with located(f"weights: {origin.path}"):
        put(net, described, found.tensors, start)


def _start(tree: Mapping[str, Any]) -> Start:
    try:
        return Start.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise UserError(reason(error)) from None


def without_adapter(net: Described, origin: Origin, weights: Weights) -> Weights:
    """Those of an adapted run with its adapters in them, for a net that is to begin with them.

    `UserError` where no net has such, and where that would run code that is not the net's own.
    """
    if weights.about is None or weights.about.use.adapter is None:
        return weights
    with located(f"start: {origin.path}"):
        _refuse_other_code(weights.about.use.model, net)
        merged = merge(restore(weights.about.use, weights.tensors))
    return replace(weights, tensors=merged.state_dict())


def _refuse_other_code(theirs: Described, ours: Described) -> None:
    """A file of weights is no reason to run what lies beside it."""
    if not isinstance(theirs, PythonNet):
        return
    if not isinstance(ours, PythonNet) or ours.sha256 != theirs.sha256:
        raise UserError(
            f"its adapters are in a net of {theirs.file}, which would be run to merge them, and is "
            "not the run's net; if you trust that file, merge first: "
            "python scripts/export.py WEIGHTS --to safetensors FILE, and start from that"
        )
