"""The augmentation of whole batches on the device that holds them.

He 2015 (Sec. 3.4, 4.2) subtracts the training images' mean image, pads with zeros, crops at random
and flips; torchvision's usual order pads first, with black. A recipe says which. Transforms that
draw by themselves, as mixup and cutmix, are torchvision's, with torch's generator seeded for each
image or step; torch does not promise that another version of it draws the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from reslab.config.recipe import Augmentation, ColorJitter
from reslab.data.normalize import Normalization
from reslab.data.order import Draws


def augmented(
    images: Tensor,
    draws: Draws[Tensor],
    augmentation: Augmentation,
    normalization: Normalization,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A training batch from images, uint8 (B, C, H, W), and what they draw; before it is mixed.

    Draws are int64, (B,) each, on the images' device, but `order.SEEDS`, which are read on the CPU.
    Padding after the normalisation is the mean colour, padding before it is black.
    """
    for name, transform in transforms(OF_PIXELS, augmentation):
        images = each_alone(images, getattr(draws, name), transform)
    if augmentation.rotation or augmentation.shear or augmentation.zoom:
        images = affine(images, draws, augmentation)
    # Bytes are moved faster than numbers; where nothing is padded the order makes a difference only
    # to a mean image.
    commutes = not augmentation.crop_padding and normalization.mean.shape[-1] == 1
    if augmentation.padding == "before_normalization" or commutes:
        images = normalization(_moved(images, draws, augmentation), dtype)
    else:
        images = _moved(normalization(images, dtype), draws, augmentation)
    if augmentation.cutout:
        images = cutout(images, draws.cut_y, draws.cut_x, augmentation.cutout)
    for name, transform in transforms(OF_NORMALIZED, augmentation):
        images = each_alone(images, getattr(draws, name), transform)
    return images


def _moved(images: Tensor, draws: Draws[Tensor], augmentation: Augmentation) -> Tensor:
    """Cropped and flipped, as far as the recipe asks for it."""
    padding = augmentation.crop_padding
    if not padding and not augmentation.flip:
        return images
    if not padding:
        places = torch.arange(len(images), device=images.device) + len(images) * draws.flip
        return torch.cat([images, images.flip(3)]).index_select(0, places)
    flip = draws.flip if augmentation.flip else torch.zeros_like(draws.flip)
    return crop_flip(images, draws.dy, draws.dx, flip, padding, augmentation.fill)


def crop_flip(
    images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int, fill: str = "zeros"
) -> Tensor:
    """Pad, crop back to the same size, and flip: images (B, C, H, W) of any dtype and device.

    Image b becomes the window of its padded self that begins at row dy[b], column dx[b], both in
    [0, 2·padding]; where flip[b] is true it is then mirrored left to right. (B,) each, integers.
    Padding is zeros, the outermost pixels, or the image mirrored at these (padding < H, W).
    """
    batch, channels, height, width = images.shape
    rows = dy[:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(batch, width)
    columns = dx[:, None] + torch.where(flip[:, None].bool(), width - 1 - columns, columns)
    if fill in FOLDS:
        padded, fold = images, FOLDS[fill]
        rows, columns = fold(rows - padding, height), fold(columns - padding, width)
    else:
        padded = pad(images, (padding,) * 4)
    window = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    window = window.view(batch, 1, -1).expand(batch, channels, height * width)
    return padded.flatten(2).gather(2, window).view_as(images)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places in (-size, 2·size - 1) folded into [0, size): -1 is 1, size is size - 2."""
    return size - 1 - (size - 1 - places.abs()).abs()


FOLDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "reflect": _mirrored,
    "edge": lambda places, size: places.clamp(0, size - 1),
}
"""By fill, which places of an image stand for those beyond it."""


def affine(images: Tensor, draws: Draws[Tensor], augmentation: Augmentation) -> Tensor:
    """Images, uint8 (B, C, H, W), rotated, sheared and zoomed about their centres, bilinearly.

    torchvision's affine of each image with its own angles and scale, of all at once.
    """
    angle = _between(draws.rotation, augmentation.rotation).deg2rad()
    lean = _between(draws.shear, augmentation.shear).deg2rad().tan()
    scale = 1 + _between(draws.zoom, augmentation.zoom)
    cos, sin = angle.cos(), angle.sin()
    # The inverse of rotation · scale · [[1, -lean], [0, 1]]: where a place's pixel comes from.
    inverse = [cos - sin * lean, sin + cos * lean, -sin, cos]
    xx, xy, yx, yy = ((part / scale).float()[:, None, None] for part in inverse)
    height, width = images.shape[2:]
    half_height, half_width = (max(side - 1, 1) / 2 for side in (height, width))
    y = (torch.arange(height, device=images.device) - (height - 1) / 2)[:, None]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    grid = [(xx * x + xy * y) / half_width, (yx * x + yy * y) / half_height]
    mode = SAMPLED[augmentation.fill]
    places = torch.stack(grid, -1)
    moved = grid_sample(images.float(), places, padding_mode=mode, align_corners=True)
    return moved.round().to(images.dtype)


SAMPLED = {"zeros": "zeros", "reflect": "reflection", "edge": "border"}
"""By fill, torch's name of it; with aligned corners what is mirrored does not repeat the border."""


def _between(words: Tensor, limit: float) -> Tensor:
    """Draws in [0, 2**32) as numbers in [-limit, limit), float64: cosines of slices of a batch are
    then, as float32, those of the batch."""
    return (words.double() / 2**31 - 1) * limit


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


Transform = Callable[[Tensor], Tensor]


def each_alone(images: Tensor, seeds: Tensor, transform: Transform) -> Tensor:
    """A transform of torchvision's that draws, of each image (B, C, H, W), from its own seed, (B,).

    Two operations of RandAugment on 32×32 pixels take about 0.6 ms on a CPU core, those of a batch
    of 128 80 ms. A GPU is no faster: each operation is several kernels on one small image.
    """

    def one(image: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        return transform(image)

    with generator_kept():
        return torch.stack([one(*pair) for pair in zip(images, seeds.tolist(), strict=True)])


def _v2() -> Any:
    from torchvision.transforms import v2  # a second

    return v2


Transforms = dict[str, Callable[[Augmentation], Transform]]


def _resized_crop(least: float) -> Transform:
    """A rectangle of at least this part of an image's area, at the image's size."""

    def cropped(image: Tensor) -> Tensor:
        crop = _v2().RandomResizedCrop(image.shape[-2:], scale=(least, 1.0), antialias=True)
        found: Tensor = crop(image)
        return found

    return cropped


def _color_jitter(jitter: ColorJitter) -> Transform:
    strengths = dict(jitter)
    probability = strengths.pop("probability")
    change: Transform = _v2().ColorJitter(**strengths)
    # One that is always done draws nothing of whether it is.
    return change if probability == 1 else _v2().RandomApply([change], probability)


OF_PIXELS: Transforms = {
    "resized_crop": lambda a: _resized_crop(a.resized_crop),
    "randaugment": lambda a: _v2().RandAugment(a.randaugment, a.randaugment_magnitude),
    "trivial_augment": lambda a: _v2().TrivialAugmentWide(),
    "color_jitter": lambda a: _color_jitter(a.color_jitter),
    "grayscale": lambda a: _v2().RandomGrayscale(a.grayscale),
}
OF_NORMALIZED: Transforms = {"erasing": lambda a: _v2().RandomErasing(a.erasing)}
"""torchvision's that draw by themselves, by the field of the recipe and the column of seeds."""


def transforms(table: Transforms, augmentation: Augmentation) -> Iterator[tuple[str, Transform]]:
    """Those of a table that a recipe asks for, with their names: whose field is not off."""
    for name, make in table.items():
        if getattr(augmentation, name) != Augmentation.model_fields[name].default:
            yield name, make(augmentation)


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
