"""Image files to pixels: JPEG, PNG, WebP (not animated) and GIF (its first frame) by torchvision,
BMP and TIFF (its first page) by Pillow.

The content is looked at, never the name, and truncated files are refused. Everything becomes 8-bit
RGB: grey is repeated, palettes are looked up, alpha is dropped, CMYK is converted as the library
does it, 16 bits are divided by 256. The orientation that a camera has noted is applied to JPEG, PNG
and TIFF; torchvision reads none from WebP. What a file declares is bounded before memory is taken.
"""

import io
import re
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import BmpImagePlugin, Image, ImageOps, TiffImagePlugin
from torch import Tensor

from reslab.data.photographs.headers import (
    declared_pixels,
    end_of_first_image,
    foreign_format_of,
    format_of,
)
from reslab.errors import UserError

MOST_BYTES = 2**29
"""Of a file."""
MOST_PIXELS = 2**27
"""Of an image: 0.4 GB in RGB, a third more than the largest cameras' of medium format."""
MOST_RATIO = 300
"""Of the longer side to the shorter: an image whose shorter side is enlarged to 640 pixels then
still has no more than `MOST_PIXELS`."""


class Undecodable(Exception):
    """A file that is no image in a format that is read here; its text says why."""


def decode(path: Path) -> Tensor:
    """The image in a file, uint8 (3, H, W). Raises `Undecodable`, also for a link to nowhere.

    `UserError` for a file that cannot be read: whether it is an image is then not known.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise Undecodable("no file with a content of its own")
        if about.st_size > MOST_BYTES:
            raise Undecodable(f"{about.st_size:,} bytes; at most {MOST_BYTES:,} are read")
        content = np.fromfile(path, np.uint8)
    except FileNotFoundError as error:
        raise Undecodable(str(error.strerror)) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    return decode_bytes(torch.from_numpy(content))


def decode_bytes(content: Tensor) -> Tensor:
    """The image in the content of a file, uint8 (bytes,), as uint8 (3, H, W). Raises `Undecodable`.

    The pixels of a result lie channels last in memory.
    """
    if not len(content):
        raise Undecodable("the file is empty")
    view = content.numpy().data
    kind = format_of(view)
    if kind in BY_PILLOW:
        return _by_pillow(view, BY_PILLOW[kind])
    if kind is None:
        found = foreign_format_of(view)
        raise Undecodable(f"{found}, which is not read; {REMEDY}" if found else f"{NONE}; {REMEDY}")
    declared = declared_pixels(kind, view)
    if declared is None:
        raise Undecodable(f"the header of the {kind} is damaged or cut off")
    _refuse_size(*declared)
    if kind == "GIF":
        content = _first_frame(content, end_of_first_image(view))
    return _by_torchvision(content)


NONE = "neither JPEG, PNG, WebP, GIF, BMP nor TIFF"
REMEDY = "convert it to PNG, or put it away"


def _refuse_size(width: int, height: int) -> None:
    """Refuse, before memory is taken, what is too large, or would be once it is resized."""
    sides = f"{width:,} × {height:,} pixels"
    if not (width and height):
        raise Undecodable(f"an image of {sides}")
    if width * height > MOST_PIXELS:
        raise Undecodable(f"{sides}; at most {MOST_PIXELS // 10**6} million are read")
    if max(width, height) > MOST_RATIO * min(width, height):
        raise Undecodable(f"{sides}; one side is more than {MOST_RATIO} times the other")


# ---- by torchvision ------------------------------------------------------------------------------


def _by_torchvision(content: Tensor) -> Tensor:
    from torchvision.io import decode_image

    try:
        image: Tensor = decode_image(content, "RGB", apply_exif_orientation=True)
    except RuntimeError as error:
        raise Undecodable(_reason(error)) from None
    if image.dim() == 4:
        image = image[0]
    return _upper_bytes(image) if image.dtype == torch.uint16 else image


def _first_frame(content: Tensor, end: int) -> Tensor:
    """A GIF without what follows its first frame: torchvision would decode all of them."""
    if end >= len(content) - 1:
        return content
    return torch.cat([content[:end], torch.tensor([0x3B], dtype=torch.uint8)])


def _upper_bytes(image: Tensor) -> Tensor:
    """Of 16 bits the upper 8; torch shifts no uint16."""
    both = image.permute(1, 2, 0).contiguous().view(torch.uint8)
    upper = both[..., int(sys.byteorder == "little") :: 2]
    return upper.contiguous().permute(2, 0, 1)


def _reason(error: RuntimeError) -> str:
    """What torchvision says, without the place in its C++ and the trace."""
    told = str(error).splitlines()[0]
    return re.sub(r"^.*\.cpp:\d+, ", "", told).strip(" .")


# ---- by Pillow -----------------------------------------------------------------------------------

PillowReader = Callable[[io.BytesIO], Image.Image]

BY_PILLOW: dict[str | None, PillowReader] = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}


def _by_pillow(content: memoryview, reader: PillowReader) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damage that does not matter
            image = reader(io.BytesIO(content))  # the header alone
            _refuse_size(*image.size)
            found = pixels(ImageOps.exif_transpose(image))
    except (Undecodable, MemoryError):
        raise
    except Exception as error:  # of a damaged file Pillow raises whatever its parts raise
        raise Undecodable(f"damaged or cut off: {error}"[:80]) from None
    return torch.from_numpy(found).permute(2, 0, 1)


def pixels(image: Image.Image) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """An image of Pillow's as uint8 (H, W, 3). Raises `Undecodable` for 32 bits a pixel."""
    if image.mode in ("I", "F"):
        raise Undecodable("32 bits a pixel; save it with 8 or 16")
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
