"""Small images, and files of every kind that a folder of photographs may hold."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

Pixels = npt.NDArray[np.uint8]


def some_images(*shape: int) -> Tensor:
    """Random pixels, uint8, the same in every call."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.manual_seed(0))


def gradient(height: int = 48, width: int = 64, shade: int = 0) -> Image.Image:
    """An image in which every corner has a colour of its own."""
    y, x = np.mgrid[0:height, 0:width]
    planes = 255 * x // width, 255 * y // height, (255 * (x + y) // (height + width) + shade) % 256
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file in one of Pillow's formats."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def by_pillow(content: bytes) -> Pixels:
    """What Pillow makes of a file: RGB, uint8 (H, W, 3), turned as EXIF says."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    return np.asarray(image.convert("RGB"))


def turned(orientation: int) -> dict[str, Image.Exif]:
    """Pillow's option for a file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def png16(values: npt.NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits: grey (H, W) or colour (H, W, 3). Pillow writes none in colour."""

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = values.shape[:2]
    kind = 2 if values.ndim == 3 else 0
    rows = values.astype(">u2").reshape(height, -1)
    content = b"".join(b"\0" + row.tobytes() for row in rows)  # 0: no filter
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(content))
        + chunk(b"IEND", b"")
    )


PALETTE = gradient().convert("P", palette=Image.Palette.ADAPTIVE, colors=16)

DECODABLE = {
    "colour.jpg": encoded(gradient(), "JPEG"),
    "progressive.jpg": encoded(gradient(), "JPEG", progressive=True),
    "grey.jpg": encoded(gradient().convert("L"), "JPEG"),
    "cmyk.jpg": encoded(gradient().convert("CMYK"), "JPEG"),
    "colour.png": encoded(gradient(), "PNG"),
    "grey.png": encoded(gradient().convert("L"), "PNG"),
    "grey-alpha.png": encoded(gradient().convert("LA"), "PNG"),
    "black-white.png": encoded(gradient().convert("1"), "PNG"),
    "alpha.png": encoded(gradient().convert("RGBA"), "PNG"),
    "palette.png": encoded(PALETTE, "PNG"),
    "palette-2-bits.png": encoded(gradient().quantize(4), "PNG", bits=2),
    "palette-alpha.png": encoded(PALETTE, "PNG", transparency=3),
    "photo.webp": encoded(gradient(), "WEBP"),
    "lossless.webp": encoded(gradient(), "WEBP", lossless=True),
    "alpha.webp": encoded(gradient().convert("RGBA"), "WEBP", lossless=True),
    "one.gif": encoded(PALETTE, "GIF"),
    "two.gif": encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
    "colour.bmp": encoded(gradient(), "BMP"),
    "grey.bmp": encoded(gradient().convert("L"), "BMP"),
    "palette.bmp": encoded(PALETTE, "BMP"),
    "colour.tiff": encoded(gradient(), "TIFF"),
    "packed.tiff": encoded(gradient(), "TIFF", compression="tiff_lzw"),
    "jpeg.tiff": encoded(gradient(), "TIFF", compression="jpeg"),
    "black-white.tiff": encoded(gradient().convert("1"), "TIFF", compression="group4"),
    "alpha.tiff": encoded(gradient().convert("RGBA"), "TIFF"),
    "cmyk.tiff": encoded(gradient().convert("CMYK"), "TIFF"),
    "palette.tiff": encoded(PALETTE, "TIFF"),
    "two.tiff": encoded(gradient(), "TIFF", save_all=True, append_images=[gradient(shade=9)]),
    "named wrongly.png": encoded(gradient(), "JPEG"),
    "without a suffix": encoded(gradient(), "PNG"),
}
"""Name → content; Pillow reads the same from each."""


def declaring(kind: str, width: int, height: int) -> bytes:
    """A small file that declares a size of its own; a WebP no more than 16,384 a side."""
    content = bytearray(encoded(PALETTE if kind == "GIF" else gradient(), kind))
    match kind:
        case "PNG":
            content[16:24] = struct.pack(">II", width, height)
            content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        case "JPEG":
            place = content.index(b"\xff\xc0")
            content[place + 5 : place + 9] = struct.pack(">HH", height, width)
        case "GIF":
            content[6:10] = struct.pack("<HH", width, height)
        case "WEBP":
            content[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
        case "BMP":
            content[18:26] = struct.pack("<ii", width, height)
        case "TIFF":
            for tag, size in ((256, width), (257, height)):
                place = content.index(struct.pack("<H", tag), 8)
                content[place : place + 12] = struct.pack("<HHII", tag, 4, 1, size)
    return bytes(content)


UNDECODABLE = {
    "empty.jpg": b"",
    "text.jpg": b"This is no image, whatever its name says.\n",
    "letter.jpg": b"x",
    "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "real numbers.tiff": encoded(gradient().convert("F"), "TIFF"),
    "moving.webp": encoded(
        gradient(), "WEBP", save_all=True, append_images=[gradient().rotate(180)]
    ),
    **{
        f"truncated.{kind.lower()}": encoded(image, kind)[:-60]
        for kind, image in {
            "JPEG": gradient(),
            "PNG": gradient(),
            "WEBP": gradient(),
            "GIF": PALETTE,
            "BMP": gradient(),
            "TIFF": gradient(),
        }.items()
    },
}
