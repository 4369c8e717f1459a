"""Test error of weights from a file: our checkpoints, which say what they are, or anybody's.

Foreign weights need a net's name, a data set, and the normalisation that they were trained with.
Photographs can be tested in several views each, whose softmax is averaged; see
data/photographs/views.py.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, nll_loss
from torchmetrics.classification import MulticlassConfusionMatrix
from tqdm import tqdm

from reslab import disk, store
from reslab.config.data import Data, TestedOn, facts_of
from reslab.config.nets import Described
from reslab.config.python import beside
from reslab.config.resolve import read_run
from reslab.config.use import Use
from reslab.config.views import center_sides
from reslab.data.batches import dtype_of
from reslab.data.modules import ImageData
from reslab.data.normalize import Normalization
from reslab.data.photographs.opened import Pictures
from reslab.data.photographs.views import (
    ImageViews,
    ViewsOf,
    are_of_other_sizes,
    assumed,
    largest_side,
    of_any_size,
)
from reslab.data.workers import chunks, in_workers
from reslab.errors import UserError, first_line
from reslab.inference.metrics import Score, Tally
from reslab.inference.trained import net_with
from reslab.memory import keep_freed_memory
from reslab.models.precision import autocast, default_device, set_precision
from reslab.report.csv_text import to_csv
from reslab.text import printable
from reslab.weights.about import About, refuse_untrained_head
from reslab.weights.files import read_weights
from reslab.weights.given import NOTHING, Given
from reslab.weights.meaning import normalizer

TOGETHER = 16
"""Photographs whose views are made together."""
PIXELS = 64 * 224 * 224
"""Of the views that a net takes at once."""

Function = Callable[[Tensor], Tensor]
"""From images to logits."""
Answers = Iterator[tuple[Tensor, Tensor]]
"""Log-probabilities (n, classes) and targets (n,), on the CPU, part by part."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a net answers on a data set's test images, or on those that its run was tested on."""

    data: str
    split: TestedOn
    views: str
    score: Score
    class_names: tuple[str, ...]
    confusion: Tensor
    """int64 (classes, classes): how many images of a row's class were taken for a column's."""
    assumed: tuple[str, ...] = ()
    undecodable: int = 0
    """Files that are in no split because they cannot be decoded."""

    def class_errors(self) -> dict[str, float]:
        """Top-1 error in per cent of each class that has test images."""
        images, right = self.confusion.sum(1).tolist(), self.confusion.diag().tolist()
        counts = zip(self.class_names, images, right, strict=True)
        return {name: 100 * (n - r) / n for name, n, r in counts if n}

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON. `confusion` leaves out what is zero, and the right answers."""
        wrong: dict[str, dict[str, int]] = defaultdict(dict)
        for row, column in self.confusion.nonzero().tolist():
            if row != column:
                found = int(self.confusion[row, column])
                wrong[self.class_names[row]][self.class_names[column]] = found
        return {
            "data": self.data,
            "split": self.split,
            "views": self.views,
            **self.score.as_dict(),
            "undecodable": self.undecodable,
            "assumed": list(self.assumed),
            "class_errors": self.class_errors(),
            "confusion": dict(wrong),
        }

    def as_text(self, worst: int = 5) -> str:
        """For people: the errors, and the classes with the largest."""
        views = "" if self.views == "center" else f", {self.views}"
        score = self.score
        lines = [
            f"{self.data} {self.split}{views}: {score.wrong:,} of {score.examples:,} wrong, "
            f"top-1 error {score.top1_error:.2f} %, loss {score.loss:.4f}"
        ]
        errors = sorted(self.class_errors().items(), key=lambda item: -item[1])[:worst]
        if score.top5_error is not None:
            lines.append(f"top-5 error {score.top5_error:.2f} %")
        lines.append("worst classes: " + ", ".join(f"{name} {e:.1f} %" for name, e in errors))
        return "\n".join([*lines, *(f"assumed: {line}" for line in self.assumed)])

    def write_confusion(self, path: Path) -> None:
        """The whole confusion matrix as CSV: a row per class, a column per answer."""
        names = [printable(name) for name in self.class_names]
        rows = [[name, *row] for name, row in zip(names, self.confusion.tolist(), strict=True)]
        disk.write_text(path, to_csv(["class", *names], rows))


def evaluate_file(path: Path, given: Given = NOTHING, views: str = "center") -> Evaluation:
    """Evaluate weights on a data set's test images, a run's on those that it was tested on.

    What is not given is taken from the file. `UserError` names what the file leaves open, lists
    keys that do not fit the net, and refuses weights that are not finite, a net that does not fit
    the images, views of images that are no photographs, and views of another size for a net that
    takes one size of images.
    """
    net, use, data = opened(path, given)
    answer = as_trained(net, use.precision)
    if use.photographs and are_of_other_sizes(views, use.photographs):
        refuse_one_size(net, views)
    if views != "center" and not use.photographs:
        size = use.image_size
        raise UserError(
            f"{views} is a view of photographs; the {size}×{size} images of {data.data.name} are "
            "tested as they are"
        )
    return evaluation(answer, data, views)


def opened(path: Path, given: Given = NOTHING) -> tuple[nn.Module, Use, ImageData]:
    """A net with its weights, on the CPU, what it is used with, and its images, of which none is
    read yet; `UserError` for what is not known, or does not fit."""
    weights = read_weights(path, given.key)
    refuse_untrained_head(path, weights.about)
    use = given.use(path, _known_use(path, weights.about))
    if use.data is None:
        raise UserError(f"{path} does not say its data; add --data")
    normalize = normalizer(path, weights.about, given, use)
    _refuse_other_images(use.model, use.data)
    data = ImageData(use.data, use.photographs, normalize, use.precision)
    return net_with(path, use, weights), use, data


def _known_use(path: Path, about: About | None) -> Use | None:
    """Of a run folder its own description, which knows where photographs have moved to."""
    if (path / store.CONFIG).exists():
        return beside(Use.of_run(read_run(path / store.CONFIG)), path)
    return about.use if about else None


def _refuse_other_images(net: Described, data: Data) -> None:
    facts = facts_of(data)
    if (net.in_channels, net.classes) != (facts.in_channels, facts.classes):
        raise UserError(
            f"the net takes {net.in_channels} channels to {net.classes} classes; {data.name} has "
            f"{facts.in_channels} and {facts.classes}"
        )


def as_trained(net: nn.Module, precision: str) -> Function:
    """What computes as in a training in a precision, on the device where one would be: images in
    `dtype_of` it, (N, C, H, W), to logits."""
    set_precision(precision)
    dtype = dtype_of(precision)
    net = net.to(default_device(), dtype)

    def logits(images: Tensor) -> Tensor:
        with autocast(precision, images.device.type):
            return cast(Tensor, net(images)).to(dtype)

    return logits


def evaluate_run(folder: Path, views: str) -> Evaluation:
    """Evaluate a run's final weights and write it beside the result; nothing else is touched.

    `UserError` for a run that is not done: its weights are not those of a result.
    """
    if store.state(folder) != "done":
        raise UserError(f"{folder} is {store.state(folder)}; views are for runs that are done")
    evaluation = evaluate_file(folder, views=views)
    disk.write_json(
        folder / store.evaluation(views),
        {**evaluation.as_dict(), "code": store.code_version(), "time": store.timestamp()},
    )
    return evaluation


def evaluation(net: Function, data: ImageData, views: str) -> Evaluation:
    """What a net answers on the test split of some data, photographs in views."""
    keep_freed_memory()
    data.opened()
    if isinstance(data.test, Pictures):
        lines = _assumed(data, data.test, views)
        answers = _answers_to_views(net, data, data.test, views)
    else:
        lines, answers = [], log_answers(net, data)
    score, confusion = tallied(answers, len(data.class_names))
    return Evaluation(
        data.data.name,
        data.data.split,
        views,
        score,
        data.class_names,
        confusion,
        tuple(lines),
        data.undecodable,
    )


def log_answers(net: Function, data: ImageData) -> Answers:
    """To the test images as they are, of photographs to one crop of each, in batches."""
    for images, targets in tqdm(data.val_dataloader(), unit="batch", disable=None):
        yield log_softmax(net(images.to(default_device())), 1).cpu(), targets


def _answers_to_views(net: Function, data: ImageData, test: Pictures, views: str) -> Answers:
    """To photographs, `TOGETHER` at a time."""
    normalization = data.normalization.to(default_device())
    if are_of_other_sizes(views, test.photographs):
        normalization = of_any_size(normalization)
    parts = chunks(range(len(test)), TOGETHER)
    seen = in_workers(ViewsOf(test, views), parts, data.workers())
    bar = tqdm(zip(parts, seen, strict=True), total=len(parts), unit="batch", disable=None)
    for part, examples in bar:
        scores = log_scores(net, examples, normalization, dtype_of(data.precision))
        yield scores, test.targets[part.start : part.stop]


def _assumed(data: ImageData, test: Pictures, views: str) -> list[str]:
    """What is done where papers and weights leave it open, a sentence each."""
    lines, crops = assumed(views, test.photographs, data.normalization), test.photographs
    stored = data.data.prepared
    if are_of_other_sizes(views, crops) and stored and stored < largest_side(views, crops):
        lines.append(f"images are enlarged from the store of shorter side {stored}")
    return lines


@torch.no_grad()
def refuse_one_size(net: nn.Module, views: str = "multi_scale") -> None:
    """`UserError` for a net that does not take images of the views' sizes."""
    like = next(net.parameters())
    sides = center_sides(views)
    height, width = (sides[0], sides[0]) if sides else (224, 288)
    try:
        net(like.new_zeros(1, 3, height, width))
    except (AssertionError, RuntimeError, ValueError) as error:
        told = f"{views} needs a net for images of any size: {first_line(error)}"
        raise UserError(told) from None


@torch.no_grad()
def log_scores(
    net: Function,
    examples: Sequence[ImageViews],
    normalization: Normalization,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Logarithms of the softmax averaged over each example's views, (N, classes), on the CPU.

    All examples have as many views. Views of one size are taken together, `PIXELS` at once.
    """
    of_a_size: dict[torch.Size, list[tuple[int, int, Tensor]]] = defaultdict(list)
    for example, parts in enumerate(examples):
        numbered = enumerate(view for part in parts for view in part)
        for place, view in numbered:
            of_a_size[view.shape].append((example, place, view))
    scores: dict[tuple[int, int], Tensor] = {}
    for shape, members in of_a_size.items():
        most = max(1, PIXELS // shape[1:].numel())
        for part in chunks(members, most):
            numbers, places, images = zip(*part, strict=True)
            batch = torch.stack(images).to(normalization.mean.device)
            logs = log_softmax(net(normalization(batch, dtype)), 1).cpu()
            scores |= zip(zip(numbers, places, strict=True), logs, strict=True)
    views = len(scores) // len(examples)
    stacked = torch.stack([scores[key] for key in sorted(scores)])
    return stacked.view(len(examples), views, -1).logsumexp(1) - math.log(views)


# ---- counting ------------------------------------------------------------------------------------


@torch.no_grad()
def tallied(answers: Iterable[tuple[Tensor, Tensor]], classes: int) -> tuple[Score, Tensor]:
    """Score and confusion matrix, int64 (classes, classes), of log-probabilities (N, classes) and
    targets (N,); five guesses count only where there are more classes than that."""
    tally, confusion = Tally(top5=classes > 5), MulticlassConfusionMatrix(classes)
    for log_probabilities, targets in answers:
        tally.update(log_probabilities, targets, nll_loss(log_probabilities, targets))
        confusion.update(log_probabilities.argmax(1), targets)
    return tally.score(), confusion.compute()
