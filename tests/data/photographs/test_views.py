"""Views of photographs are what torchvision's transforms make of real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import DECODING
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import v2

from reslab.config.data import Photographs
from reslab.data.normalize import Normalization
from reslab.data.photographs.decode import decode
from reslab.data.photographs.views import (
    VIEWS,
    are_of_other_sizes,
    assumed,
    largest_side,
    look_of,
    of_any_size,
    scales,
)

pytestmark = DECODING

CROPS = Photographs(crop="center")
SMALL = Photographs(crop="center", size=64, test_shorter_side=73)


@pytest.fixture
def files(require_data: Callable[[str], Path]) -> list[Path]:
    """A photograph of each of Imagenette's ten classes, 224 × 224 pixels."""
    folder = require_data("imagenette_mini") / "imagenette-mini" / "val"
    return [min(of_class.iterdir()) for of_class in sorted(folder.iterdir())]


@pytest.fixture
def images(files: list[Path]) -> list[Tensor]:
    """Parts of them, so that some are wide and some are tall."""
    decoded = enumerate(map(decode, files))
    return [i[:, : 224 - 20 * (n % 3), 17 * (n % 4) :] for n, i in decoded]


def test_the_centre_is_torchvisions_centre_crop(images: list[Tensor]) -> None:
    expected = v2.Compose([v2.Resize(256), v2.CenterCrop(224)])
    for image in images:
        [views] = VIEWS["center"](image, CROPS)
        assert torch.equal(views, expected(image)[None])


def test_ten_crops_are_torchvisions_ten_crops(images: list[Tensor]) -> None:
    expected = v2.Compose([v2.Resize(256), v2.TenCrop(224)])
    for image in images:
        [views] = VIEWS["ten_crop"](image, CROPS)
        assert views.shape == (10, 3, 224, 224)
        assert torch.equal(views, torch.stack(expected(image)))


def test_ten_crops_are_those_of_pillows_images_but_for_rounding(files: list[Path]) -> None:
    """Pillow decodes and resizes by other code: torchvision's published numbers rest on it."""
    expected = transforms.Compose([transforms.Resize(256), transforms.TenCrop(224)])
    for file in files:
        [views] = VIEWS["ten_crop"](decode(file), CROPS)
        theirs = expected(Image.open(file).convert("RGB"))
        pixels = np.stack([np.asarray(crop) for crop in theirs]).transpose(0, 3, 1, 2)
        assert np.abs(views.numpy().astype(int) - pixels).mean() < 1  # of 255


def test_multi_scale_is_the_whole_image_and_its_mirror_image_in_five_sizes(
    images: list[Tensor],
) -> None:
    """He 2015, Sec. 3.4: the shorter side is in {224, 256, 384, 480, 640}."""
    for image in images[:3]:
        views = VIEWS["multi_scale"](image, CROPS)
        assert [min(view.shape[2:]) for view in views] == [224, 256, 384, 480, 640]
        for side, (one, mirrored) in zip((224, 256, 384, 480, 640), views, strict=True):
            assert torch.equal(one, v2.Resize(side)(image))
            assert torch.equal(mirrored, one.flip(2))


def test_for_other_crops_the_sizes_are_in_proportion(images: list[Tensor]) -> None:
    assert scales(SMALL) == (64, 73, 110, 137, 183)
    views = VIEWS["multi_scale"](images[0], SMALL)
    assert tuple(min(view.shape[2:]) for view in views) == scales(SMALL)


def test_a_centre_crop_of_another_size_is_the_middle_of_the_image_at_that_size() -> None:
    """By hand: of 4 × 6 pixels at shorter side 4 nothing is resized, and the middle 4 × 4 begins in
    column 1, the middle 2 × 2 in row 1 and column 2."""
    image = torch.arange(3 * 4 * 6, dtype=torch.uint8).view(3, 4, 6)
    [views] = look_of("center_4")(image, CROPS)
    assert torch.equal(views, image[None, :, :, 1:5])
    [views] = look_of("center_2_of_4")(image, CROPS)
    assert torch.equal(views, image[None, :, 1:3, 2:4])
    assert views[0, 0].tolist() == [[8, 9], [14, 15]]


def test_at_320_pixels_the_centre_is_torchvisions(images: list[Tensor]) -> None:
    """He 2016, Sec. 5: a 320 × 320 crop of an image whose shorter side is 320."""
    expected = v2.Compose([v2.Resize(320), v2.CenterCrop(320)])
    for image in images:
        [views] = look_of("center_320")(image, CROPS)
        assert torch.equal(views, expected(image)[None])


def test_sizes_of_views_say_whether_a_net_and_a_store_have_them() -> None:
    words = ("center", "ten_crop", "multi_scale", "center_320", "center_224", "center_224_of_320")
    assert [are_of_other_sizes(word, CROPS) for word in words] == [0, 0, 1, 1, 0, 0]
    assert [largest_side(word, CROPS) for word in words] == [256, 256, 640, 320, 224, 320]


def test_a_mean_image_becomes_its_mean_colour_where_images_have_any_size() -> None:
    mean = torch.rand(3, 64, 64)
    fitted = of_any_size(Normalization("pixel_mean", mean, torch.ones(3, 1, 1)))
    torch.testing.assert_close(fitted.mean.flatten(), mean.mean((1, 2)))
    assert fitted(torch.zeros(1, 3, 10, 20, dtype=torch.uint8)).shape == (1, 3, 10, 20)


def test_what_the_papers_leave_open_is_said() -> None:
    imagenet = Normalization.fit("imagenet", torch.zeros(0, 3, 1, 1))
    assert assumed("center", CROPS, imagenet) == []
    assert len(assumed("ten_crop", CROPS, imagenet)) == 1
    assert len(assumed("multi_scale", CROPS, imagenet)) == 1
    mean_image = Normalization("pixel_mean", torch.rand(3, 64, 64), torch.ones(3, 1, 1))
    assert assumed("center_320", CROPS, imagenet) == []
    assert assumed("center_64", SMALL, mean_image) == []
    assert "mean colour" in assumed("center_80", SMALL, mean_image)[0]
    flips, sides, mean = assumed("multi_scale", SMALL, mean_image)
    assert "both flips" in flips and "64, 73, 110, 137, 183" in sides and "mean colour" in mean


def test_a_view_holds_no_more_than_itself() -> None:
    """A worker hands over a tensor's whole storage: of a mapped store that would be all of it."""
    store = torch.zeros(100, 28, 28, 3, dtype=torch.uint8)
    photographs = Photographs(size=24, crop="center", test_shorter_side=28)
    for look in (*VIEWS.values(), look_of("center_26"), look_of("center_28")):
        for views in look(store[7].permute(2, 0, 1), photographs):
            assert views.untyped_storage().nbytes() == views.nbytes
