"""Test error of weights from a file: our checkpoints, which say what they are, or anybody's.

Foreign weights need a net's name, a data set, and the normalisation that they were trained with.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from reslab.config import describe
from reslab.data import files
from reslab.data.augment import Kind, Normalization
from reslab.data.modules import EvaluationBatches
from reslab.data.sources import open_source
from reslab.errors import UserError
from reslab.models import build, fit
from reslab.training.checkpoint import read_weights
from reslab.training.metrics import Score, Tally

T = TypeVar("T")


def evaluate_file(
    path: Path, model: str | None, data: str | None, normalization: Kind | None
) -> dict[str, Any]:
    """Examples, wrong ones, top-1 error and loss of weights on a data set's test images.

    What is None is taken from the file. `UserError` names what the file leaves open, lists keys
    that do not fit the net, and refuses a net that does not fit the images.
    """
    weights = read_weights(path)
    about = weights.about
    config = about.config if about else None
    description = config.model if config and not model else describe(_known(model, path, "model"))
    name = _known(data or (config.data.name if config else None), path, "data")
    files.fetch(name)
    source = open_source(name)
    if normalization:
        normalize = Normalization.fit(normalization, source.train.images)
    else:
        normalize = _known(about.normalization if about else None, path, "normalization")
    channels, classes = source.test.images.shape[1], len(source.class_names)
    if (description.in_channels, description.classes) != (channels, classes):
        raise UserError(
            f"the net takes {description.in_channels} channels to {description.classes} classes; "
            f"{name} has {channels} and {classes}"
        )
    net = fit(build(description), weights.tensors)
    batches = EvaluationBatches(source.test, normalize, torch.float32)
    return {"data": name, **evaluate(net, tqdm(batches, unit="batch", disable=None)).as_dict()}


@torch.no_grad()
def evaluate(net: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Score:
    """The score of a net in evaluation mode over batches of images (N, C, H, W) and targets."""
    net.eval()
    tally = Tally()
    for images, targets in batches:
        logits = net(images)
        tally.update(logits, targets, cross_entropy(logits, targets))
    return tally.score()


def _known(value: T | None, path: Path, what: str) -> T:
    if value is None:
        raise UserError(f"{path} does not say its {what}; add --{what}")
    return value
