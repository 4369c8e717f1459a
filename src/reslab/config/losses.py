"""What a net is trained to do: the loss, as a value.

Cross-entropy alone, or beside a loss that holds a net against its teacher. What each computes is in
methods/losses.py, on logits and on what stages put out. Where a default is a number of somebody's
code, it is that of RepDistiller (Tian et al. 2020, arXiv 1910.10699), of dkd and dist their
authors'.
"""

from typing import Literal

from pydantic import PositiveInt

from reslab.config.description import (
    Fraction,
    Named,
    NonNegativeFloat,
    PositiveFloat,
    PositiveFraction,
)
from reslab.config.nets import Described
from reslab.config.trains import has_stages

STAGED = ("fitnet", "at", "rkd")
"""Losses on what stages put out, or on what the last layer reads."""
WHOLE = ("rkd", "dist")
"""Losses in which the examples of a batch are held against each other."""


class Loss(Named):
    """Cross-entropy, or what a teacher adds to it; T is `temperature`.

    kd: (1 - soft) cross-entropy + soft T² KL(teacher ‖ student), both softened by T (Hinton et al.
    2015, arXiv 1503.02531). All others add to the whole cross-entropy. fitnet: the squared distance
    of a stage's output, through a regressor, from the teacher's (Romero et al. 2015, arXiv
    1412.6550). at: that of the maps of attention of every stage (Zagoruyko 2017, arXiv 1612.03928).
    rkd: of the distances, and of the angles, between the features of a batch's examples (Park et
    al. 2019, arXiv 1904.05068). dkd: KL of the target's probability and, apart, of the others'
    among themselves (Zhao et al. 2022, arXiv 2203.08679). dist: 1 - Pearson's correlation over the
    classes of an example, and over the examples of a class (Huang et al. 2022, arXiv 2205.10536).
    """

    name: Literal["cross_entropy", "kd", "fitnet", "at", "rkd", "dkd", "dist"] = "cross_entropy"
    temperature: PositiveFloat = 4.0
    soft: PositiveFraction = 0.9
    """The teacher's part of kd; the rest is cross-entropy's."""
    hint_weight: PositiveFloat = 100.0
    hint_layer: PositiveInt = 2
    """Which stage fitnet compares: 2 is layer2, of dense nets block2."""
    regressor: Literal["conv", "conv_bn_relu"] = "conv"
    """From the student's channels to the teacher's: a 1×1 convolution, or with a BatchNorm and a
    ReLU behind it, as RepDistiller has it. It trains, and is no part of the net."""
    attention_weight: PositiveFloat = 1000.0
    distance_weight: NonNegativeFloat = 25.0
    angle_weight: NonNegativeFloat = 50.0
    target_weight: NonNegativeFloat = 1.0
    """α of dkd."""
    others_weight: NonNegativeFloat = 8.0
    """β of dkd."""
    warmup: Fraction = 0.0
    """The part of the steps in which what dkd adds rises in a line from 0."""
    inter_weight: NonNegativeFloat = 1.0
    """β of dist: of the classes of an example."""
    intra_weight: NonNegativeFloat = 1.0
    """γ of dist: of the examples of a class."""

    READ_BESIDE = {
        "temperature": {"name": ("kd", "dkd", "dist")},
        "soft": {"name": ("kd",)},
        "hint_weight": {"name": ("fitnet",)},
        "hint_layer": {"name": ("fitnet",)},
        "regressor": {"name": ("fitnet",)},
        "attention_weight": {"name": ("at",)},
        "distance_weight": {"name": ("rkd",)},
        "angle_weight": {"name": ("rkd",)},
        "target_weight": {"name": ("dkd",)},
        "others_weight": {"name": ("dkd",)},
        "warmup": {"name": ("dkd",)},
        "inter_weight": {"name": ("dist",)},
        "intra_weight": {"name": ("dist",)},
    }

    @property
    def is_taught(self) -> bool:
        """Whether it needs a teacher."""
        return self.name != "cross_entropy"


def cannot_be_read(loss: Loss, net: Described, batch_size: int, mixes: bool) -> str | None:
    """Why a loss is none of a net's that is trained so; None if it is."""
    if loss.name in STAGED and not has_stages(net):
        return (
            f"name: {loss.name} reads what stages put out; of this net nobody says what they are, "
            "of ours and of timm's it is known; kd, dkd and dist read logits alone"
        )
    if loss.name in WHOLE and batch_size < 3:
        return f"name: {loss.name} holds examples against each other; expected a batch of 3 or more"
    if loss.name == "dkd" and mixes:
        return (
            "name: dkd needs one target for each image, which mixup and cutmix do not leave; leave "
            "them out"
        )
    return None
