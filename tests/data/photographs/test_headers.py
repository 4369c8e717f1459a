"""What a file declares is read as Pillow reads it, and never more of it than its header."""

import io
import struct

import pytest
from PIL import Image
from tests.data.images import DECODABLE, PALETTE, encoded, gradient

from reslab.data.photographs.headers import (
    SIZES,
    declared_pixels,
    end_of_first_image,
    foreign_format_of,
    format_of,
)


def view(content: bytes) -> memoryview:
    return memoryview(content)


@pytest.mark.parametrize("name", DECODABLE)
def test_format_and_size_are_those_that_pillow_reads(name: str) -> None:
    content = DECODABLE[name]
    image = Image.open(io.BytesIO(content))
    kind = format_of(view(content))
    assert str(kind).upper() == image.format
    if kind in SIZES:
        assert declared_pixels(str(kind), view(content)) == image.size == (64, 48)


def test_the_frame_header_of_a_jpeg_is_found_behind_whatever_stands_before_it() -> None:
    content = DECODABLE["colour.jpg"]
    comment = b"\xff\xfe\x00\x04\xff\xc0"  # a comment that looks like a frame header
    odd = content[:2] + comment + b"\xff\xff\xff" + comment[1:] + b"garbage" + content[2:]
    assert declared_pixels("JPEG", view(odd)) == (64, 48)


@pytest.mark.parametrize("name", [name for name in DECODABLE if name[-3:] in ("jpg", "png", "gif")])
def test_a_header_that_is_cut_off_declares_nothing(name: str) -> None:
    content = DECODABLE[name]
    kind = str(format_of(view(content)))
    whole = [length for length in range(12, 60) if declared_pixels(kind, view(content[:length]))]
    assert whole == list(range(min(whole, default=60), 60))


def test_what_is_no_header_is_none() -> None:
    png = DECODABLE["colour.png"]
    before = png[:8] + struct.pack(">I", 20) + b"odDs" + bytes(24) + png[8:]
    assert declared_pixels("PNG", view(before)) is None
    assert declared_pixels("JPEG", view(b"\xff\xd8\xff\xd9" + bytes(9))) is None
    assert declared_pixels("WebP", view(b"RIFF\0\0\0\0WEBPodds" + bytes(99))) is None


def test_a_gif_declares_the_larger_of_its_screen_and_its_first_image() -> None:
    content = bytearray(DECODABLE["one.gif"])
    content[6:10] = struct.pack("<HH", 3, 60_000)
    assert declared_pixels("GIF", view(bytes(content))) == (64, 60_000)


def test_the_first_image_of_a_gif_ends_where_another_begins() -> None:
    two = encoded(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(90)] * 3)
    end = end_of_first_image(view(two))
    assert two[end : end + 2] == b"\x21\xf9"  # the graphic control of the second
    alone = Image.open(io.BytesIO(two[:end] + b";"))
    assert getattr(alone, "n_frames", 1) == 1
    assert alone.convert("RGB").tobytes() == Image.open(io.BytesIO(two)).convert("RGB").tobytes()
    assert end_of_first_image(view(two[: end - 9])) == end - 9


def test_formats_that_are_not_read_have_names() -> None:
    assert foreign_format_of(view(b"\0\0\0\x18ftypavif....")) == "AVIF"
    for content in (b"", b"ftyp", b"PK\3\4 and more", encoded(gradient(), "PPM")):
        assert (format_of(view(content)), foreign_format_of(view(content))) == (None, None)
