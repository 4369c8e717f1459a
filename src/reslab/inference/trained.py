"""A trained net, from a run folder or a file of weights, and what it is about."""

import sys
from pathlib import Path

from torch import nn

from reslab.config import Use
from reslab.errors import UserError, located
from reslab.methods.materialise import restore
from reslab.weights.about import About
from reslab.weights.files import Weights, read_weights
from reslab.weights.given import NOTHING, Given
from reslab.weights.meaning import meaning
from reslab.weights.near import what_fits


def load(path: str | Path) -> nn.Module:
    """The net of a run folder, of one of our checkpoints or of what scripts/export.py made of it
    as safetensors, with its weights, in evaluation mode.

    Takes float32 images (N, C, H, W), normalised as in training, to logits (N, classes); of a run
    in 64-true weights, images and logits are float64. Raises `UserError` for a file that is no
    checkpoint of a run.
    """
    return trained(Path(path))[0]


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
    if weights.remark:
        print(weights.remark, file=sys.stderr)
    with located(str(path)):
        try:
            return restore(use, weights.tensors).eval()
        except UserError as error:
            near = what_fits(use.model, weights.tensors)
            raise UserError(f"{error}\n  what fits: {near}" if near else str(error)) from None
