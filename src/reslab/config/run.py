"""What a run is: a frozen description that says everything that decides its result.

A `RunConfig` is a value (no dicts inside). `run_id` is a hash of it in which fields at their
default do not appear, so a new field with a default changes no id and a default is never changed.
Where and how a run is executed (devices, workers, folders, logging) is not part of it. Nets are
described in nets.py, data and photographs in data.py, training in recipe.py.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

from pydantic import model_validator

from reslab.config.adapters import Adapter, does_not_adapt, parameters
from reslab.config.costs import Complexity, convolutions, costs
from reslab.config.data import Data, facts_of
from reslab.config.description import Description, NonNegativeInt, PositiveFloat
from reslab.config.losses import STAGED, cannot_be_read
from reslab.config.nets import Described, Net, Opaque, ResNet
from reslab.config.recipe import MOST_STEPS, Moments, Normalized, Recipe
from reslab.config.start import Start
from reslab.config.trains import ALL, Trains, does_not_train, has_stages
from reslab.errors import UserError

Precision = Literal["32-true", "tf32", "bf16-mixed", "16-mixed", "64-true"]


class RunConfig(Description):
    """One training run: everything that decides its result, and nothing else."""

    model: Net
    data: Data
    recipe: Recipe
    seed: NonNegativeInt = 0
    budget: PositiveFloat = 1.0
    """Fraction of the recipe's steps; see `Recipe.scaled`."""
    precision: Precision = "32-true"
    """It never follows the hardware. 32-true switches TF32 off. bf16-mixed and 16-mixed compute in
    bfloat16 and float16, for which older GPUs (T4, V100) have units; with 16-mixed the gradients
    are scaled, and a step in which they overflow changes no weight, but counts. 64-true is float64
    throughout, from weights drawn in float32."""
    start: Start | None = None
    """What it starts from in place of weights drawn from its seed."""
    adapter: Adapter | None = None
    """What the net gets on top, or loses, when its weights are there."""
    trains: Trains = ALL
    """What of the net trains, as words that add up (`config.trains`); the rest stays as it begins.
    A norm of which neither scale nor bias trains is in evaluation mode."""
    diagnostics: bool = False
    """Measure the net while it trains, into `diagnostics.jsonl`: gradient norms of about 20 steps,
    and in the end the responses of its layers to 1,000 test images. No number of the run moves, and
    so it is no part of its id; it takes as long as about six steps."""
    teacher: Start | None = None
    """Whose outputs `recipe.loss` reads beside the net's own: a whole net, of the same classes, in
    evaluation mode. It sees the same crops, normalised as its own images were."""

    @model_validator(mode="after")
    def _trains_something(self) -> Self:
        added = self.adapter if self.adapter and self.adapter.has_parameters else None
        if reason := does_not_train(self.trains, self.model, adapted=added is not None):
            raise ValueError(f"trains: {reason}")
        if added and not {"all", "adapter"}.intersection(self.trains):
            raise ValueError(
                f"trains: {', '.join(self.trains)}, and so nothing of adapter.name: {added.name}; "
                "add adapter"
            )
        decay = self.recipe.optimizer.layer_decay
        if decay != 1 and (reason := no_depths(self)):
            raise ValueError(
                f"recipe.optimizer.layer_decay: {decay:g} is not read {reason}; leave it out"
            )
        towards = self.recipe.optimizer.decay_towards
        if towards == "start" and (reason := nothing_decays_to_start(self)):
            raise ValueError(f"recipe.optimizer.decay_towards: start is not read {reason}")
        return self

    @model_validator(mode="after")
    def _slices_to_inner_widths(self) -> Self:
        if self.start is None or self.start.loads != "l1":
            return self
        if not isinstance(self.model, ResNet):
            raise ValueError(
                "start.loads: l1 slices the units of this repository's residual nets, and "
                f"model.family is {self.model.family}; write loads: all"
            )
        if not self.model.inner_widths:
            raise ValueError(
                "start.loads: l1 slices weights to model.inner_widths, and the net has none; say "
                "what stays, start.keep: 0.7, or take a pruned net, model: resnet56_pruned_a"
            )
        return self

    @model_validator(mode="after")
    def _learns_without_labels(self) -> Self:
        if reason := needs_labels(self):
            raise ValueError(f"recipe.objective: {self.recipe.objective.name} {reason}")
        return self

    @model_validator(mode="after")
    def _is_taught(self) -> Self:
        recipe, loss = self.recipe, self.recipe.loss
        if reason := cannot_teach(self):
            raise ValueError(reason)
        if reason := cannot_be_read(loss, self.model, recipe.batch_size, recipe.augmentation.mixes):
            raise ValueError(f"recipe.loss.{reason}")
        return self

    @model_validator(mode="after")
    def _fits_data(self) -> Self:
        facts = facts_of(self.data)
        for field in ("in_channels", "classes"):
            if getattr(self.model, field) != getattr(facts, field):
                raise ValueError(
                    f"model.{field}: {getattr(self.model, field)}, but {self.data.name} has "
                    f"{getattr(facts, field)}"
                )
        if self.recipe.batch_size > (train := self.training_images):
            raise ValueError(
                f"recipe.batch_size: {self.recipe.batch_size} exceeds the {train} "
                f"training images of {self.data.name}; take a smaller one: "
                f"SET=recipe.batch_size={2 ** (train.bit_length() - 1)}"
            )
        if reason := does_not_suit(self.recipe.normalization, self.data):
            raise ValueError(f"recipe.normalization: {reason}")
        if facts.in_channels == 1 and self.recipe.augmentation.grayscale:
            raise ValueError(
                f"recipe.augmentation.grayscale: {self.data.name} is grey already; leave it out"
            )
        jitter = self.recipe.augmentation.color_jitter
        if facts.in_channels == 1 and (jitter.saturation or jitter.hue):
            raise ValueError(
                "recipe.augmentation.color_jitter: saturation and hue are those of colours; "
                f"{self.data.name} is grey; leave them out"
            )
        if self.recipe.normalization == "start" and self.start is None:
            raise ValueError(
                "recipe.normalization: start is that of the weights that a run starts from, and it "
                "starts from none; say start: …, or another normalization: channel"
            )
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        facts, photographs = facts_of(self.data), self.recipe.photographs
        if facts.photographs and photographs is None:
            raise ValueError(
                f"recipe.photographs: is missing; the images of {self.data.name} have any size; "
                "for example recipe.photographs.crop: area"
            )
        if photographs and not facts.photographs:
            raise ValueError(
                f"recipe.photographs: the images of {self.data.name} are all of "
                f"{facts.image_size} × {facts.image_size} pixels and are not cropped; take another "
                "recipe, such as he2015_cifar"
            )
        if photographs and self.data.prepared and self.data.prepared < photographs.size:
            raise ValueError(
                f"data.prepared: images of shorter side {self.data.prepared} have no square of "
                f"recipe.photographs.size {photographs.size}"
            )
        padding = self.recipe.augmentation.crop_padding
        if padding >= facts.image_size:
            raise ValueError(
                f"recipe.augmentation.crop_padding: {padding}; expected at most "
                f"{facts.image_size - 1}, since a crop of {self.data.name} must meet the image"
            )
        check_adapter(self.adapter, self.model, input_size(self))
        return self

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.recipe.steps * self.budget > MOST_STEPS:
            raise ValueError(
                f"budget: {self.budget:g} times {self.recipe.steps:,} steps; expected at most "
                f"{MOST_STEPS:,} steps"
            )
        return self

    @property
    def added_params(self) -> int | None:
        """Parameters that its adapter adds; None where only the net itself tells."""
        if self.adapter is None:
            return 0
        size = input_size(self)
        known = convolutions(self.model, size)
        return parameters(self.adapter, known, self.model.in_channels, size)

    @property
    def is_adapted(self) -> bool:
        """Whether it is anything but a plain net that trains as a whole from its seed."""
        return self.start is not None or self.adapter is not None or self.trains != ALL

    @property
    def epochs(self) -> float:
        """How often its steps take every training image."""
        recipe = self.scaled_recipe
        return recipe.steps * recipe.batch_size / self.training_images

    @property
    def training_images(self) -> int:
        """Those that are trained on; none that are held out."""
        return facts_of(self.data).train - self.data.holdout

    def lasting(self, epochs: float) -> "RunConfig":
        """This run with the steps that so many epochs are, the schedule in proportion.

        `UserError` for more steps than a run may have.
        """
        recipe = self.recipe
        steps = epochs * self.training_images / recipe.batch_size
        if steps > MOST_STEPS:
            raise UserError(
                f"EPOCHS={epochs:g}: {steps:,.0f} steps; expected at most {MOST_STEPS:,}"
            )
        recipe = recipe.scaled(steps / recipe.steps)
        return self.model_copy(update={"recipe": recipe, "budget": 1.0})

    @property
    def scaled_recipe(self) -> Recipe:
        """The recipe as this run executes it, scaled to its budget."""
        return self.recipe.scaled(self.budget)

    @property
    def run_id(self) -> str:
        """Ten hexadecimal digits that name this value, wherever its images and weights lie and
        whatever is measured on the way."""
        dump = self.model_dump(mode="json", exclude_defaults=True, exclude=UNDECIDING)
        canonical = json.dumps(dump, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def check_adapter(adapter: Adapter | None, net: Described, image_size: int) -> None:
    """`ValueError` for an adapter that cannot adapt a net of images of this side."""
    known = convolutions(net, image_size)
    if adapter and (reason := does_not_adapt(adapter, known, image_size)):
        raise ValueError(f"adapter.{reason}")


def no_depths(config: RunConfig) -> str | None:
    """Why no part of the net has a rate of its own; None if some have."""
    if config.trains == ("head",):
        return "where the head alone trains, whose rate is the whole"
    if not has_stages(config.model):
        return (
            "with a net of torchvision, or one's own, which does not say what its stages are; "
            "timm's do"
        )
    return None


def needs_labels(config: RunConfig) -> str | None:
    """Why a run cannot train as its objective says, which reads no labels; None if it can."""
    if config.recipe.objective.is_of_classes:
        return None
    if isinstance(config.model, Opaque):
        return "reads what a net's last layer reads, which is known of our nets alone (make models)"
    if config.trains != ALL:
        return f"trains all but the head; trains: {', '.join(config.trains)} is for a run after it"
    if config.teacher is not None:
        return "reads no teacher; leave it out, and recipe.loss"
    if config.recipe.loss.is_taught:
        return f"has a loss of its own; leave recipe.loss: {config.recipe.loss.name} out"
    if config.adapter is not None:
        return f"trains plain nets; adapter.name: {config.adapter.name} is for a run after it"
    if config.data.selected_on != "none":
        return f"has no held-out error; data.selected_on: {config.data.selected_on} needs one"
    return None


UNDECIDING: dict[str, bool | dict[str, bool]] = {
    "data": {"folder": True, "file": True},
    "start": {"file": True, "url": True},
    "teacher": {"file": True, "url": True},
    "model": {"file": True},
    "diagnostics": True,
}
"""Fields that decide nothing of the result: where something lies whose content is described beside
them, and what is only looked at."""


NOT_AFFINE = ("pixel_mean", "pixel_mean_global_std", "gcn_zca")
"""Normalisations that are no scale and no shift of each channel."""


def cannot_teach(config: RunConfig) -> str | None:
    """Why a run has no such teacher, or none at all; None if it has."""
    teacher, loss, normalization = config.teacher, config.recipe.loss, config.recipe.normalization
    if teacher is None and loss.is_taught:
        return (
            f"teacher: is missing beside recipe.loss: {loss.name}, which holds a net against it; "
            "say which, as start says it, or write recipe.loss: cross_entropy"
        )
    if teacher is None:
        return None
    if not loss.is_taught:
        return (
            "teacher: is not read with recipe.loss: cross_entropy, but with kd, fitnet, at, rkd, "
            "dkd or dist; leave it out, or say recipe.loss"
        )
    if loss.name in STAGED and config.trains == ("head",):
        return (
            f"recipe.loss: {loss.name} compares what the net computes before its head, which "
            "trains: head leaves as it is; take kd, dkd or dist"
        )
    if teacher.loads != "all" or teacher.head != "new":
        field = "loads" if teacher.loads != "all" else "head"
        return f"teacher.{field}: is not read: a teacher is a whole net; leave it out"
    if normalization in NOT_AFFINE:
        return (
            f"recipe.normalization: {normalization} is no scale and shift of each channel, so that "
            "a teacher's images would not follow from the net's; take channel, or another"
        )
    return None


def nothing_decays_to_start(config: RunConfig) -> str | None:
    """Why no weight that trains comes from a start; None if one does."""
    if config.start is None:
        return "where a run starts from none; say start: …, or leave it out"
    if config.start.head != "kept" and {"head", "adapter"}.issuperset(config.trains):
        return f"where nothing of the start trains (trains: {', '.join(config.trains)})"
    return None


def does_not_suit(normalization: Normalized, data: Data) -> str | None:
    """Why these images cannot be normalised so; None if they can."""
    facts = facts_of(data)
    if isinstance(normalization, Moments) and len(normalization.mean) != facts.in_channels:
        return (
            f"{len(normalization.mean)} numbers of each kind; the images of {data.name} have "
            f"{facts.in_channels} channels"
        )
    if normalization == "imagenet" and facts.in_channels != 3:
        return f"imagenet is for colour; {data.name} is grey"
    if normalization == "gcn_zca" and facts.photographs:
        return (
            f"gcn_zca is for small images; a photograph of {data.name} has too many pixels to "
            "whiten each by each"
        )
    return None


def input_size(config: RunConfig) -> int:
    """Side in pixels of the square images that a run's net takes."""
    photographs = config.recipe.photographs
    return photographs.size if photographs else facts_of(config.data).image_size


def costs_of(runs: Sequence[RunConfig]) -> list[Complexity]:
    """What the nets of runs cost, all of them at once: one process counts those of other libraries,
    whose adapters' parameters are not known."""
    nets = [(run.model, input_size(run)) for run in runs]
    found = costs(nets)
    return [
        replace(found[net], params=found[net].params + (run.added_params or 0))
        for net, run in zip(nets, runs, strict=True)
    ]
