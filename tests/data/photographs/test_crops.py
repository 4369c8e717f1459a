"""Crops of photographs, against torchvision's transforms with the same generator."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from reslab.config.data import Photographs
from reslab.data.photographs import crops

WIDE = (torch.arange(3 * 60 * 90) * 7919 % 251).view(3, 60, 90).to(torch.uint8)
TALL, SMALL = WIDE.transpose(1, 2), WIDE[:, :9, :13]
BLACK, GREY = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.full((3, 8, 8), 128, dtype=torch.uint8)
IMAGES = pytest.mark.parametrize("image", [WIDE, TALL, SMALL], ids=["wide", "tall", "small"])


def described(**fields: Any) -> Photographs:
    return Photographs(**{"size": 32, "test_shorter_side": 36, **fields})


def train_crop(image: Tensor, seed: int = 0, **fields: Any) -> Tensor:
    crop = crops.train_crop(image, described(**fields), seed)
    assert (crop.dtype, crop.shape[0]) == (torch.uint8, 3)
    return crop


@IMAGES
def test_evaluation_takes_the_centre_of_the_resized_image(image: Tensor) -> None:
    expected = v2.Compose([v2.Resize(36, antialias=True), v2.CenterCrop(32)])(image)
    assert torch.equal(crops.test_crop(image, described(crop="area")), expected)
    assert torch.equal(train_crop(image, crop="center"), expected)


@IMAGES
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_area_is_torchvisions_random_resized_crop(image: Tensor, seed: int) -> None:
    crop = train_crop(image, seed, crop="area", area=(0.2, 0.9), aspect_ratio=(0.5, 2.0))
    torch.manual_seed(seed)
    assert torch.equal(crop, v2.RandomResizedCrop(32, (0.2, 0.9), (0.5, 2.0))(image))


@IMAGES
def test_scale_takes_any_square_of_an_image_of_any_side_in_the_range(image: Tensor) -> None:
    sides: Counter[int] = Counter()
    for seed in range(60):
        crop = train_crop(image, seed, crop="scale", shorter_side=(34, 37))
        torch.manual_seed(seed)
        side = int(torch.randint(34, 38, ()))
        sides[side] += 1
        assert torch.equal(crop, v2.RandomCrop(32)(v2.Resize(side)(image)))
    assert sides.keys() == {34, 35, 36, 37}
    assert min(sides.values()) > 5


def test_jitter_is_torchvisions_of_three_kinds() -> None:
    crop = train_crop(WIDE, 5, crop="center", jitter=0.4)
    torch.manual_seed(5)
    assert torch.equal(crop, v2.ColorJitter(0.4, 0.4, 0.4)(train_crop(WIDE, crop="center")))


def test_pca_adds_one_colour_to_all_pixels_along_imagenets_components() -> None:
    """Krizhevsky 2012, Sec. 4.1. Of grey 128, 0.1 is little enough that nothing is cut off."""
    shifts = torch.stack(
        [train_crop(GREY, seed, crop="center", pca=0.1)[:, 3, 5].double() for seed in range(2000)]
    )
    components = torch.tensor(crops.PRINCIPAL_COMPONENTS).double()
    values = torch.tensor(crops.PRINCIPAL_VALUES).double()
    assert torch.allclose(components.T @ components, torch.eye(3).double(), atol=1e-3)
    assert torch.allclose(shifts.mean(0), torch.full((3,), 128.0).double(), atol=0.3)
    along = ((shifts - 128) / 255) @ components
    rounding = (1 / 12) ** 0.5 / 255
    expected = ((0.1 * values) ** 2 + rounding**2).sqrt()
    assert torch.allclose(along.std(0), expected, rtol=0.1)
    one = train_crop(GREY, 7, crop="center", pca=0.1)
    assert (one == one[:, :1, :1]).all()


def test_colours_are_cut_to_bytes_not_wrapped() -> None:
    darker = [train_crop(BLACK, seed, crop="center", pca=1.0) for seed in range(20)]
    assert {int(crop.max()) for crop in darker} >= {0}
    assert max(int(crop.max()) for crop in darker) < 250


@pytest.mark.parametrize("crop", ["scale", "area"])
def test_a_crop_follows_from_its_seed_and_leaves_the_generator_alone(crop: str) -> None:
    fields = {"crop": crop, "jitter": 0.3, "pca": 0.1}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = train_crop(WIDE, 11, **fields)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert torch.equal(first, train_crop(WIDE, 11, **fields))
    assert not torch.equal(first, train_crop(WIDE, 12, **fields))
