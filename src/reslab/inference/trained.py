"""A trained net, from a run folder or a file of weights, and what it is about."""

import sys
from dataclasses import replace
from pathlib import Path

from torch import nn

from reslab.config.nets import PythonNet
from reslab.config.use import Use
from reslab.errors import UserError, located
from reslab.inference.loaded import LoadedNet, with_meaning
from reslab.methods.materialise import plain_tensors, restore
from reslab.methods.merging import merge
from reslab.weights.about import About
from reslab.weights.files import Weights, read_weights
from reslab.weights.given import NOTHING, Given
from reslab.weights.meaning import meaning
from reslab.weights.near import what_fits


def load(path: str | Path, *, keep_adapters: bool = False) -> LoadedNet:
    """The net of a run folder, of one of our checkpoints or of what scripts/export.py made of it
    as safetensors, with its weights, in evaluation mode; with `class_names`, and `preprocess` from
    an image to its input.

    Of a net of one's own the file beside the weights is run: it is code.

    A net that was adapted is merged into a plain one, unless its adapters are to be kept.

    The head of a run that was trained without labels is as it was drawn.

    Takes float32 images (N, C, H, W), normalised as in training, to logits (N, classes); of a run
    in 64-true weights, images and logits are float64. Raises `UserError` for a file that is no
    checkpoint of a run, and for adapters that no plain net can stand for.
    """
    net, about = trained(Path(path))
    if not keep_adapters:
        net, about = merged(Path(path), net, about, HOW_TO_KEEP)
    return with_meaning(net, about)


def merged(path: Path, net: nn.Module, about: About, instead: str = "") -> tuple[nn.Module, About]:
    """A net with its adapters in its weights, and what it is then about; any other as it is.

    `UserError`, with what can be done `instead`, where no plain net computes the same.
    """
    if about.use.adapter is None:
        return net, about
    with located(str(path)):
        try:
            plain = merge(net)
        except UserError as error:
            raise UserError(f"{error}{instead}") from None
    return plain, replace(about, config=about.use.model_copy(update={"adapter": None}))


HOW_TO_KEEP = "; to keep the adapters: --keep-adapters, in Python load(…, keep_adapters=True)"


def trained(path: Path, given: Given = NOTHING) -> tuple[nn.Module, About]:
    """A net with its weights, in evaluation mode, and what it is about; see `load`.

    What is given takes the place of what the file says. Of weights that are no run's the net must
    be given; what else is not known of them is named by numbers, or asked for.
    """
    weights = read_weights(path, given.key)
    about = meaning(path, weights.about, given)
    return net_with(path, about.use, weights), about


def net_with(path: Path, use: Use, weights: Weights) -> nn.Module:
    """The net of a description with weights, in evaluation mode and in its precision.

    `UserError` lists what does not fit, and says what does.
    """
    if isinstance(use.model, PythonNet):
        print(f"runs {use.model.file}, the code of the net", file=sys.stderr)
    if weights.remark:
        print(weights.remark, file=sys.stderr)
    with located(str(path)):
        try:
            return restore(use, weights.tensors).eval()
        except UserError as error:
            near = what_fits(use.model, plain_tensors(use, weights.tensors))
            raise UserError(f"{error}\n  what fits: {near}" if near else str(error)) from None
