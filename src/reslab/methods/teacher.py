"""A teacher: a trained net whose outputs another learns from, outside of what trains.

It is no module of the net that it teaches, so that neither optimiser nor checkpoint knows it; it is
in evaluation mode, has no gradients, and sees the batch that the net sees, in its own
normalisation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reslab.config.losses import Loss
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.methods.features import Outputs
from reslab.methods.losses import seen


@dataclass(frozen=True, eq=False)
class Teacher:
    """A net, images (N, C, H, W) → logits, that stays as it is, and its normalisation's name."""

    net: nn.Module
    normalization: Normalization
    scale: Tensor | None = None
    """(C, 1, 1): what makes the student's images the teacher's, images · scale + shift. None where
    they are alike."""
    shift: Tensor | None = None

    def __post_init__(self) -> None:
        """`UserError` where its images do not follow from a student's channel by channel."""
        if not is_affine(self.normalization):
            raise UserError(f"its normalisation, {self.normalization.kind}, {NOT_AFFINE}")
        self.net.eval().requires_grad_(False)

    def beside(self, student: Normalization, images: Tensor) -> "Teacher":
        """For images that are normalised as the student's, and are where these are; what it
        computes in is its net's. `UserError` where its own do not follow from them."""
        if not is_affine(student):
            raise UserError(f"teacher: the run's normalisation, {student.kind}, {NOT_AFFINE}")
        ours, theirs = student.to("cpu"), self.normalization.to("cpu")
        net = self.net.to(images.device)
        if torch.equal(ours.mean, theirs.mean) and torch.equal(ours.std, theirs.std):
            return Teacher(net, self.normalization)
        scale = ours.std.double() / theirs.std.double()
        shift = (ours.mean.double() - theirs.mean.double()) / theirs.std.double()
        like = next(net.parameters())
        return Teacher(net, self.normalization, scale.to(like), shift.to(like))

    @torch.no_grad()
    def outputs(self, loss: Loss, images: Tensor) -> Outputs:
        """As much as a loss reads, of images as its student sees them."""
        if self.scale is not None and self.shift is not None:
            images = images * self.scale + self.shift
        return seen(loss, self.net, images)


NOT_AFFINE = (
    "is no scale and shift of each channel, so that a teacher's images would not follow from the "
    "net's"
)


def is_affine(normalization: Normalization) -> bool:
    """Whether it is a scale and a shift of each channel."""
    parts = normalization.mean, normalization.std
    return normalization.whitening is None and all(p.shape[1:] == (1, 1) for p in parts)
