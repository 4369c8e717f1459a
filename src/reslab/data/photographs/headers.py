"""What an image file says of itself before it is decoded: its format and how many pixels it has.

A few bytes can declare more pixels than a machine has memory for; whoever decodes asks here first.
The places are those of the formats' specifications: PNG (RFC 2083, Sec. 4.1.1), JPEG (ITU-T T.81,
Annex B), GIF89a (Sec. 18 and 20), WebP (RFC 9649, Sec. 2).
"""

from collections.abc import Callable

Pixels = tuple[int, int]
"""Width and height."""

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
"""How the files of a format begin; WebP stands in a container (RIFF)."""

FOREIGN = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF", b"avis": "AVIF"}
"""Brands (ISO 14496-12) of photographs that are not read here."""


def format_of(content: memoryview) -> str | None:
    """`PNG`, `JPEG`, `GIF`, `WebP`, `BMP`, `TIFF`, or None."""
    begin = bytes(content[:12])
    if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
        return "WebP"
    return next((name for mark, name in SIGNATURES.items() if begin.startswith(mark)), None)


def foreign_format_of(content: memoryview) -> str | None:
    """The name of a format that is known but not read."""
    begin = bytes(content[:12])
    return FOREIGN.get(begin[8:]) if begin[4:8] == b"ftyp" else None


def declared_pixels(kind: str, content: memoryview) -> Pixels | None:
    """Width and height that a PNG, JPEG, GIF or WebP declares; None where its header is damaged."""
    try:
        return SIZES[kind](content)
    except IndexError:  # cut off
        return None


def _number(content: memoryview, place: int, length: int, order: str = "little") -> int:
    part = content[place : place + length]
    if len(part) < length:
        raise IndexError
    return int.from_bytes(part, "big" if order == "big" else "little")


def _png(content: memoryview) -> Pixels | None:
    if bytes(content[12:16]) != b"IHDR":
        return None
    return _number(content, 16, 4, "big"), _number(content, 20, 4, "big")


def _jpeg(content: memoryview) -> Pixels | None:
    """Of the frame header, the first marker C0 to CF but for DHT, JPG and DAC."""
    place = 2
    while True:
        while content[place] != 0xFF:  # decoders skip what is no marker
            place += 1
        while content[place] == 0xFF:
            place += 1
        marker = content[place]
        place += 1
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _number(content, place + 5, 2, "big"), _number(content, place + 3, 2, "big")
        if marker in (0xD9, 0xDA):  # the end, or pixels without a frame
            return None
        if marker not in (0x00, 0x01, *range(0xD0, 0xD9)):  # those have no length
            place += _number(content, place, 2, "big")


def _webp(content: memoryview) -> Pixels | None:
    match bytes(content[12:16]):
        case b"VP8X":
            return 1 + _number(content, 24, 3), 1 + _number(content, 27, 3)
        case b"VP8L":
            bits = _number(content, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return _number(content, 26, 2) & 0x3FFF, _number(content, 28, 2) & 0x3FFF
    return None


def _gif(content: memoryview) -> Pixels:
    """Of the screen, and of the first image where that is larger."""
    screen = _number(content, 6, 2), _number(content, 8, 2)
    image = _first_image(content)
    own = _number(content, image + 5, 2), _number(content, image + 7, 2)
    return max(screen[0], own[0]), max(screen[1], own[1])


SIZES: dict[str, Callable[[memoryview], Pixels | None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WebP": _webp,
    "GIF": _gif,
}


# ---- the first image of a GIF --------------------------------------------------------------------


def end_of_first_image(content: memoryview) -> int:
    """Where the first image of a GIF ends; the content's own end where it is cut off before."""
    try:
        image = _first_image(content)
        return _after_blocks(content, image + 11 + _colours(content[image + 9]))
    except IndexError:
        return len(content)


def _first_image(content: memoryview) -> int:
    """The place of the first image descriptor; what stands before it are extensions."""
    place = 13 + _colours(content[10])
    while content[place] == 0x21:
        place = _after_blocks(content, place + 2)
    if content[place] != 0x2C:
        raise IndexError
    return place


def _colours(packed: int) -> int:
    """The bytes of a table of colours that follows."""
    return 3 * 2 ** (1 + (packed & 7)) if packed & 0x80 else 0


def _after_blocks(content: memoryview, place: int) -> int:
    while content[place]:
        place += 1 + content[place]
    return place + 1
