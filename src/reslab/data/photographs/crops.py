"""Photographs of any size to square inputs: the crops of training and of evaluation.

All on uint8, with torchvision's transforms (v2); resizing is bilinear with antialiasing. What a
training crop draws comes from one seed, hence from (run's seed, epoch, example), whichever process
computes it. torch does not promise that another version of it draws the same.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torchvision.transforms.v2 import ColorJitter, RandomCrop, RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from reslab.config.data import Photographs
from reslab.data.augment import generator_kept

PRINCIPAL_VALUES = (0.2175, 0.0188, 0.0045)
PRINCIPAL_COMPONENTS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
"""Of the colours of ImageNet's pixels / 255: the scale of each principal component and, by column,
its direction in (red, green, blue). Krizhevsky 2012 prints none; these are fb.resnet.torch's."""


def train_crop(image: Tensor, photographs: Photographs, seed: int) -> Tensor:
    """A random crop of an image, uint8 (3, H, W), as uint8 (3, size, size).

    `seed` is any 64-bit number whose low 32 bits are random: torch's CPU generator reads no others.
    """
    with generator_kept():
        torch.default_generator.manual_seed(seed)
        crop = CROPS[photographs.crop](image, photographs)
        if photographs.jitter:
            crop = _jitter(photographs.jitter)(crop)
        if photographs.pca:
            crop = _shift_colour(crop, photographs.pca)
    return crop


def test_crop(image: Tensor, photographs: Photographs) -> Tensor:
    """The centre of an image, uint8 (3, H, W), after its shorter side became `test_shorter_side`.

    Returns uint8 (3, size, size).
    """
    resized = _resized(image, [photographs.test_shorter_side])
    centre: Tensor = F.center_crop(resized, [photographs.size])
    return centre


def _scale(image: Tensor, photographs: Photographs) -> Tensor:
    low, high = photographs.shorter_side
    shorter_side = int(torch.randint(low, high + 1, ()))
    crop: Tensor = RandomCrop(photographs.size)(_resized(image, [shorter_side]))
    return crop


def _area(image: Tensor, photographs: Photographs) -> Tensor:
    draw = _resized_crop(photographs.size, photographs.area, photographs.aspect_ratio)
    box = draw.make_params([image])  # without what the transform does for inputs of other kinds
    return _resized(F.crop(image, **box), [photographs.size, photographs.size])


CROPS: dict[str, Callable[[Tensor, Photographs], Tensor]] = {
    "scale": _scale,
    "area": _area,
    "center": test_crop,
}


def _resized(image: Tensor, size: list[int]) -> Tensor:
    """torchvision's resize, in the memory format that it is fastest with on a CPU."""
    interleaved = image[None].contiguous(memory_format=torch.channels_last)
    resized: Tensor = F.resize(interleaved, size)[0]
    return resized


@cache
def _resized_crop(
    size: int, area: tuple[float, float], aspect_ratio: tuple[float, float]
) -> RandomResizedCrop:
    return RandomResizedCrop(size, area, aspect_ratio)


@cache
def _jitter(strength: float) -> ColorJitter:
    return ColorJitter(strength, strength, strength)


def _shift_colour(image: Tensor, deviation: float) -> Tensor:
    """Krizhevsky 2012, Sec. 4.1: one colour is added to all pixels; rounded, and cut to 0 … 255."""
    factors = deviation * torch.randn(3) * torch.tensor(PRINCIPAL_VALUES)
    shift = 255 * torch.tensor(PRINCIPAL_COMPONENTS) @ factors
    return (image + shift[:, None, None]).round().clamp(0, 255).to(torch.uint8)
