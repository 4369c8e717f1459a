"""The augmentation of whole batches on the device that holds them.

He 2015 (Sec. 3.4, 4.2) subtracts the training images' mean image, pads with zeros, crops at random
and flips; torchvision's usual order pads first, with black. A recipe says which. RandAugment, mixup
and cutmix are torchvision's, with torch's generator seeded for each image or step; torch does not
promise that another version of it draws the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import pad

from reslab.config.recipe import Augmentation
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


def _moved(images: Tensor, draws: Draws[Tensor], augmentation: Augmentation) -> Tensor:
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
