"""How a net is trained: optimiser, schedule, normalisation, augmentation."""

import itertools
from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from reslab.config.data import Photographs
from reslab.config.description import (
    Description,
    FiniteFloat,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Not,
    OpenFraction,
    PositiveFloat,
    PositiveFraction,
)
from reslab.config.losses import Loss
from reslab.config.objectives import Objective

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
MeanAndStd = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel, of pixels / 255."""
IMAGENET: MeanAndStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""As in torchvision's reference training and its published weights."""


class Moments(Description):
    """A normalisation in numbers of pixels / 255, one per channel: (x - mean) / std."""

    mean: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    std: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _of_the_same_channels(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"std: {len(self.std)} numbers beside {len(self.mean)} of mean; expected one of "
                "each per channel"
            )
        return self


def _said_as(value: Any) -> str:
    return UNNAMED[1] if isinstance(value, dict | Moments) else UNNAMED[0]


UNNAMED = ("a word", "in numbers")
"""The ways to say a normalisation, as pydantic's paths have them; nobody writes them."""

Normalized = Annotated[
    Annotated[Literal[Normalizing, "start"], Tag(UNNAMED[0])] | Annotated[Moments, Tag(UNNAMED[1])],
    Discriminator(_said_as),
]


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

    layer_decay: PositiveFraction = 1.0
    """d: the rate of what trains is times d^depth, counted in stages from the head: its depth is 0,
    the last stage's 1, and so on down to the stem's."""

    decay_towards: Literal["zero", "start"] = "zero"
    """What weights decay to: start is L2-SP (Li 2018, arXiv 1802.01483), each weight that comes
    from the run's start decays to what it was, all others to 0. LAMB has no such form."""

    READ_BESIDE = {
        "betas": {"name": Not("sgd")},
        "momentum": {"name": ("sgd",)},
        "nesterov": {"name": ("sgd",), "momentum": Not(0.0)},
        "decay": {"weight_decay": Not(0.0)},
        "decay_towards": {"weight_decay": Not(0.0), "name": ("sgd", "adam", "adamw")},
    }

    def _instead(self, idle: Collection[str]) -> str:
        """An optimiser that is laid over one of another kind needs more than its name."""
        if not {"betas", "momentum"}.intersection(idle):
            return ""
        rate = "lr: 0.1, momentum: 0.9" if self.name == "sgd" else "lr: 0.001"
        return (
            " and a rate of its own, or replace the whole: "
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
    gamma: OpenFraction = 0.1
    pct_start: OpenFraction = 0.3
    """Fraction of the steps in which one_cycle rises; torch's name."""
    warmup_steps: NonNegativeInt = 0
    warmup_lr: PositiveFloat = 0.01
    warmup: Literal["constant", "linear"] = "constant"
    """During the first `warmup_steps` the rate is `warmup_lr`, or rises in a line from `warmup_lr`
    at step 0 to the optimiser's at step `warmup_steps`."""

    READ_BESIDE = {
        "milestones": {"name": ("step",)},
        "gamma": {"name": ("step",)},
        "pct_start": {"name": ("one_cycle",)},
        "warmup_steps": {"name": Not("one_cycle")},
        "warmup_lr": {"warmup_steps": Not(0)},
        "warmup": {"warmup_steps": Not(0)},
    }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name == "step" and not self.milestones:
            raise ValueError("name: step needs milestones, for example [32000, 48000]")
        points = (self.warmup_steps, *self.milestones)
        if any(later <= earlier for earlier, later in itertools.pairwise(points)):
            raise ValueError(
                f"milestones: {list(self.milestones)} must rise and come after the warm-up "
                f"(warmup_steps: {self.warmup_steps})"
            )
        return self


class ColorJitter(Description):
    """torchvision's: changes of colour in an order drawn per image. All 0 is none.

    Brightness, contrast and saturation are multiplied by a factor drawn evenly from 1 - x, at least
    0, to 1 + x; the hue is turned by a part, drawn evenly from -hue to hue, of the colour circle.
    """

    brightness: NonNegativeFloat = 0.0
    contrast: NonNegativeFloat = 0.0
    saturation: NonNegativeFloat = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    probability: PositiveFraction = 1.0
    """Of an image, that its colours are changed at all."""

    READ_BESIDE = {
        "probability": tuple(
            {field: Not(0.0)} for field in ("brightness", "contrast", "saturation", "hue")
        )
    }


class Augmentation(Description):
    """What is done to training images.

    Per image, in this order: a resized crop; RandAugment or TrivialAugment on the pixels as stored,
    or as they were cropped of a photograph; colour jitter; grey; rotation, shear and zoom in one;
    padding, a random crop of the original size and a random horizontal flip; after normalisation
    cutout and random erasing. Then, per batch, mixup or cutmix.
    """

    crop_padding: NonNegativeInt = 0
    """Pixels added on every side before the crop; 0 is no crop."""
    padding: Literal["after_normalization", "before_normalization"] = "after_normalization"
    """Zeros after normalisation are the mean colour (He 2015); before it they are black."""
    fill: Literal["zeros", "reflect", "edge"] = "zeros"
    """What is beyond the image, in padding and where it is rotated, sheared or zoomed: zeros, the
    image mirrored at its border, which is not repeated (Zagoruyko 2016, arXiv 1605.07146), or its
    outermost pixels (Keras' default, "nearest"). Zeros of these three are black."""
    flip: bool = False
    cutout: NonNegativeInt = 0
    """Side in pixels of a square set to 0, the mean colour, about a centre anywhere in the image:
    at the border less is cut (DeVries 2017, arXiv 1708.04552). 0 is none."""
    randaugment: NonNegativeInt = 0
    """RandAugment operations per image (Cubuk 2020, arXiv 1909.13719; torchvision's v2). 0 is none.
    They are done image by image, which costs more than all other augmentation."""
    randaugment_magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """The strength of these operations, of 30."""
    trivial_augment: bool = False
    """TrivialAugment, in place of RandAugment: one operation per image, of a strength that is drawn
    (Müller 2021, arXiv 2103.10158; torchvision's TrivialAugmentWide, image by image)."""
    resized_crop: Fraction = 0.0
    """The least part of an image's area that is cropped and resized to the whole: the part is drawn
    evenly up to 1, the aspect ratio between 3/4 and 4/3 (torchvision's RandomResizedCrop, image by
    image). 0 is none. Photographs have `photographs.crop: area`."""
    grayscale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that an image becomes grey (torchvision's RandomGrayscale)."""
    color_jitter: ColorJitter = ColorJitter()
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Degrees: an angle is drawn evenly from -rotation to rotation, about the image's centre."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Degrees, drawn as the rotation's: rows are moved along themselves (torchvision's
    RandomAffine). Keras' shear_range is in degrees, too, but before 2018 it was in radians, of
    which 0.2 are 11.5 degrees (keras-team/keras#8868)."""
    zoom: Fraction = 0.0
    """A scale is drawn evenly from 1 - zoom to 1 + zoom, of both sides alike (torchvision's
    RandomAffine; Keras' zoom_range draws one for each side)."""
    erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a box of an image is set to 0, the mean colour: 2 to 33 % of its area, sides
    as 0.3 to 3.3 (Zhong 2020, arXiv 1708.04896; torchvision's RandomErasing)."""
    mixup: NonNegativeFloat = 0.0
    """α of Beta(α, α), from which each step draws one λ: an image is λ of itself and 1 - λ of
    another of its batch, and so is its target (Zhang 2018, arXiv 1710.09412). 0 is none."""
    cutmix: NonNegativeFloat = 0.0
    """α of Beta(α, α), from which each step draws a box that is filled from another image of the
    batch; targets are mixed by area (Yun 2019, arXiv 1905.04899). With mixup too, each step does
    one of the two, by a fair coin."""

    READ_BESIDE = {
        "padding": {"crop_padding": Not(0)},
        "fill": tuple({field: Not(0)} for field in ("crop_padding", "rotation", "shear", "zoom")),
        "randaugment_magnitude": {"randaugment": Not(0)},
    }

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.trivial_augment and self.randaugment:
            raise ValueError(
                f"trivial_augment: true is done in place of randaugment: {self.randaugment}; leave "
                "one of them out"
            )
        return self

    @property
    def mixes(self) -> bool:
        """Whether the images of a batch are mixed, and with them their targets."""
        return self.mixup > 0 or self.cutmix > 0


class Recipe(Description):
    """How a net is trained. Steps are optimiser steps, the batch is the global one."""

    steps: Annotated[int, Field(gt=0, le=MOST_STEPS)]
    batch_size: PositiveInt
    optimizer: Optimizer
    schedule: Schedule
    normalization: Normalized
    """pixel_mean: minus the training images' mean image; pixel_mean_global_std: then divided by the
    standard deviation of all their pixels (Huang 2016, the authors' code); channel: their mean and
    standard deviation per channel; channel_mean: minus the mean per channel (Hu 2018);
    channel_image_std: divided by the mean over images of each image's standard deviation per
    channel, on CIFAR-10 the 0.2023, 0.1994, 0.2010 of much code (Zhang 2019); gcn_zca: each image
    minus its mean and scaled to a norm of 55, then whitened by ZCA with 0.1 added to the variances
    (Zagoruyko 2016, Tables 2 to 4, by pylearn2); imagenet: ImageNet's; none: pixels in [0, 1]. All
    others on pixels divided by 255. start: what the weights that the run starts from were trained
    with; {mean: […], std: […]}: these numbers."""
    augmentation: Augmentation = Augmentation()
    photographs: Photographs | None = None
    """How photographs become square inputs; other data have none."""
    objective: Objective = Objective()
    """What the net is trained for: the classes, or something that needs no labels."""
    label_smoothing: Fraction = 0.0
    """The part of a target's probability that is shared equally among all classes in the training
    loss (Szegedy 2016, arXiv 1512.00567); test losses are of the plain targets."""
    loss: Loss = Loss()
    """What is trained for; all but cross-entropy read a run's `teacher`."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        last = max((self.schedule.warmup_steps, *self.schedule.milestones))
        if last >= self.steps:
            field = "milestones" if self.schedule.milestones else "warmup_steps"
            raise ValueError(
                f"schedule.{field}: {last} is not before the last step (steps: {self.steps})"
            )
        if self.photographs and self.augmentation.crop_padding:
            raise ValueError(
                f"augmentation.crop_padding: {self.augmentation.crop_padding} is for images of one "
                "size; photographs are cropped as photographs.crop says"
            )
        if self.photographs and self.augmentation.resized_crop:
            raise ValueError(
                f"augmentation.resized_crop: {self.augmentation.resized_crop:g} is for images of "
                "one size; of photographs say photographs.crop: area"
            )
        if reason := reads_targets(self):
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _jitters_once(self) -> Self:
        changes = self.augmentation.color_jitter != ColorJitter()
        if changes and self.photographs and self.photographs.jitter:
            raise ValueError(
                f"augmentation.color_jitter: photographs.jitter: {self.photographs.jitter:g} has "
                "changed the colours already; leave one of them out"
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


def reads_targets(recipe: Recipe) -> str | None:
    """What a recipe says of targets that its objective does not read; None where it reads all."""
    name = recipe.objective.name
    if recipe.objective.is_of_classes:
        return None
    if recipe.loss != Loss():
        return f"loss: {recipe.loss.name} is not read: {name} has a loss of its own; leave it out"
    if recipe.label_smoothing:
        return f"label_smoothing: {recipe.label_smoothing:g} is not read: {name} has no labels"
    if recipe.augmentation.mixes:
        return f"augmentation: mixup and cutmix mix targets: {name} has none; leave them out"
    return None
