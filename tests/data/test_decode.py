"""Files of every kind, against Pillow."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import DECODING
from tests.data.images import (
    DECODABLE,
    UNDECODABLE,
    Pixels,
    by_pillow,
    encoded,
    gradient,
    png16,
    turned,
)

from reslab.data.decode import Undecodable, decode
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
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
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
        "text.jpg": "neither JPEG, PNG, WebP nor GIF",
        "truncated.jpeg": "Image is incomplete or truncated",
        "moving.webp": "Animated webp files are not supported",
    }
    for name, reason in reasons.items():
        with pytest.raises(Undecodable, match=f"^{reason}$"):
            read(tmp_path, name, UNDECODABLE[name])
    with pytest.raises(Undecodable, match="No such file or directory"):
        decode(tmp_path / "missing.jpg")


def test_a_file_that_cannot_be_read_is_not_taken_for_one_that_is_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, kind: type) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(np, "fromfile", fail)
    with pytest.raises(UserError, match=r"a\.png cannot be read: Input/output error"):
        decode(tmp_path / "a.png")
    monkeypatch.undo()
    with pytest.raises(Undecodable, match="No such file"):
        decode(tmp_path / "a.png")
