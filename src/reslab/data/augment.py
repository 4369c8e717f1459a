"""Normalisation, and the augmentation of whole batches on the device that holds them.

He 2015 (Sec. 3.4, 4.2) subtracts the training images' mean image, pads with zeros, crops at random
and flips; torchvision's usual order pads first, with black. A recipe says which. Sums are over
integers small enough to be exact, so a fit does not depend on the number of threads.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from reslab.config.schema import Augmentation
from reslab.errors import UserError

Kind = Literal["pixel_mean", "channel", "imagenet", "none"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""As in torchvision's reference training and its published weights."""


class NormalizationState(TypedDict):
    """What a checkpoint holds of a normalisation."""

    kind: str
    mean: Tensor
    std: Tensor


@dataclass(frozen=True, eq=False)
class Normalization:
    """(pixels / 255 - mean) / std; mean and std are float32 and broadcast to (C, H, W)."""

    kind: str
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, kind: Kind, images: Tensor) -> "Normalization":
        """The normalisation for training images, uint8 (N, C, H, W); computed in float64.

        pixel_mean: their mean image, no division. channel: mean and standard deviation (divided by
        N) of each channel. imagenet and none do not look at the values.
        """
        if kind == "imagenet":
            mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        elif kind == "none":
            mean, std = torch.zeros(images.shape[1]), torch.ones(images.shape[1])
        elif kind == "channel":
            mean, std = _channel_moments(images)
        else:
            return cls(kind, _mean_image(images).float(), torch.ones(images.shape[1], 1, 1))
        return cls(kind, mean.float().view(-1, 1, 1), std.float().view(-1, 1, 1))

    @classmethod
    def from_state(cls, state: NormalizationState) -> "Normalization":
        """The normalisation that `state()` described; `UserError` for an unknown kind."""
        if state["kind"] not in get_args(Kind):
            raise UserError(
                f"the normalization in the weights is {state['kind']!r}; expected "
                f"{', '.join(get_args(Kind))}"
            )
        return cls(state["kind"], state["mean"], state["std"])

    def state(self) -> NormalizationState:
        """A plain dict of a string and tensors, on the CPU, for a checkpoint."""
        return {"kind": self.kind, "mean": self.mean.cpu(), "std": self.std.cpu()}

    def to(self, device: torch.device | str) -> "Normalization":
        """This normalisation on a device."""
        return Normalization(self.kind, self.mean.to(device), self.std.to(device))

    def __call__(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Images, uint8 (B, C, H, W), normalised in `dtype`."""
        return images.to(dtype).div_(255).sub_(self.mean).div_(self.std)


def crop_flip(images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Zero-pad, crop back to the same size, and flip: images (B, C, H, W) of any dtype and device.

    Image b becomes the window of its padded self that begins at row dy[b], column dx[b], both in
    [0, 2·padding]; where flip[b] is true it is then mirrored left to right. (B,) each, integers.
    """
    batch, channels, height, width = images.shape
    padded = pad(images, (padding,) * 4)
    rows = dy[:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(batch, width)
    columns = dx[:, None] + torch.where(flip[:, None].bool(), width - 1 - columns, columns)
    window = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    window = window.view(batch, 1, -1).expand(batch, channels, height * width)
    return padded.flatten(2).gather(2, window).view_as(images)


def augmented(
    images: Tensor,
    draws: tuple[Tensor, Tensor, Tensor],
    augmentation: Augmentation,
    normalization: Normalization,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A training batch from images, uint8 (B, C, H, W), and their (dy, dx, flip), (B,) each.

    Padding after the normalisation is the mean colour, padding before it is black.
    """
    dy, dx, flip = draws
    padding = augmentation.crop_padding
    if not padding and not augmentation.flip:
        return normalization(images, dtype)
    if not augmentation.flip:
        flip = torch.zeros_like(flip)
    if augmentation.padding == "before_normalization":
        return normalization(crop_flip(images, dy, dx, flip, padding), dtype)
    return crop_flip(normalization(images, dtype), dy, dx, flip, padding)


def _mean_image(images: Tensor) -> Tensor:
    # 1,000 · 255 < 2**24: each part's float32 sum is exact, and faster than an integer sum.
    sums = [part.float().sum(0).double() for part in torch.split(images, 1000)]
    return torch.stack(sums).sum(0) / len(images) / 255


def _channel_moments(images: Tensor) -> tuple[Tensor, Tensor]:
    counts = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)])
    share = counts.double() / counts.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(1)
    return mean, variance.sqrt()
