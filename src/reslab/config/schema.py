"""What a run is: frozen descriptions that say everything that decides its result.

A `RunConfig` is a value (no dicts inside). `run_id` is a hash of it in which fields at their
default do not appear, so a new field with a default changes no id and a default is never changed.
Where and how a run is executed (devices, workers, folders, logging) is not part of it. Nets are
described in nets.py, data and photographs in data.py.
"""

import hashlib
import itertools
import json
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from reslab.config.data import Data as Data
from reslab.config.data import Photographs as Photographs
from reslab.config.data import facts_of
from reslab.config.nets import Description as Description
from reslab.config.nets import Fraction, Net, NonNegativeInt
from reslab.config.nets import ResNet as ResNet

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]

MOST_STEPS = 10**9
"""A run's; 90 epochs of ImageNet in batches of one image are a tenth of it."""

Normalizing = Literal[
    "pixel_mean",
    "pixel_mean_global_std",
    "channel",
    "channel_mean",
    "channel_image_std",
    "gcn_zca",
    "imagenet",
    "none",
]
"""Ways to normalise pixels; see `Recipe.normalization`."""


class Optimizer(Description):
    """torch's SGD, Adam or AdamW, or timm's LAMB; fields as in torch.optim.

    adam adds the weight decay to the gradient, adamw subtracts it from the weights. lamb is timm's
    default, as in Wightman 2021 (arXiv 2110.00476): the gradient of all parameters is first clipped
    to norm 1, and where nothing decays there is no trust ratio.
    """

    name: Literal["sgd", "adam", "adamw", "lamb"] = "sgd"
    lr: PositiveFloat
    momentum: Fraction = 0.0
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    decay: Literal["all", "weights"] = "all"
    """What decays: every parameter, or only the weights of convolutions and linear layers."""
    scale_and_bias_lr_factor: PositiveFloat = 1.0
    """Times the rate, for all but the weights of convolutions and linear layers. Fixup's code
    trains all biases and scales at a tenth (Zhang 2019, arXiv 1901.09321)."""

    def _reads(self) -> dict[str, bool]:
        sgd = self.name == "sgd"
        return {"betas": not sgd, "momentum": sgd, "nesterov": sgd}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(
                f"name: {self.name} has betas; momentum and nesterov belong to sgd; "
                + self._remedy()
            )
        if self.name == "sgd" and self.betas != (0.9, 0.999):
            raise ValueError(
                "name: sgd has a momentum; betas belong to adam, adamw and lamb; " + self._remedy()
            )
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: true needs a momentum above 0")
        return self

    def _remedy(self) -> str:
        """What to say beside the name of an optimiser that is laid over one of another kind."""
        beside, rate = {
            "sgd": ("betas: [0.9, 0.999]", "lr: 0.1, momentum: 0.9"),
            "adam": ("momentum: 0", "lr: 0.001"),
        }["sgd" if self.name == "sgd" else "adam"]
        if self.nesterov and self.name != "sgd":
            beside += ", nesterov: false"
        return (
            f"beside it write {beside} and a rate of its own, or replace the whole: "
            f"SET='recipe.optimizer={{name: {self.name}, {rate}}}'"
        )


class Schedule(Description):
    """The learning rate as a function of the step alone.

    step: times `gamma` at each milestone. cosine: half a cosine from the end of the warm-up to 0 at
    the last step. constant. one_cycle: torch's OneCycleLR with its defaults (Smith 2017, arXiv
    1708.07120): half a cosine from lr / 25 up to lr, another down to lr / 250,000; the momentum
    is not cycled.
    """

    name: Literal["step", "cosine", "constant", "one_cycle"] = "step"
    milestones: tuple[PositiveInt, ...] = ()
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Fraction of the steps in which one_cycle rises; torch's name."""
    warmup_steps: NonNegativeInt = 0
    warmup_lr: PositiveFloat = 0.01
    warmup: Literal["constant", "linear"] = "constant"
    """During the first `warmup_steps` the rate is `warmup_lr`, or rises in a line from `warmup_lr`
    at step 0 to the optimiser's at step `warmup_steps`."""

    def _reads(self) -> dict[str, bool]:
        return {
            "milestones": self.name == "step",
            "gamma": self.name == "step",
            "pct_start": self.name == "one_cycle",
            "warmup_lr": self.warmup_steps > 0,
            "warmup": self.warmup_steps > 0,
        }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name == "step" and not self.milestones:
            raise ValueError("name: step needs milestones, for example [32000, 48000]")
        if self.name != "step" and self.milestones:
            raise ValueError(
                f"milestones: {list(self.milestones)} belong to name: step, not to name: "
                f"{self.name}; beside it write milestones: []"
            )
        if self.name == "one_cycle" and self.warmup_steps:
            raise ValueError(
                "name: one_cycle rises by itself; leave out warmup_steps, set pct_start"
            )
        if self.name != "one_cycle" and self.pct_start != 0.3:
            raise ValueError(
                f"pct_start: {self.pct_start} belongs to name: one_cycle, not to {self.name}"
            )
        if self.warmup == "linear" and not self.warmup_steps:
            raise ValueError("warmup: linear needs warmup_steps above 0")
        points = (self.warmup_steps, *self.milestones)
        if any(later <= earlier for earlier, later in itertools.pairwise(points)):
            raise ValueError(
                f"milestones: {list(self.milestones)} must rise and come after the warm-up "
                f"(warmup_steps: {self.warmup_steps})"
            )
        return self


class Augmentation(Description):
    """What is done to training images, in the order of the data path.

    Per image: RandAugment on the pixels as stored; padding, a random crop of the original size and
    a random horizontal flip; cutout after normalisation. Then, per batch, mixup or cutmix.
    """

    crop_padding: NonNegativeInt = 0
    """Pixels added on every side before the crop; 0 is no crop."""
    padding: Literal["after_normalization", "before_normalization"] = "after_normalization"
    """Zeros after normalisation are the mean colour (He 2015); before it they are black."""
    fill: Literal["zeros", "reflect"] = "zeros"
    """What is padded with: zeros, or the image mirrored at its border, which is not repeated
    (Zagoruyko 2016, arXiv 1605.07146)."""
    flip: bool = False
    cutout: NonNegativeInt = 0
    """Side in pixels of a square set to 0, the mean colour, about a centre anywhere in the image:
    at the border less is cut (DeVries 2017, arXiv 1708.04552). 0 is none."""
    randaugment: NonNegativeInt = 0
    """RandAugment operations per image (Cubuk 2020, arXiv 1909.13719; torchvision's v2). 0 is none.
    They are done image by image, which costs more than all other augmentation."""
    randaugment_magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """The strength of these operations, of 30."""
    mixup: NonNegativeFloat = 0.0
    """α of Beta(α, α), from which each step draws one λ: an image is λ of itself and 1 - λ of
    another of its batch, and so is its target (Zhang 2018, arXiv 1710.09412). 0 is none."""
    cutmix: NonNegativeFloat = 0.0
    """α of Beta(α, α), from which each step draws a box that is filled from another image of the
    batch; targets are mixed by area (Yun 2019, arXiv 1905.04899). With mixup too, each step does
    one of the two, by a fair coin."""

    @property
    def mixes(self) -> bool:
        """Whether the images of a batch are mixed, and with them their targets."""
        return self.mixup > 0 or self.cutmix > 0

    def _reads(self) -> dict[str, bool]:
        return {
            "padding": self.crop_padding > 0,
            "fill": self.crop_padding > 0,
            "randaugment_magnitude": self.randaugment > 0,
        }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.fill == "reflect" and not self.crop_padding:
            raise ValueError("fill: reflect needs crop_padding above 0")
        if self.randaugment_magnitude != 9 and not self.randaugment:
            raise ValueError(
                f"randaugment_magnitude: {self.randaugment_magnitude} needs randaugment above 0"
            )
        return self


class Recipe(Description):
    """How a net is trained. Steps are optimiser steps, the batch is the global one."""

    steps: Annotated[int, Field(gt=0, le=MOST_STEPS)]
    batch_size: PositiveInt
    optimizer: Optimizer
    schedule: Schedule
    normalization: Normalizing
    """pixel_mean: minus the training images' mean image; pixel_mean_global_std: then divided by the
    standard deviation of all their pixels (Huang 2016, the authors' code); channel: their mean and
    standard deviation per channel; channel_mean: minus the mean per channel (Hu 2018);
    channel_image_std: divided by the mean over images of each image's standard deviation per
    channel, on CIFAR-10 the 0.2023, 0.1994, 0.2010 of much code (Zhang 2019); gcn_zca: each image
    minus its mean and scaled to a norm of 55, then whitened by ZCA with 0.1 added to the variances
    (Zagoruyko 2016, Tables 2 to 4, by pylearn2); imagenet: ImageNet's; none: pixels in [0, 1]. All
    others on pixels divided by 255."""
    augmentation: Augmentation = Augmentation()
    photographs: Photographs | None = None
    """How photographs become square inputs; other data have none."""
    label_smoothing: Fraction = 0.0
    """The part of a target's probability that is shared equally among all classes in the training
    loss (Szegedy 2016, arXiv 1512.00567); test losses are of the plain targets."""

    @property
    def unread(self) -> frozenset[str]:
        """Dotted names of the fields that this recipe does not read, whatever their value."""
        parts = ("optimizer", "schedule", "augmentation", *(["photographs"] * self.crops))
        return frozenset(f"{part}.{name}" for part in parts for name in getattr(self, part).unread)

    @property
    def crops(self) -> bool:
        """Whether this recipe is for photographs."""
        return self.photographs is not None

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        last = max((self.schedule.warmup_steps, *self.schedule.milestones))
        if last >= self.steps:
            field = "milestones" if self.schedule.milestones else "warmup_steps"
            raise ValueError(
                f"schedule.{field}: {last} is not before the last step (steps: {self.steps})"
            )
        return self

    @model_validator(mode="after")
    def _crops_once(self) -> Self:
        if self.photographs and self.augmentation.crop_padding:
            raise ValueError(
                f"augmentation.crop_padding: {self.augmentation.crop_padding} is for images of one "
                "size; photographs are cropped as photographs.crop says"
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

    @model_validator(mode="after")
    def _fits_data(self) -> Self:
        facts = facts_of(self.data)
        for field in ("in_channels", "classes"):
            if getattr(self.model, field) != getattr(facts, field):
                raise ValueError(
                    f"model.{field}: {getattr(self.model, field)}, but {self.data.name} has "
                    f"{getattr(facts, field)}"
                )
        train = facts.train - self.data.holdout
        if self.recipe.batch_size > train:
            raise ValueError(
                f"recipe.batch_size: {self.recipe.batch_size} exceeds the {train} "
                f"training images of {self.data.name}"
            )
        if reason := does_not_suit(self.recipe.normalization, self.data):
            raise ValueError(f"recipe.normalization: {reason}")
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
                "recipe"
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
    def scaled_recipe(self) -> Recipe:
        """The recipe as this run executes it, scaled to its budget."""
        return self.recipe.scaled(self.budget)

    @property
    def run_id(self) -> str:
        """Ten hexadecimal digits that name this value, wherever its images lie."""
        dump = self.model_dump(
            mode="json", exclude_defaults=True, exclude={"data": {"folder": True}}
        )
        canonical = json.dumps(dump, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def does_not_suit(normalization: Normalizing, data: Data) -> str | None:
    """Why these images cannot be normalised so; None if they can."""
    facts = facts_of(data)
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
