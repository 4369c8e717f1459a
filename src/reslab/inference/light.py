"""A trained net as something to be used: its size, its time, and what int8 makes of its errors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reslab import disk, store
from reslab.data.modules import ImageData
from reslab.errors import UserError, located
from reslab.inference.evaluate import Evaluation, evaluation, opened
from reslab.inference.latency import BASELINE, INT8, WAYS, Latency, latency
from reslab.inference.quantize import (
    Quantized,
    bytes_of,
    calibration_images,
    obstacle_to_int8,
    quantize,
)
from reslab.methods.merging import merge
from reslab.text import size
from reslab.weights.given import NOTHING, Given

TO_COMPARE = ("fp32", BASELINE, INT8)
"""The ways beside each other where errors are asked for."""
ALL = tuple(WAYS)


@dataclass(frozen=True, eq=False)
class Quantization:
    """A net in int8 beside itself in float32, on the same test images, timed in the same rounds."""

    int8: Evaluation
    fp32: Evaluation
    same: int
    """Images to which both give the same answer."""
    bytes: dict[str, int]
    made_with: dict[str, Any]
    latency: Latency

    def as_dict(self) -> dict[str, Any]:
        """For `eval-int8.json`: the errors of int8, and beside them all else."""
        return {
            **self.int8.as_dict(),
            "views": "int8",
            "fp32": self.fp32.score.as_dict(),
            "same_answers": self.same,
            "bytes": self.bytes,
            "quantization": self.made_with,
            "latency": self.latency.as_dict(),
        }

    def as_text(self) -> str:
        """For people."""
        fp32, int8 = self.bytes["fp32"], self.bytes["int8"]
        made = self.made_with
        bits = "7 bits, since this processor has no VNNI" if made["reduce_range"] else "8 bits"
        before = self.fp32.score
        return "\n".join(
            [
                f"int8: {self.int8.as_text()}",
                f"fp32: {before.wrong:,} wrong, top-1 error {before.top1_error:.2f} %; both give "
                f"the same answer to {self.same:,} of {before.examples:,} images",
                f"size: {size(int8)} in int8, {size(fp32)} in fp32 ({int8 / fp32:.2f} of it)",
                f"scales: from {made['images']} training images, not augmented; what goes into "
                f"layers has {bits}",
                "",
                self.latency.as_text(),
            ]
        )


@dataclass(frozen=True, eq=False)
class Subject:
    """A float32 net in evaluation mode on the processor, and the images that it is for."""

    net: nn.Module
    data: ImageData
    images: Tensor = field(repr=False)
    """Some training images, float32 (N, C, H, W)."""


def subject(path: Path, said: Given = NOTHING) -> Subject:
    """What a run folder or a file of weights is about; adapters become part of the weights.

    `UserError` as in `evaluate_file`.
    """
    net, _, data = opened(path, said)
    with located(str(path)):
        net = merge(net)
    data.precision = "32-true"
    return Subject(net.float().cpu().eval(), data, calibration_images(data.opened()))


def timed(path: Path, said: Given = NOTHING) -> Latency:
    """Measure a net in all ways; of a run it is also written, as `latency.json`."""
    about = subject(path, said)
    int8 = obstacle_to_int8() or quantize(about.net, about.images).graph
    found = latency(about.net, about.images, int8, ALL)
    _keep(path, said, store.LATENCY, found.as_dict())
    return found


def quantized(
    path: Path, said: Given = NOTHING, ways: tuple[str, ...] = TO_COMPARE
) -> Quantization:
    """Quantise a net, and measure what that does; of a run it is also written, as `eval-int8.json`.

    `UserError` where torchao is missing, for a run that is not done, and as in `evaluate_file`.
    """
    if why := obstacle_to_int8():
        raise UserError(why)
    about = subject(path, said)
    made = quantize(about.net, about.images)
    found = beside_itself(about, made, ways)
    _keep(path, said, store.evaluation("int8"), found.as_dict())
    return found


def beside_itself(about: Subject, made: Quantized, ways: tuple[str, ...]) -> Quantization:
    """A net's errors and times beside those of what was made of it."""
    fp32, answers = heard(about.net, about.data)
    int8, others = heard(made.graph, about.data)
    return Quantization(
        int8,
        fp32,
        int((answers == others).sum()),
        {"int8": made.bytes, "fp32": bytes_of(about.net)},
        {**made.as_dict(), "images": len(about.images)},
        latency(about.net, about.images, made.graph, ways),
    )


def heard(net: nn.Module, data: ImageData) -> tuple[Evaluation, Tensor]:
    """An evaluation of the centre crops, and the answers that it counts, (N,)."""
    answers: list[Tensor] = []

    @torch.no_grad()
    def logits(images: Tensor) -> Tensor:
        found: Tensor = net(images.cpu())
        answers.append(found.argmax(1))
        return found

    return evaluation(logits, data, "center"), torch.cat(answers)


def _keep(path: Path, said: Given, name: str, found: dict[str, Any]) -> None:
    """Write what was found of a run's own weights, on its own images, beside its result."""
    if path.is_dir() and said == NOTHING:
        when = {"code": store.code_version(), "time": store.timestamp()}
        disk.write_json(path / name, {**found, **when})
