"""Image files to pixels: JPEG, PNG, WebP (not animated) and GIF (its first frame), by torchvision.

torchvision looks at the content, never at the name, and refuses truncated files. Everything becomes
8-bit RGB: grey is repeated, palettes are looked up, alpha is dropped, CMYK is converted as
torchvision does it, 16 bits are divided by 256. The orientation that a camera has noted (EXIF) is
applied to JPEG and PNG; torchvision reads none from WebP.
"""

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reslab.errors import UserError


class Undecodable(Exception):
    """A file that is no image in a format that is read here; its text says why."""


def decode(path: Path) -> Tensor:
    """The image in a file, uint8 (3, H, W). Raises `Undecodable`, also for a link to nowhere.

    `UserError` for a file that cannot be read: whether it is an image is then not known.
    """
    try:
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
    from torchvision.io import decode_image

    if not len(content):
        raise Undecodable("the file is empty")
    try:
        image: Tensor = decode_image(content, "RGB", apply_exif_orientation=True)
    except RuntimeError as error:
        raise Undecodable(_reason(error)) from None
    if image.dim() == 4:
        image = image[0]
    if image.dtype == torch.uint16:
        image = (image.int() >> 8).to(torch.uint8)  # torch shifts no uint16
    return image


def _reason(error: RuntimeError) -> str:
    """What torchvision says, without the place in its C++ and the trace."""
    told = str(error).splitlines()[0]
    if "Unsupported image file" in told:
        return "neither JPEG, PNG, WebP nor GIF"
    return re.sub(r"^.*\.cpp:\d+, ", "", told).strip(" .")
