"""What a run learns from another net: its teacher, read from an origin, and a loss beside it.

A teacher is read again whenever a run is started or resumed, since no checkpoint holds it; what a
loss has learned itself (fitnet's regressor) stands in the checkpoint under `beside.`, and no export
has it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from reslab import disk, store
from reslab.config.losses import STAGED, Loss
from reslab.config.nets import Described, PythonNet
from reslab.config.public_weights import TABLE, net_of
from reslab.config.run import RunConfig, input_size
from reslab.config.start import same_classes
from reslab.config.use import Use
from reslab.config.zoo import describe
from reslab.data.batches import dtype_of
from reslab.data.normalize import Normalization
from reslab.data.order import Stream, seed_of
from reslab.errors import UserError, located
from reslab.methods.features import Outputs
from reslab.methods.losses import refuse_unlike, regressed, regressor, seen, taught
from reslab.methods.materialise import fastest, restore
from reslab.methods.merging import merge
from reslab.methods.teacher import Teacher
from reslab.methods.trains import evaluating
from reslab.weights.about import refuse_untrained_head
from reslab.weights.files import Weights
from reslab.weights.normalized import known_normalization
from reslab.weights.sources import Origin, read_origin
from reslab.weights.starting import summary


@dataclass(eq=False)
class Lesson:
    """A loss, the teacher that it reads, and what it learns itself."""

    loss: Loss
    teacher: Teacher
    regressor: nn.Module | None
    origin: Origin
    progress: float = 0.0
    """The part of the run's steps that is done."""

    def begin(self, normalization: Normalization, images: Tensor) -> None:
        """Bring the teacher to where images are, which are normalised so."""
        self.teacher = self.teacher.beside(normalization, images)

    def seen(self, net: nn.Module, images: Tensor) -> Outputs:
        """What the loss reads of a net."""
        return regressed(self.loss, seen(self.loss, net, images), self.regressor)

    def record(self, folder: Path) -> None:
        """Tell and write down who teaches, as the run in `folder` begins."""
        origin, kind = self.origin, self.loss.name
        told = f"taught by {origin.label} (SHA-256 {origin.digest[:8]}…): {kind}"
        print(told, flush=True)
        found = {
            "origin": origin.label,
            "digest": origin.digest,
            "file": origin.path.name,
            "normalization": summary(self.teacher.normalization),
        }
        disk.write_json(folder / store.TEACHER, found)

    def taught(
        self, cross_entropy: Tensor, student: Outputs, images: Tensor, targets: Tensor
    ) -> Tensor:
        """The whole loss of a batch of which the student's outputs are `student`."""
        teacher = self.teacher.outputs(self.loss, images)
        return taught(self.loss, cross_entropy, student, teacher, targets, self.progress)


def lesson_of(config: RunConfig, folder: Path, net: nn.Module) -> Lesson | None:
    """What the run in `folder` learns from; None where it has no teacher.

    `UserError` where the teacher cannot be had, is another than before, or does not fit.
    """
    if config.teacher is None:
        return None
    origin, weights = read_origin(config.teacher, folder, "teacher")
    begun = store.read_begun(folder, store.TEACHER)
    if begun is not None and begun["digest"] != origin.digest:
        raise UserError(
            f"teacher: {origin.path} is not what the run began with: its SHA-256 is "
            f"{origin.digest}, that was {begun['digest']}; bring that file back, or begin a new run"
        )
    return lesson_with(config, origin, weights, net)


def lesson_with(config: RunConfig, origin: Origin, weights: Weights, net: nn.Module) -> Lesson:
    """What a run learns from these weights, whose net is to stand beside `net`."""
    loss = config.recipe.loss
    if loss.name not in STAGED:  # it reads what the head says
        with located("teacher"):
            refuse_untrained_head(origin.path, weights.about)
    with located(f"teacher: {origin.path}"):
        teacher = read_teacher(config, origin, weights)
    pair = [probed(loss, one, config) for one in (net, teacher.net)]
    refuse_unlike(loss, *pair)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(Stream.LOSS, config.seed))
        return Lesson(loss, teacher, regressor(loss, *pair), origin)


def read_teacher(config: RunConfig, origin: Origin, weights: Weights) -> Teacher:
    """The whole net that weights are of, with its adapters in it; `UserError` where nobody says
    what it is, or where its classes are others."""
    assert config.teacher is not None
    use = _use(config, origin, weights)
    _refuse_other_classes(config, use)
    if isinstance(use.model, PythonNet) and config.teacher.run is None:
        raise UserError(
            f"it is a net of {use.model.file}, which would be run; a net of one's own teaches as a "
            "variant: teacher: {variant: …}"
        )
    net = merge(restore(use, weights.tensors)).to(dtype_of(config.precision))
    found = known_normalization(config.teacher, use.model, origin, weights)
    if found is None:
        raise UserError(f"nobody says what its images were normalised with; {GIVE_IT_MEANING}")
    return Teacher(fastest(net, use.model), found)


def _use(config: RunConfig, origin: Origin, weights: Weights) -> Use:
    if weights.about is not None:
        return weights.about.use
    known = [row.name for row in TABLE.values() if origin.digest == row.digest]
    name = (config.teacher and config.teacher.name) or next(iter(known), None)
    if name is None:
        raise UserError(f"nobody says which net its weights are of; {GIVE_IT_MEANING}")
    ours = {field: getattr(config.model, field) for field in ("in_channels", "classes")}
    model: Described = describe(net_of(name)).model_copy(update=ours)
    return Use(model=model, image_size=input_size(config), photographs=config.recipe.photographs)


GIVE_IT_MEANING = (
    "give it its meaning first: python scripts/export.py FILE --model … --data … --to safetensors "
    "NEW, and take that file"
)


def _refuse_other_classes(config: RunConfig, use: Use) -> None:
    ours, theirs = config.model.classes, use.model.classes
    if ours != theirs:
        raise UserError(f"it has {theirs:,} classes, the run has {ours:,}: a teacher has the same")
    if use.data is not None and not same_classes(config.data, use.data):
        raise UserError(
            f"its classes are those of {use.data.name}, the run's of {config.data.name}"
            " or others of it: a teacher has the same"
        )
    if config.model.in_channels != use.model.in_channels:
        raise UserError(
            f"it reads images of {use.model.in_channels} channels, the run's have "
            f"{config.model.in_channels}"
        )


@torch.no_grad()
def probed(loss: Loss, net: nn.Module, config: RunConfig) -> Outputs:
    """The shapes of what a loss reads of a net; its statistics and its modes stay."""
    size = input_size(config)
    like = next(net.parameters())
    images = torch.zeros(
        2, config.model.in_channels, size, size, dtype=like.dtype, device=like.device
    )
    with evaluating(net):
        return seen(loss, net, images)
