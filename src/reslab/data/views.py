"""Views of a photograph: the square images, or the whole ones, whose scores are averaged in a test.

center is the centre crop of `crops.test_crop`. ten_crop: the four corners and the centre of the
resized image, and their mirror images (Krizhevsky 2012, Sec. 4.1). multi_scale: the whole image,
resized so that its shorter side is 224, 256, 384, 480 and 640 (He 2015, Sec. 3.4), for nets that
end in an average over the image: their logits are then those of every place, averaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from reslab.config.data import Photographs
from reslab.data.crops import test_crop
from reslab.data.normalize import Normalization
from reslab.data.photographs import Pictures

View = Literal["center", "ten_crop", "multi_scale"]
Views = tuple[Tensor, ...]
"""An image's views, uint8 (n, 3, H, W) for each size that there is."""

SHORTER_SIDES = (224, 256, 384, 480, 640)
"""For nets trained on crops of 224 pixels; for others in proportion."""


def center(image: Tensor, photographs: Photographs) -> Views:
    """The centre crop of an image, uint8 (3, H, W)."""
    crop = test_crop(image, photographs)
    return (crop[None].clone(),)  # a view would be handed over with all that it is a part of


def ten_crop(image: Tensor, photographs: Photographs) -> Views:
    """Ten crops of an image, uint8 (3, H, W), in torchvision's order."""
    whole = functional.resize(image, [photographs.test_shorter_side])
    return (torch.stack(functional.ten_crop(whole, photographs.size)),)


def multi_scale(image: Tensor, photographs: Photographs) -> Views:
    """An image, uint8 (3, H, W), and its mirror image at each of `scales`, uncropped."""
    whole = (functional.resize(image, [side]) for side in scales(photographs))
    return tuple(torch.stack((one, functional.horizontal_flip(one))) for one in whole)


VIEWS: dict[View, Callable[[Tensor, Photographs], Views]] = {
    "center": center,
    "ten_crop": ten_crop,
    "multi_scale": multi_scale,
}


@dataclass(frozen=True)
class Seen:
    """The views of the images of some indices, for `workers.in_workers`."""

    pictures: Pictures
    views: View
    photographs: Photographs

    def __call__(self, indices: range) -> list[Views]:
        look = VIEWS[self.views]
        return [look(self.pictures.image(index), self.photographs) for index in indices]


def scales(photographs: Photographs) -> tuple[int, ...]:
    """The shorter sides of multi_scale, in pixels."""
    return tuple(round(side * photographs.size / 224) for side in SHORTER_SIDES)


def of_any_size(normalization: Normalization) -> Normalization:
    """With the mean colour in place of a mean image, which has the size of the crops alone."""
    mean = normalization.mean.mean((1, 2), keepdim=True)
    return Normalization(normalization.kind, mean, normalization.std)


def assumed(views: View, photographs: Photographs, normalization: Normalization) -> list[str]:
    """What is done where the papers leave it open, a sentence each."""
    if views == "center":
        return []
    lines = ["the softmax of the views is averaged (Krizhevsky 2012, Sec. 4.1)"]
    if views == "multi_scale":
        lines = [
            "logits are averaged over an image's places, the softmax over both flips and all "
            "scales (Simonyan 2015, Sec. 3.2 and 4.2; He 2015: the scores)"
        ]
        if photographs.size != 224:
            sides = ", ".join(map(str, scales(photographs)))
            lines.append(f"shorter sides {sides}: He 2015's in proportion to the crop's size")
        if normalization.mean[0].numel() > 1:
            lines.append("the mean colour is subtracted: the mean image has the crops' size")
    return lines
