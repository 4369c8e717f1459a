"""Views of a photograph: the square images, or the whole ones, whose scores are averaged in a test.

center is the centre crop of `crops.test_crop`, center_320 that of other sides (`config.views`), for
nets that end in an average over the image. ten_crop: the four corners and the centre of the
resized image, and their mirror images (Krizhevsky 2012, Sec. 4.1). multi_scale: the whole image,
resized so that its shorter side is 224, 256, 384, 480 and 640 (He 2015, Sec. 3.4), for such nets:
their logits are then those of every place, averaged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from reslab.config.data import Photographs
from reslab.config.views import center_sides
from reslab.data.normalize import Normalization
from reslab.data.photographs.crops import test_crop
from reslab.data.photographs.opened import Pictures

ImageViews = tuple[Tensor, ...]
"""An image's views, uint8 (n, 3, H, W) for each size that there is."""

SHORTER_SIDES = (224, 256, 384, 480, 640)
"""For nets trained on crops of 224 pixels; for others in proportion."""


def center(image: Tensor, photographs: Photographs) -> ImageViews:
    """The centre crop of an image, uint8 (3, H, W)."""
    crop = test_crop(image, photographs)
    return (crop[None].clone(),)  # a view would be handed over with all that it is a part of


def ten_crop(image: Tensor, photographs: Photographs) -> ImageViews:
    """Ten crops of an image, uint8 (3, H, W), in torchvision's order."""
    whole = functional.resize(image, [photographs.test_shorter_side])
    return (torch.stack(functional.ten_crop(whole, photographs.size)),)


def multi_scale(image: Tensor, photographs: Photographs) -> ImageViews:
    """An image, uint8 (3, H, W), and its mirror image at each of `scales`, uncropped."""
    whole = (functional.resize(image, [side]) for side in scales(photographs))
    return tuple(torch.stack((one, functional.horizontal_flip(one))) for one in whole)


VIEWS: dict[str, Callable[[Tensor, Photographs], ImageViews]] = {
    "center": center,
    "ten_crop": ten_crop,
    "multi_scale": multi_scale,
}


def look_of(views: str) -> Callable[[Tensor, Photographs], ImageViews]:
    """What makes an image's views of a word: one of `VIEWS`, or a centre crop of other sides."""
    return partial(_other_center, views=views) if center_sides(views) else VIEWS[views]


def _other_center(image: Tensor, photographs: Photographs, views: str) -> ImageViews:
    return center(image, other_sides(views, photographs))


def other_sides(views: str, photographs: Photographs) -> Photographs:
    """The crops of a test on views: those of the training but for the sides that the word says."""
    sides = center_sides(views)
    if sides is None:
        return photographs
    return photographs.model_copy(update={"size": sides[0], "test_shorter_side": sides[1]})


@dataclass(frozen=True)
class ViewsOf:
    """The views of the images of some indices, for `workers.in_workers`."""

    pictures: Pictures
    views: str

    def __call__(self, indices: range) -> list[ImageViews]:
        look = look_of(self.views)
        photographs = self.pictures.photographs
        return [look(self.pictures.image(index), photographs) for index in indices]


def scales(photographs: Photographs) -> tuple[int, ...]:
    """The shorter sides of multi_scale, in pixels."""
    return tuple(round(side * photographs.size / 224) for side in SHORTER_SIDES)


def of_any_size(normalization: Normalization) -> Normalization:
    """With the mean colour in place of a mean image, which has the size of the crops alone."""
    mean = normalization.mean.mean((1, 2), keepdim=True)
    return Normalization(normalization.kind, mean, normalization.std)


def largest_side(views: str, photographs: Photographs) -> int:
    """The shorter side of the largest of an image's views before they are cut out, in pixels."""
    if views == "multi_scale":
        return max(scales(photographs))
    return other_sides(views, photographs).test_shorter_side


def are_of_other_sizes(views: str, photographs: Photographs) -> bool:
    """Whether views have another size than the crops that the net was trained on."""
    return views == "multi_scale" or other_sides(views, photographs).size != photographs.size


def assumed(views: str, photographs: Photographs, normalization: Normalization) -> list[str]:
    """What is done where the papers leave it open, a sentence each."""
    lines = list(_averaged(views, photographs))
    if are_of_other_sizes(views, photographs) and normalization.mean[0].numel() > 1:
        lines.append("the mean colour is subtracted: the mean image has the crops' size")
    return lines


def _averaged(views: str, photographs: Photographs) -> Iterator[str]:
    if views == "ten_crop":
        yield "the softmax of the views is averaged (Krizhevsky 2012, Sec. 4.1)"
    if views == "multi_scale":
        yield (
            "logits are averaged over an image's places, the softmax over both flips and all "
            "scales (Simonyan 2015, Sec. 3.2 and 4.2; He 2015: the scores)"
        )
        if photographs.size != 224:
            sides = ", ".join(map(str, scales(photographs)))
            yield f"shorter sides {sides}: He 2015's in proportion to the crop's size"
