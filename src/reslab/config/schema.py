"""What a run is: frozen descriptions that say everything that decides its result.

A `RunConfig` is a value (no dicts inside). `run_id` is a hash of it in which fields at their
default do not appear, so a new field with a default changes no id and a default is never changed.
Where and how a run is executed (devices, workers, folders, logging) is not part of it.
"""

import hashlib
import itertools
import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from reslab.config.datasets import DATASETS, DatasetName

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NonNegativeInt = Annotated[int, Field(ge=0)]

Order = Literal[
    "original",
    "bn_after_addition",
    "relu_before_addition",
    "relu_only_preactivation",
    "full_preactivation",
]

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Output channels of a branch per channel of its width (He 2015, Fig. 5)."""


class Description(BaseModel):
    """A frozen value without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ResNet(Description):
    """A residual net: stem, stages of units, head. One entry per stage in each tuple.

    A plain net is `shortcut: none`. `widths` are the branches' inner widths; a bottleneck puts out
    four times as many channels.
    """

    units: tuple[PositiveInt, ...] = Field(min_length=1)
    widths: tuple[PositiveInt, ...] = Field(min_length=1)
    strides: tuple[PositiveInt, ...] = Field(min_length=1)
    branch: Literal["basic", "bottleneck"] = "basic"
    shortcut: Literal["none", "A", "B", "C"] = "A"
    zeros: Literal["both", "after"] = "both"
    """Where option A puts its zero channels: on both sides or after the copied ones."""
    order: Order = "original"
    stem: Literal["3x3", "7x7_pool"] = "3x3"
    stem_width: PositiveInt = 16
    stride_on: Literal["middle", "first"] = "middle"
    """Which convolution of a bottleneck strides: the 3×3 (torchvision) or the first 1×1 (paper)."""
    init: Literal["fan_out", "fan_in"] = "fan_out"
    """He initialisation, normal (He et al. 2015, arXiv 1502.01852)."""
    in_channels: PositiveInt = 3
    classes: PositiveInt = 10

    @property
    def layers(self) -> int:
        """Weighted layers on the longest path, the number in the net's name."""
        return 2 + sum(self.units) * {"basic": 2, "bottleneck": 3}[self.branch]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not len(self.units) == len(self.widths) == len(self.strides):
            raise ValueError(
                "units, widths and strides need one entry per stage each; they have "
                f"{len(self.units)}, {len(self.widths)} and {len(self.strides)}"
            )
        unread = {
            "stride_on": self.branch != "bottleneck",
            "zeros": self.shortcut != "A",
        }
        for field, is_unread in unread.items():
            if is_unread and getattr(self, field) != type(self).model_fields[field].default:
                raise ValueError(
                    f"{field}: {getattr(self, field)} is read by nothing with branch "
                    f"{self.branch} and shortcut {self.shortcut}; leave it out"
                )
        outputs = [self.stem_width, *(w * EXPANSION[self.branch] for w in self.widths)]
        if self.shortcut == "A" and outputs != sorted(outputs):
            raise ValueError(
                "shortcut: A pads with zero channels and cannot shrink the width; the stages put "
                f"out {outputs} channels (the stem first); use B or C"
            )
        return self


class Data(Description):
    """A data set by name, and how its training images are split."""

    name: DatasetName
    holdout: NonNegativeInt = 0
    """Training images set aside and tested on instead of the test set (He 2015 chose its schedule
    with 5,000 of CIFAR-10's). The split is fixed: it does not follow the run's seed."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        train = DATASETS[self.name].train
        if self.holdout >= train:
            raise ValueError(f"holdout must leave training images; {self.name} has {train}")
        return self


class Optimizer(Description):
    """torch's SGD or Adam; fields as in torch.optim."""

    name: Literal["sgd", "adam"] = "sgd"
    lr: PositiveFloat
    momentum: Fraction = 0.0
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    decay: Literal["all", "weights"] = "all"
    """What decays: every parameter, or only the weights of convolutions and linear layers."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name == "adam" and (self.momentum or self.nesterov):
            raise ValueError("adam has betas; momentum and nesterov belong to sgd")
        if self.name == "sgd" and self.betas != (0.9, 0.999):
            raise ValueError("sgd has a momentum; betas belong to adam")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Schedule(Description):
    """The learning rate as a function of the step alone.

    step: times `gamma` at each milestone. cosine: half a cosine from the end of the warm-up to 0 at
    the last step. constant. During the first `warmup_steps` the rate is `warmup_lr`.
    """

    name: Literal["step", "cosine", "constant"] = "step"
    milestones: tuple[PositiveInt, ...] = ()
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    warmup_steps: NonNegativeInt = 0
    warmup_lr: PositiveFloat = 0.01

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.name == "step") != bool(self.milestones):
            raise ValueError(f"milestones belong to name: step, got {self.name}: {self.milestones}")
        points = (self.warmup_steps, *self.milestones)
        if any(later <= earlier for earlier, later in itertools.pairwise(points)):
            raise ValueError(
                f"milestones must rise and come after the warm-up, got warmup_steps "
                f"{self.warmup_steps} and milestones {list(self.milestones)}"
            )
        return self


class Augmentation(Description):
    """Per image: zero padding, a random crop of the original size, a random horizontal flip."""

    crop_padding: NonNegativeInt = 0
    """Pixels added on every side before the crop; 0 is no crop."""
    padding: Literal["after_normalization", "before_normalization"] = "after_normalization"
    """Zeros after normalisation are the mean colour (He 2015); before it they are black."""
    flip: bool = False


class Recipe(Description):
    """How a net is trained. Steps are optimiser steps, the batch is the global one."""

    steps: PositiveInt
    batch_size: PositiveInt
    optimizer: Optimizer
    schedule: Schedule
    normalization: Literal["pixel_mean", "channel", "imagenet", "none"]
    """pixel_mean: minus the training images' mean image; channel: their mean and standard deviation
    per channel; imagenet: ImageNet's; none: pixels in [0, 1]. All on pixels divided by 255."""
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        last = max((self.schedule.warmup_steps, *self.schedule.milestones))
        if last >= self.steps:
            raise ValueError(
                f"milestones and warm-up must end before the last step: {last} of {self.steps}"
            )
        return self

    def scaled(self, budget: float) -> "Recipe":
        """This recipe with `budget` times the steps, the schedule in proportion.

        Every point in time (end of warm-up, milestones, last step) becomes its nearest whole step,
        but at least one step after the point before it: no phase vanishes, no two collide.
        """
        if budget == 1:
            return self
        previous = 0

        def scale(point: int) -> int:
            nonlocal previous
            previous = max(previous + 1, int(point * budget + 0.5))
            return previous

        s = self.schedule
        schedule = s.model_copy(
            update={
                "warmup_steps": scale(s.warmup_steps) if s.warmup_steps else 0,
                "milestones": tuple(scale(m) for m in s.milestones),
            }
        )
        return self.model_copy(update={"schedule": schedule, "steps": scale(self.steps)})


class RunConfig(Description):
    """One training run: everything that decides its result, and nothing else."""

    model: ResNet
    data: Data
    recipe: Recipe
    seed: NonNegativeInt = 0
    budget: PositiveFloat = 1.0
    """Fraction of the recipe's steps; see `Recipe.scaled`."""
    precision: Literal["32-true", "tf32", "bf16-mixed", "64-true"] = "32-true"
    """32-true switches TF32 off; it never follows the hardware."""

    @model_validator(mode="after")
    def _fits_data(self) -> Self:
        facts = DATASETS[self.data.name]
        for field in ("in_channels", "classes"):
            if getattr(self.model, field) != getattr(facts, field):
                raise ValueError(
                    f"model.{field} is {getattr(self.model, field)}, but {self.data.name} has "
                    f"{getattr(facts, field)}"
                )
        train = facts.train - self.data.holdout
        if self.recipe.batch_size > train:
            raise ValueError(
                f"recipe.batch_size {self.recipe.batch_size} exceeds the {train} "
                f"training images of {self.data.name}"
            )
        if self.recipe.normalization == "imagenet" and facts.in_channels != 3:
            raise ValueError(
                f"recipe.normalization: imagenet is for colour; {self.data.name} is grey"
            )
        return self

    @property
    def scaled_recipe(self) -> Recipe:
        """The recipe as this run executes it, scaled to its budget."""
        return self.recipe.scaled(self.budget)

    @property
    def run_id(self) -> str:
        """Ten hexadecimal digits that name this value."""
        dump = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(dump, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]
