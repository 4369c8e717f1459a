"""The augmentation of whole batches on the device that holds them.

He 2015 (Sec. 3.4, 4.2) subtracts the training images' mean image, pads with zeros, crops at random
and flips; torchvision's usual order pads first, with black. A recipe says which. Transforms that
draw by themselves, as mixup and cutmix, are torchvision's, with torch's generator seeded for each
image or step; torch does not promise that another version of it draws the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from reslab.config.recipe import Augmentation, ColorJitter
from reslab.data.normalize import Normalization
from reslab.data.order import Draws

Stage = Callable[[Tensor, Draws], Tensor]
"""From images (B, C, H, W) and what they draw to changed images.

Draws are those of `columns_read`, on the images' device, but `order.SEEDS`, which are read on the
CPU.
"""


def stages(
    augmentation: Augmentation, normalization: Normalization, dtype: torch.dtype = torch.float32
) -> tuple[Stage, ...]:
    """What becomes of images, uint8 (B, C, H, W), until they are a training batch in `dtype` that
    is not mixed yet, one stage after another.

    Padding after the normalisation is the mean colour, padding before it is black.
    """

    def normalized(images: Tensor, draws: Draws) -> Tensor:
        return normalization(images, dtype)

    moves = _moves(augmentation)
    zeros = augmentation.crop_padding and augmentation.fill == "zeros"
    is_even = normalization.mean.shape[-1] == 1
    # Bytes as long as that is the same: they are moved faster than numbers.
    of_bytes = augmentation.padding == "before_normalization" or (is_even and not zeros)
    return (
        *_seeded(OF_PIXELS, augmentation),
        *_turns(augmentation),
        *((*moves, normalized) if of_bytes else (normalized, *moves)),
        *_cuts(augmentation),
        *_seeded(OF_NORMALIZED, augmentation),
    )


def _turns(augmentation: Augmentation) -> Iterator[Stage]:
    if augmentation.rotation or augmentation.shear or augmentation.zoom:
        yield partial(affine, augmentation=augmentation)


def _moves(augmentation: Augmentation) -> Iterator[Stage]:
    padding, fill = augmentation.crop_padding, augmentation.fill
    if padding:
        yield lambda images, draws: cropped(images, draws["dy"], draws["dx"], padding, fill)
    if augmentation.flip:
        yield lambda images, draws: flipped(images, draws["flip"])


def _cuts(augmentation: Augmentation) -> Iterator[Stage]:
    if side := augmentation.cutout:
        yield lambda images, draws: cutout(images, draws["cut_y"], draws["cut_x"], side)


def flipped(images: Tensor, flip: Tensor) -> Tensor:
    """Images (N, C, H, W), image n mirrored left to right where flip[n], integers, is 1."""
    count = len(images)
    places = torch.arange(count, device=images.device).add_(flip, alpha=count)
    # A CPU copies whole images faster than it chooses between pixels.
    return torch.cat([images, images.flip(3)]).index_select(0, places)


def cropped(images: Tensor, dy: Tensor, dx: Tensor, padding: int, fill: str = "zeros") -> Tensor:
    """Pad images (N, C, H, W) of any dtype and device, and crop them back to the same size.

    Of the padded image n the window that begins at row dy[n], column dx[n], (N,) integers in
    [0, 2·padding]. `FILLS` says what padding is.
    """
    count, channels, height, width = images.shape
    padded = padded_by(padding, images, fill)
    stride = padded.shape[3]
    area = padded.shape[2] * stride
    size = channels * area
    # All windows that there are, by the pixel they begin at, of which a batch's are copied: a CPU
    # takes a fifth of the time of a gather, which has an index for every pixel.
    last = count * size - (channels - 1) * area - (height - 1) * stride - width
    windows = padded.as_strided((last + 1, channels, height, width), (1, area, stride, 1))
    begins = torch.arange(0, count * size, size, device=images.device)
    return windows.index_select(0, begins.add_(dx).add_(dy, alpha=stride))


def padded_by(padding: int, images: Tensor, fill: str) -> Tensor:
    """Images (N, C, H, W) with so many pixels more on every side, which `FILLS` says of a fill.

    To be mirrored they need more pixels than that themselves, on every side.
    """
    # torch's CUDA kernels mirror and repeat floating numbers alone.
    floating = images.half() if images.is_cuda and images.dtype == torch.uint8 else images
    return pad(floating, (padding,) * 4, mode=FILLS[fill]).to(images.dtype)


FILLS = {"zeros": "constant", "reflect": "reflect", "edge": "replicate"}
"""By fill, torch's word: zeros, the image mirrored at its outermost pixels, these repeated."""


def affine(images: Tensor, draws: Draws, augmentation: Augmentation) -> Tensor:
    """Images, uint8 (B, C, H, W), rotated, sheared and zoomed about their centres, bilinearly.

    torchvision's affine of each image with its own angles and scale, of all at once.
    """
    angle = _between(draws["rotation"], augmentation.rotation).deg2rad()
    lean = _between(draws["shear"], augmentation.shear).deg2rad().tan()
    scale = 1 + _between(draws["zoom"], augmentation.zoom)
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


def _seeded(table: Transforms, augmentation: Augmentation) -> Iterator[Stage]:
    """Those of a table that a recipe asks for: whose field is not off."""
    for name, make in table.items():
        if is_asked(name, augmentation):
            yield partial(_by_seeds, name=name, transform=make(augmentation))


def _by_seeds(images: Tensor, draws: Draws, name: str, transform: Transform) -> Tensor:
    return each_alone(images, draws[name], transform)


TURNS = ("rotation", "shear", "zoom")
COLUMNS: dict[str, tuple[str, ...]] = {
    "crop_padding": ("dy", "dx"),
    "flip": ("flip",),
    "cutout": ("cut_y", "cut_x"),
    **dict.fromkeys(TURNS, TURNS),
    **{name: (name,) for name in (*OF_PIXELS, *OF_NORMALIZED)},
}
"""By field of the recipe, the columns of `order.bounds` that are read where it is not off."""


def columns_read(augmentation: Augmentation) -> tuple[str, ...]:
    """The columns of an epoch's table that a batch is augmented by."""
    asked = (columns for field, columns in COLUMNS.items() if is_asked(field, augmentation))
    return tuple(dict.fromkeys(chain.from_iterable(asked)))


def is_asked(field: str, augmentation: Augmentation) -> bool:
    """Whether a field of the recipe is not off."""
    found: bool = getattr(augmentation, field) != OFF[field]
    return found


OFF = {name: field.default for name, field in Augmentation.model_fields.items()}


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
