"""Normalisation, and the augmentation of whole batches on the device that holds them.

He 2015 (Sec. 3.4, 4.2) subtracts the training images' mean image, pads with zeros, crops at random
and flips; torchvision's usual order pads first, with black. A recipe says which. Sums are over
integers small enough to be exact, so a fit does not depend on the number of threads. RandAugment,
mixup and cutmix are torchvision's, with torch's generator seeded for each image or step; torch does
not promise that another version of it draws the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, TypedDict, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from reslab.config.schema import Augmentation, Normalizing
from reslab.errors import UserError

Kind = Normalizing
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

        `Recipe.normalization` says what each kind is; standard deviations divide by the number of
        values n, those of single images by n - 1. imagenet and none do not look at the values.
        """
        parts = [measured(kind, part) for part in torch.split(images, 1000)]
        return cls.of(kind, reduce(Measured.__add__, parts))

    @classmethod
    def of(cls, kind: Kind, images: "Measured") -> "Normalization":
        """The normalisation for training images that were measured, perhaps in parts."""
        mean, std = FITS[kind].moments(images)
        return cls(kind, mean.float(), std.float())

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


class Draws(NamedTuple):
    """What each image of a batch draws, (B,) each, int64, on the images' device; see `order.Rows`.

    `randaugment` may be anywhere: it is read on the CPU.
    """

    dy: Tensor
    dx: Tensor
    flip: Tensor
    cut_y: Tensor
    cut_x: Tensor
    randaugment: Tensor


def augmented(
    images: Tensor,
    draws: Draws,
    augmentation: Augmentation,
    normalization: Normalization,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A training batch from images, uint8 (B, C, H, W), and what they draw; before it is mixed.

    Padding after the normalisation is the mean colour, padding before it is black.
    """
    if augmentation.randaugment:
        images = randaugment(images, draws.randaugment, augmentation)
    # Bytes are moved faster than numbers; where nothing is padded the order makes a difference only
    # to a mean image.
    commutes = not augmentation.crop_padding and normalization.mean.shape[-1] == 1
    if augmentation.padding == "before_normalization" or commutes:
        images = normalization(_moved(images, draws, augmentation), dtype)
    else:
        images = _moved(normalization(images, dtype), draws, augmentation)
    if augmentation.cutout:
        images = cutout(images, draws.cut_y, draws.cut_x, augmentation.cutout)
    return images


def _moved(images: Tensor, draws: Draws, augmentation: Augmentation) -> Tensor:
    """Cropped and flipped, as far as the recipe asks for it."""
    padding = augmentation.crop_padding
    if not padding and not augmentation.flip:
        return images
    if not padding:
        places = torch.arange(len(images), device=images.device) + len(images) * draws.flip
        return torch.cat([images, images.flip(3)]).index_select(0, places)
    flip = draws.flip if augmentation.flip else torch.zeros_like(draws.flip)
    return crop_flip(images, draws.dy, draws.dx, flip, padding, augmentation.fill == "reflect")


def crop_flip(
    images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int, reflect: bool = False
) -> Tensor:
    """Pad, crop back to the same size, and flip: images (B, C, H, W) of any dtype and device.

    Image b becomes the window of its padded self that begins at row dy[b], column dx[b], both in
    [0, 2·padding]; where flip[b] is true it is then mirrored left to right. (B,) each, integers.
    Padding is zeros, or the image mirrored at its outermost pixels (padding < H, W).
    """
    batch, channels, height, width = images.shape
    rows = dy[:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(batch, width)
    columns = dx[:, None] + torch.where(flip[:, None].bool(), width - 1 - columns, columns)
    if reflect:
        padded = images
        rows, columns = _mirrored(rows - padding, height), _mirrored(columns - padding, width)
    else:
        padded = pad(images, (padding,) * 4)
    window = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    window = window.view(batch, 1, -1).expand(batch, channels, height * width)
    return padded.flatten(2).gather(2, window).view_as(images)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places in (-size, 2·size - 1) folded into [0, size): -1 is 1, size is size - 2."""
    return size - 1 - (size - 1 - places.abs()).abs()


def cutout(images: Tensor, cut_y: Tensor, cut_x: Tensor, side: int) -> Tensor:
    """Zero a square of each image (B, C, H, W): DeVries & Taylor 2017, and the authors' code.

    Its centre is row H·cut_y / 2**32, column W·cut_x / 2**32, rounded down; it has side // 2 pixels
    before the centre and reaches over the border, where it is cut off.
    """

    def is_cut(draws: Tensor, size: int) -> Tensor:
        first = (draws * size >> 32) - side // 2
        places = torch.arange(size, device=images.device) - first[:, None]
        return (places >= 0) & (places < side)

    height, width = images.shape[2:]
    box = is_cut(cut_y, height)[:, None, :, None] & is_cut(cut_x, width)[:, None, None, :]
    return images.masked_fill(box, 0)


def randaugment(images: Tensor, seeds: Tensor, augmentation: Augmentation) -> Tensor:
    """torchvision's RandAugment of each image, uint8 (B, 1 or 3, H, W), from its own seed, (B,).

    One image at a time: two operations on 32×32 pixels take about 0.6 ms on a CPU core, those of a
    batch of 128 80 ms. A GPU is no faster: each operation is several kernels on one small image.
    """
    from torchvision.transforms.v2 import RandAugment

    apply = RandAugment(augmentation.randaugment, augmentation.randaugment_magnitude)

    def one(image: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        done: Tensor = apply(image)
        return done

    with generator_kept():
        return torch.stack([one(*pair) for pair in zip(images, seeds.tolist(), strict=True)])


def mixed(
    images: Tensor, targets: Tensor, classes: int, seed: int, augmentation: Augmentation
) -> tuple[Tensor, Tensor]:
    """A batch mixed by torchvision's MixUp or CutMix: each image with the one before it.

    images (1 + b, C, H, W) and targets (1 + b,) begin with the first one's partner, which is not
    returned. Returns images (b, C, H, W) and the classes' probabilities (b, classes), both in the
    images' dtype. `seed` alone draws λ and the box: slices of a batch are mixed as the whole.
    """
    from torchvision.transforms.v2 import CutMix, MixUp, RandomChoice

    kinds = {MixUp: augmentation.mixup, CutMix: augmentation.cutmix}
    mix = [kind(alpha=alpha, num_classes=classes) for kind, alpha in kinds.items() if alpha]
    with generator_kept():
        torch.default_generator.manual_seed(seed)
        images, probabilities = RandomChoice(mix)(images, targets)
    return images[1:], probabilities[1:].to(images.dtype)


@contextmanager
def generator_kept() -> Iterator[None]:
    """Leave torch's CPU generator as it was."""
    state = torch.default_generator.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a kind of normalisation follows from, of images, uint8 (N, C, H, W).

    All but the deviations are whole numbers, so that sums over parts of the images are exact.
    """

    shape: tuple[int, ...]
    of: dict[str, Tensor]

    def __add__(self, after: "Measured") -> "Measured":
        """Of these images and of those after them."""
        join = {name: torch.cat if name == "deviations" else _sum for name in self.of}
        both = {name: join[name]([value, after.of[name]]) for name, value in self.of.items()}
        return Measured((self.shape[0] + after.shape[0], *self.shape[1:]), both)


def measured(kind: Kind, images: Tensor) -> Measured:
    """What `Normalization.of` needs to know of at most 1,000 images, uint8 (N, C, H, W)."""
    return Measured(
        tuple(images.shape), {name: MEASURES[name](images) for name in FITS[kind].measures}
    )


def _sum(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum(0)


def _counts(images: Tensor) -> Tensor:
    """How often each value occurs in each channel, (C, 256)."""
    return torch.stack([torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)])


def _sums(images: Tensor) -> Tensor:
    """Sum of the images, (C, H, W), float64."""
    # 1,000 · 255 < 2**24: the float32 sum is exact, and faster than an integer sum.
    return images.float().sum(0).double()


def _deviations(images: Tensor) -> Tensor:
    """Square root of n Σx² - (Σx)² over the n pixels of each image and channel, (N, C), float64."""
    values = images.flatten(2).long()
    sums, squares = values.sum(2), (values**2).sum(2)
    return (values.shape[2] * squares - sums**2).double().sqrt()


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    "counts": _counts,
    "sums": _sums,
    "deviations": _deviations,
}


class Fit(NamedTuple):
    """How a kind of normalisation follows from what is measured of the training images."""

    measures: tuple[str, ...]
    moments: Callable[[Measured], tuple[Tensor, Tensor]]
    """Mean and standard deviation of pixels / 255, which broadcast to (C, H, W)."""


def _channel(images: Measured) -> tuple[Tensor, Tensor]:
    mean, variance = _moments(images.of["counts"])
    return mean.view(-1, 1, 1), variance.sqrt().view(-1, 1, 1)


def _channel_mean(images: Measured) -> tuple[Tensor, Tensor]:
    return _channel(images)[0], _ones(images)


def _channel_image_std(images: Measured) -> tuple[Tensor, Tensor]:
    pixels = images.shape[2] * images.shape[3]
    # numpy adds in one order, whatever the number of threads.
    deviations = (images.of["deviations"] / 255).numpy(force=True)
    mean = torch.from_numpy(np.mean(deviations, axis=0))
    std = mean / (pixels * (pixels - 1)) ** 0.5  # an image's with n - 1: torch's default
    return _channel(images)[0], std.view(-1, 1, 1)


def _pixel_mean(images: Measured) -> tuple[Tensor, Tensor]:
    return images.of["sums"] / images.shape[0] / 255, _ones(images)


def _pixel_mean_global_std(images: Measured) -> tuple[Tensor, Tensor]:
    _, variance = _moments(images.of["counts"].sum(0, keepdim=True))
    channels = images.shape[1]
    return _pixel_mean(images)[0], variance.sqrt().view(1, 1, 1).expand(channels, 1, 1)


def _imagenet(images: Measured) -> tuple[Tensor, Tensor]:
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return mean.view(-1, 1, 1), std.view(-1, 1, 1)


def _none(images: Measured) -> tuple[Tensor, Tensor]:
    return torch.zeros(images.shape[1], 1, 1), _ones(images)


FITS: dict[str, Fit] = {
    "pixel_mean": Fit(("sums",), _pixel_mean),
    "pixel_mean_global_std": Fit(("sums", "counts"), _pixel_mean_global_std),
    "channel": Fit(("counts",), _channel),
    "channel_mean": Fit(("counts",), _channel_mean),
    "channel_image_std": Fit(("counts", "deviations"), _channel_image_std),
    "imagenet": Fit((), _imagenet),
    "none": Fit((), _none),
}


def _ones(images: Measured) -> Tensor:
    return torch.ones(images.shape[1], 1, 1)


def _moments(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of pixels / 255 from their counts (…, 256)."""
    share = counts.double() / counts.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    return mean, (share * (values - mean[:, None]) ** 2).sum(1)
