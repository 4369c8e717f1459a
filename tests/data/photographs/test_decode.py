"""Files of every kind, against Pillow."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import DECODING
from tests.data.images import (
    DECODABLE,
    PALETTE,
    UNDECODABLE,
    Pixels,
    by_pillow,
    declaring,
    encoded,
    gradient,
    png16,
    turned,
)

from reslab.data.photographs.decode import Undecodable, decode
from reslab.errors import UserError

pytestmark = DECODING


def read(folder: Path, name: str, content: bytes) -> Pixels:
    """A file as `decode` reads it, (H, W, 3)."""
    (folder / name).write_bytes(content)
    image = decode(folder / name)
    assert image.dtype == torch.uint8
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", DECODABLE)
def test_an_image_is_read_as_pillow_reads_it(tmp_path: Path, name: str) -> None:
    content = DECODABLE[name]
    assert np.array_equal(read(tmp_path, name, content), by_pillow(content))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_an_image_stands_as_the_camera_was_held(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    content = encoded(gradient(), kind, **turned(orientation))
    found = read(tmp_path, "turned", content)
    assert found.shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))
    assert np.array_equal(found, by_pillow(content))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)], ids=["grey", "colour"])
def test_of_16_bits_the_upper_8_are_kept(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, shape, dtype=np.uint16)
    found = read(tmp_path, "deep.png", png16(values))
    assert np.array_equal(found, np.broadcast_to((values >> 8).reshape(5, 7, -1), (5, 7, 3)))


@pytest.mark.parametrize("kind", ["I;16", "I;16B"])
def test_of_16_bits_in_a_tiff_the_upper_8_are_kept(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (5, 7), dtype=np.uint16)
    order = ">" if kind == "I;16B" else "<"
    image = Image.frombytes(kind, (7, 5), values.astype(f"{order}u2").tobytes())
    found = read(tmp_path, "deep.tiff", encoded(image, "TIFF"))
    assert np.array_equal(found, np.broadcast_to((values >> 8)[..., None], (5, 7, 3)))


@pytest.mark.parametrize("name", ["寫真 – écureuil.jpg", "new\nline.jpg", b"no utf-8 \xff.jpg"])
def test_a_name_may_be_anything(tmp_path: Path, name: str | bytes) -> None:
    text = name if isinstance(name, str) else name.decode(errors="surrogateescape")
    assert read(tmp_path, text, DECODABLE["colour.jpg"]).shape == (48, 64, 3)


@pytest.mark.parametrize("name", UNDECODABLE)
def test_what_is_no_image_or_not_whole_is_undecodable(tmp_path: Path, name: str) -> None:
    with pytest.raises(Undecodable) as caught:
        read(tmp_path, name, UNDECODABLE[name])
    assert 0 < len(str(caught.value)) < 90
    assert "cpp" not in str(caught.value)


def test_a_reason_says_what_is_wrong(tmp_path: Path) -> None:
    reasons = {
        "empty.jpg": "the file is empty",
        "text.jpg": "neither JPEG, PNG, WebP, GIF, BMP nor TIFF; convert it to PNG, or put it away",
        "photo.heic": "HEIC, which is not read; convert it to PNG, or put it away",
        "real numbers.tiff": "32 bits a pixel; save it with 8 or 16",
        "truncated.jpeg": "Image is incomplete or truncated",
        "moving.webp": "Animated webp files are not supported",
    }
    for name, reason in reasons.items():
        with pytest.raises(Undecodable, match=f"^{reason}$"):
            read(tmp_path, name, UNDECODABLE[name])
    with pytest.raises(Undecodable, match="No such file or directory"):
        decode(tmp_path / "missing.jpg")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (16_000, 16_000, "16,000 × 16,000 pixels; at most 134 million are read"),
        (16_000, 53, "16,000 × 53 pixels; one side is more than 300 times the other"),
    ],
)
def test_declared_pixels_are_bounded_before_memory_is_taken(
    tmp_path: Path, kind: str, width: int, height: int, reason: str
) -> None:
    with pytest.raises(Undecodable, match=f"^{reason}$"):
        read(tmp_path, "bomb", declaring(kind, width, height))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_sixty_thousand_pixels_a_side_are_no_image_but_a_bomb(tmp_path: Path, kind: str) -> None:
    """They would take 10.8 GB."""
    with pytest.raises(Undecodable, match=r"^60,000 × 60,000 pixels; at most"):
        read(tmp_path, "bomb", declaring(kind, 60_000, 60_000))


def test_of_a_gif_only_the_first_frame_takes_memory(tmp_path: Path) -> None:
    """2,000 frames on a screen of 4,000 × 4,000 would take 96 GB."""
    [head, *rest] = [declaring("GIF", 4000, 4000), encoded(PALETTE.resize((1, 1)), "GIF")]
    frame = rest[0][rest[0].index(b"\x2c") : -1]
    found = read(tmp_path, "bomb.gif", head[:-1] + 2000 * frame + b";")
    assert found.shape == (4000, 4000, 3)


def test_what_is_no_file_or_too_large_a_one_is_not_read(tmp_path: Path) -> None:
    """A pipe would be waited for, a file with a hole has any size on a small disk."""
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(Undecodable, match="no file with a content of its own"):
        decode(tmp_path / "pipe.jpg")
    with (tmp_path / "hole.jpg").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(Undecodable, match="1,099,511,627,776 bytes; at most 536,870,912 are read"):
        decode(tmp_path / "hole.jpg")


def test_a_file_that_cannot_be_read_is_not_taken_for_one_that_is_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, kind: type) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    (tmp_path / "a.png").write_bytes(DECODABLE["colour.png"])
    monkeypatch.setattr(np, "fromfile", fail)
    with pytest.raises(UserError, match=r"a\.png cannot be read: Input/output error"):
        decode(tmp_path / "a.png")
    monkeypatch.undo()
    (tmp_path / "a.png").unlink()
    with pytest.raises(Undecodable, match="No such file"):
        decode(tmp_path / "a.png")
