"""Normalisation of pixels: what is measured of the training images, and what it does to a batch.

Sums are over integers small enough to be exact, so a fit does not depend on the number of threads;
that of `gcn_zca`, sums of real numbers, may in its last bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, NotRequired, TypedDict, get_args

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from reslab.config.recipe import IMAGENET, Normalizing
from reslab.errors import UserError
from reslab.text import quoted

GIVEN = "given"
"""The kind of one that was not measured here, but said in numbers."""


class NormalizationState(TypedDict):
    """What a checkpoint holds of a normalisation."""

    kind: str
    mean: Tensor
    std: Tensor
    whitening: NotRequired[Tensor]


@dataclass(frozen=True, eq=False)
class Normalization:
    """(pixels / 255 - mean) / std; mean and std are float32 and broadcast to (C, H, W).

    With a `whitening` matrix W, float32 (C·H·W, C·H·W): (x - mean) W, where x is an image after
    `contrast_normalized`, as a row.
    """

    kind: str
    mean: Tensor
    std: Tensor
    whitening: Tensor | None = None

    @classmethod
    def fit(cls, kind: Normalizing, images: Tensor) -> "Normalization":
        """The normalisation for training images, uint8 (N, C, H, W); computed in float64.

        `Recipe.normalization` says what each kind is; standard deviations divide by the number of
        values n, those of single images by n - 1. imagenet and none do not look at the values.
        """
        parts = tqdm(
            torch.split(images, 1000), f"fitting {kind}", unit="part", disable=None, delay=2
        )
        return cls.of(kind, reduce(Measured.__add__, (measured(kind, part) for part in parts)))

    @classmethod
    def of(cls, kind: Normalizing, images: "Measured") -> "Normalization":
        """The normalisation for training images that were measured, perhaps in parts."""
        fit = FITS[kind]
        mean, std = fit.moments(images)
        whitening = fit.whitening(images).float() if fit.whitening else None
        return cls(kind, mean.float(), std.float(), whitening)

    @classmethod
    def from_state(cls, state: NormalizationState) -> "Normalization":
        """The normalisation that `state()` described; `UserError` for unknown kinds and lacks."""
        if state["kind"] not in (*get_args(Normalizing), GIVEN):
            raise UserError(
                f"the normalization in the weights is {quoted(state['kind'])}; expected "
                f"{', '.join(get_args(Normalizing))}"
            )
        if state["kind"] == "gcn_zca" and "whitening" not in state:
            raise UserError("the normalization in the weights is 'gcn_zca' without its whitening")
        return cls(**state)

    @classmethod
    def given(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalization":
        """With these numbers of pixels / 255, one per channel."""
        moments = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (mean, std))
        return cls(GIVEN, *moments)

    def refuse_unfit(self, shape: tuple[int, int, int]) -> None:
        """`UserError` where it cannot normalise images of a shape (C, H, W), or makes them NaN."""
        pixels = math.prod(shape)
        for name, tensor, most in (
            ("mean", self.mean, shape),
            ("std", self.std, shape),
            ("whitening", self.whitening, (pixels, pixels)),
        ):
            if tensor is None:
                continue
            sides = tuple(tensor.shape)
            least = 1 if name != "whitening" else pixels
            if len(sides) != len(most) or any(
                side not in (least, whole) for side, whole in zip(sides, most, strict=True)
            ):
                found, wanted = ("×".join(map(str, one)) or "a scalar" for one in (sides, shape))
                raise UserError(f"the normalization's {name} is {found}; the images are {wanted}")
            if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
                raise UserError(f"the normalization's {name} is not all finite numbers in float32")
        if bool((self.std <= 0).any()):
            raise UserError("the normalization's std is not above 0 everywhere")

    def state(self) -> NormalizationState:
        """A plain dict of a string and tensors, on the CPU, for a checkpoint."""
        state: NormalizationState = {
            "kind": self.kind,
            "mean": self.mean.cpu(),
            "std": self.std.cpu(),
        }
        return state if self.whitening is None else {**state, "whitening": self.whitening.cpu()}

    def to(self, device: torch.device | str) -> "Normalization":
        """This normalisation on a device."""
        whitening = None if self.whitening is None else self.whitening.to(device)
        return Normalization(self.kind, self.mean.to(device), self.std.to(device), whitening)

    def __call__(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Images, uint8 (B, C, H, W), normalised in `dtype`."""
        if self.whitening is None:
            return images.to(dtype).div_(255).sub_(self.mean).div_(self.std)
        centred = contrast_normalized(images.to(dtype)).sub_(self.mean)
        return (centred.flatten(1) @ self.whitening.to(dtype)).view_as(centred)


def contrast_normalized(images: Tensor) -> Tensor:
    """Images, floating (B, C, H, W), minus each one's mean, scaled to a Euclidean norm of 55.

    pylearn2's `gcn=55.`, with which its CIFAR data were whitened; an even image becomes 0.
    """
    centred = images - images.mean((1, 2, 3), keepdim=True)
    norms = centred.flatten(1).norm(dim=1).div(55).view(-1, 1, 1, 1)
    scaled: Tensor = centred / norms.where(norms >= 1e-8, 1)
    return scaled


Normalizer = Normalizing | Normalization
"""A fitted normalisation, or the kind that is to be fitted on the training images."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a kind of normalisation follows from, of images, uint8 (N, C, H, W).

    Counts and sums are whole numbers, so that adding those of parts of the images is exact.
    """

    shape: tuple[int, ...]
    of: dict[str, Tensor]

    def __add__(self, after: "Measured") -> "Measured":
        """Of these images and of those after them."""
        pairs = {name: (value, after.of[name]) for name, value in self.of.items()}
        both = {n: torch.cat(p) if n == "deviations" else p[0] + p[1] for n, p in pairs.items()}
        return Measured((self.shape[0] + after.shape[0], *self.shape[1:]), both)


def measured(kind: Normalizing, images: Tensor) -> Measured:
    """What `Normalization.of` needs to know of at most 1,000 images, uint8 (N, C, H, W)."""
    return Measured(
        tuple(images.shape), {name: MEASURES[name](images) for name in FITS[kind].measures}
    )


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


def _contrasts(images: Tensor) -> Tensor:
    return contrast_normalized(images.double())


def _contrast_sums(images: Tensor) -> Tensor:
    """Sum of the images after `contrast_normalized`, (C, H, W), float64."""
    return _contrasts(images).sum(0)


def _contrast_products(images: Tensor) -> Tensor:
    """Sum of their products of two pixels, (C·H·W, C·H·W), float64."""
    rows = _contrasts(images).flatten(1)
    return rows.T @ rows


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    "counts": _counts,
    "sums": _sums,
    "deviations": _deviations,
    "contrast_sums": _contrast_sums,
    "contrast_products": _contrast_products,
}


class Fit(NamedTuple):
    """How a kind of normalisation follows from what is measured of the training images."""

    measures: tuple[str, ...]
    moments: Callable[[Measured], tuple[Tensor, Tensor]]
    """Mean and standard deviation of pixels / 255, which broadcast to (C, H, W)."""
    whitening: Callable[[Measured], Tensor] | None = None


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


def _contrast_mean(images: Measured) -> tuple[Tensor, Tensor]:
    return images.of["contrast_sums"] / images.shape[0], _ones(images)


ZCA_BIAS = 0.1
"""What pylearn2 adds to the variances before it divides by their square roots."""


def _zca(images: Measured) -> Tensor:
    """V (Λ + bias)^-½ Vᵀ of the covariance V Λ Vᵀ (Bell & Sejnowski 1997; pylearn2's ZCA)."""
    mean = _contrast_mean(images)[0].flatten()
    covariance = images.of["contrast_products"] / images.shape[0] - mean[:, None] * mean
    variances, directions = torch.linalg.eigh(covariance)
    whitening: Tensor = (directions * (variances + ZCA_BIAS).rsqrt()) @ directions.T
    return whitening


def _imagenet(images: Measured) -> tuple[Tensor, Tensor]:
    mean, std = map(torch.tensor, IMAGENET)
    return mean.view(-1, 1, 1), std.view(-1, 1, 1)


def _none(images: Measured) -> tuple[Tensor, Tensor]:
    return torch.zeros(images.shape[1], 1, 1), _ones(images)


FITS: dict[str, Fit] = {
    "pixel_mean": Fit(("sums",), _pixel_mean),
    "pixel_mean_global_std": Fit(("sums", "counts"), _pixel_mean_global_std),
    "channel": Fit(("counts",), _channel),
    "channel_mean": Fit(("counts",), _channel_mean),
    "channel_image_std": Fit(("counts", "deviations"), _channel_image_std),
    "gcn_zca": Fit(("contrast_sums", "contrast_products"), _contrast_mean, _zca),
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
