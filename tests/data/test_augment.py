"""Normalisation and augmentation of whole batches equal what is done image by image."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from reslab.config.schema import Augmentation
from reslab.data.augment import Kind, Normalization, augmented, crop_flip
from reslab.data.sources import Source
from reslab.errors import UserError


def some_images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.manual_seed(0))


def some_draws(count: int, padding: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.manual_seed(seed)
    dy, dx = torch.randint(0, 2 * padding + 1, (2, count), generator=generator)
    return dy, dx, torch.randint(0, 2, (count,), generator=generator)


def one_by_one(images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int) -> Tensor:
    """torchvision's pad, crop and flip."""
    height, width = images.shape[2:]
    done = []
    for image, top, left, mirrored in zip(
        images, dy.tolist(), dx.tolist(), flip.tolist(), strict=True
    ):
        window = vision.crop(vision.pad(image, [padding] * 4), top, left, height, width)
        done.append(vision.horizontal_flip(window) if mirrored else window)
    return torch.stack(done)


# Crops and flips


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    padding=st.integers(0, 5),
    dtype=st.sampled_from([torch.uint8, torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_crops_and_flips_equal_torchvisions(
    shape: tuple[int, int, int, int], padding: int, dtype: torch.dtype, seed: int
) -> None:
    images, draws = some_images(*shape).to(dtype), some_draws(shape[0], padding, seed)
    cropped = crop_flip(images, *draws, padding)
    assert cropped.dtype == dtype and cropped.shape == shape
    assert torch.equal(cropped, one_by_one(images, *draws, padding))


def test_every_crop_and_flip_of_he_2015_equals_torchvisions() -> None:
    """Sec. 4.2: 4 pixels on each side, a 32×32 crop of the padded image or its flip."""
    dy, dx, flip = (part.flatten() for part in torch.meshgrid(
        torch.arange(9), torch.arange(9), torch.arange(2), indexing="ij"
    ))
    images = some_images(len(dy), 3, 32, 32)
    assert torch.equal(crop_flip(images, dy, dx, flip, 4), one_by_one(images, dy, dx, flip, 4))


# The order of padding and normalisation


@pytest.fixture
def bright() -> tuple[Tensor, Normalization]:
    images = some_images(8, 3, 6, 6) // 2 + 100
    return images, Normalization.fit("pixel_mean", images)


def at_the_corner(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draws whose windows begin in the upper left corner: the first pixel is padding."""
    zeros = torch.zeros(count, dtype=torch.int64)
    return zeros, zeros, zeros


def test_padding_after_normalisation_is_the_mean_colour(
    bright: tuple[Tensor, Normalization],
) -> None:
    """He 2015: zeros after the mean is subtracted."""
    images, normalization = bright
    batch = augmented(images, at_the_corner(8), Augmentation(crop_padding=2), normalization)
    assert (batch[:, :, :2] == 0).all() and (batch[:, :, :, :2] == 0).all()
    assert torch.equal(batch[:, :, 2:, 2:], normalization(images)[:, :, :4, :4])


def test_padding_before_normalisation_is_black(bright: tuple[Tensor, Normalization]) -> None:
    images, normalization = bright
    augmentation = Augmentation(crop_padding=2, padding="before_normalization")
    batch = augmented(images, at_the_corner(8), augmentation, normalization)
    assert torch.equal(batch[:, :, :2], -normalization.mean[:, :2].expand(8, 3, 2, 6))


@pytest.mark.parametrize("padding", ["after_normalization", "before_normalization"])
@pytest.mark.parametrize("kind", ["pixel_mean", "channel", "imagenet", "none"])
def test_a_batch_is_its_images_one_by_one(kind: Kind, padding: str) -> None:
    images, draws = some_images(20, 3, 8, 8), some_draws(20, 4)
    normalization = Normalization.fit(kind, images)
    steps = [normalization, lambda batch: one_by_one(batch, *draws, 4)]
    expected = images
    for step in steps if padding == "after_normalization" else reversed(steps):
        expected = step(expected)
    recipe = Augmentation.model_validate({"crop_padding": 4, "padding": padding, "flip": True})
    assert torch.equal(augmented(images, draws, recipe, normalization), expected)


def test_what_a_recipe_does_not_ask_for_is_not_done() -> None:
    images, (dy, dx, flip) = some_images(20, 3, 8, 8), some_draws(20, 2)
    plain = Normalization.fit("none", images)
    whole = torch.zeros_like(dy)
    unchanged = augmented(images, (dy, dx, flip), Augmentation(), plain)
    assert torch.equal(unchanged, plain(images))
    cropped = augmented(images, (dy, dx, flip), Augmentation(crop_padding=2), plain)
    assert torch.equal(cropped, one_by_one(plain(images), dy, dx, whole, 2))
    flipped = augmented(images, (whole, whole, flip), Augmentation(flip=True), plain)
    assert torch.equal(flipped, one_by_one(plain(images), whole, whole, flip, 0))


# Normalisation


def test_cifar10s_means_are_the_published_ones(official: Callable[[str], Source]) -> None:
    """0.4914, 0.4822, 0.4465 stand in nearly every CIFAR-10 repository; deviations in airbench."""
    fitted = Normalization.fit("channel", official("cifar10").train.images)
    assert [round(value, 4) for value in fitted.mean.flatten().tolist()] == [0.4914, 0.4822, 0.4465]
    assert [round(value, 4) for value in fitted.std.flatten().tolist()] == [0.2470, 0.2435, 0.2616]


def test_mnists_mean_and_deviation_are_the_published_ones(
    official: Callable[[str], Source],
) -> None:
    """0.1307 and 0.3081, as in pytorch/examples."""
    fitted = Normalization.fit("channel", official("mnist").train.images)
    assert (round(float(fitted.mean), 4), round(float(fitted.std), 4)) == (0.1307, 0.3081)


@pytest.mark.parametrize(("kind", "axes"), [("channel", (0, 2, 3)), ("pixel_mean", 0)])
def test_a_fit_is_numpys_in_float64(kind: Kind, axes: int | tuple[int, ...]) -> None:
    images = some_images(2500, 3, 5, 4)
    fitted = Normalization.fit(kind, images)
    pixels = images.numpy().astype(np.float64) / 255
    mean = pixels.mean(axes).reshape(fitted.mean.shape)
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-6)
    std = pixels.std(axes).reshape(fitted.std.shape) if kind == "channel" else 1
    np.testing.assert_allclose(fitted.std, std, rtol=1e-6)


def test_a_fit_does_not_depend_on_the_number_of_threads() -> None:
    images = some_images(2500, 3, 8, 8)
    threads = torch.get_num_threads()
    try:
        for kind in ("pixel_mean", "channel"):
            fits = []
            for count in (1, 2):
                torch.set_num_threads(count)
                fits.append(Normalization.fit(kind, images))
            assert torch.equal(fits[0].mean, fits[1].mean)
            assert torch.equal(fits[0].std, fits[1].std)
    finally:
        torch.set_num_threads(threads)


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    images = some_images(100, 3, 8, 8)
    batch = Normalization.fit("channel", images)(images, torch.float64)
    torch.testing.assert_close(batch.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        batch.std((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-6, rtol=0
    )
    assert Normalization.fit("pixel_mean", images)(images).mean(0).abs().max() < 1e-6


def test_none_and_imagenet_do_not_look_at_the_images() -> None:
    white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert (Normalization.fit("none", white)(white) == 1).all()
    image = Normalization.fit("imagenet", white)(white)[0, :, 0, 0]
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(image, torch.tensor(expected))


def test_a_normalisation_leaves_its_images_alone_and_gives_the_asked_dtype() -> None:
    images = some_images(4, 3, 8, 8)
    before = images.clone()
    normalization = Normalization.fit("pixel_mean", images)
    assert normalization(images).dtype == torch.float32
    assert normalization(images, torch.float64).dtype == torch.float64
    assert torch.equal(images, before)


def test_a_checkpoint_gives_the_normalisation_back(tmp_path) -> None:
    images = some_images(4, 3, 8, 8)
    normalization = Normalization.fit("pixel_mean", images)
    torch.save({"normalization": normalization.state()}, tmp_path / "x.ckpt")
    loaded = torch.load(tmp_path / "x.ckpt", weights_only=True)["normalization"]
    assert torch.equal(Normalization.from_state(loaded)(images), normalization(images))
    with pytest.raises(UserError, match="'zca'; expected pixel_mean, channel, imagenet, none"):
        Normalization.from_state({**loaded, "kind": "zca"})
