"""Augmentation of whole batches equals what is done image by image."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.images import some_images
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.transforms import v2
from torchvision.transforms.v2 import CutMix, MixUp, RandAugment
from torchvision.transforms.v2 import functional as vision

from reslab.config.recipe import Augmentation, Normalizing
from reslab.data.augment import (
    OF_NORMALIZED,
    OF_PIXELS,
    Transform,
    affine,
    columns_read,
    cropped,
    cutout,
    each_alone,
    flipped,
    mixed,
    stages,
)
from reslab.data.normalize import FITS, Normalization
from reslab.data.order import Draws, bounds


def augmented(
    images: Tensor, draws: Draws, augmentation: Augmentation, normalization: Normalization
) -> Tensor:
    """What images are after all stages."""
    for stage in stages(augmentation, normalization):
        images = stage(images, draws)
    return images


def crop_flip(
    images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int, fill: str = "zeros"
) -> Tensor:
    return flipped(cropped(images, dy, dx, padding, fill), flip)


def some_draws(count: int, padding: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.manual_seed(seed)
    dy, dx = torch.randint(0, 2 * padding + 1, (2, count), generator=generator)
    return dy, dx, torch.randint(0, 2, (count,), generator=generator)


def all_draws(crops_and_flips: tuple[Tensor, Tensor, Tensor], seed: int = 0) -> Draws:
    count = len(crops_and_flips[0])
    words = torch.randint(0, 2**32, (3, count), generator=torch.manual_seed(seed + 1))
    rest = dict(zip(("cut_y", "cut_x", "randaugment"), words, strict=True))
    given = dict(zip(("dy", "dx", "flip"), crops_and_flips, strict=True))
    return no_draws(count) | given | rest


def no_draws(count: int) -> Draws:
    """All of them 0: windows begin in the upper left corner, where the first pixel is padding."""
    return of_all(torch.zeros(count, dtype=torch.int64))


def of_all(column: Tensor) -> Draws:
    """The same draws in every column."""
    return dict.fromkeys(bounds(0), column)


def one_by_one(
    images: Tensor, dy: Tensor, dx: Tensor, flip: Tensor, padding: int, mode: str = "constant"
) -> Tensor:
    """torchvision's pad, crop and flip."""
    height, width = images.shape[2:]
    done = []
    for image, top, left, mirrored in zip(
        images, dy.tolist(), dx.tolist(), flip.tolist(), strict=True
    ):
        padded = vision.pad(image, [padding] * 4, padding_mode=mode)
        window = vision.crop(padded, top, left, height, width)
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
    moved = crop_flip(images, *draws, padding)
    assert moved.dtype == dtype and moved.shape == shape
    assert torch.equal(moved, one_by_one(images, *draws, padding))


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    padding=st.integers(0, 8),
    seed=st.integers(0, 1000),
    mode=st.sampled_from(["reflect", "edge"]),
)
def test_padding_with_the_image_equals_torchvisions(
    shape: tuple[int, int, int, int], padding: int, seed: int, mode: Literal["reflect", "edge"]
) -> None:
    """Zagoruyko 2016: crops from an image padded by reflection."""
    padding = min(padding, shape[2] - 1, shape[3] - 1)
    images, draws = some_images(*shape), some_draws(shape[0], padding, seed)
    expected = one_by_one(images.float(), *draws, padding, mode=mode)
    assert torch.equal(crop_flip(images, *draws, padding, mode).float(), expected)
    recipe = Augmentation(crop_padding=padding, flip=True, fill=mode if padding else "zeros")
    plain = Normalization.fit("none", images)
    assert torch.equal(augmented(images, all_draws(draws), recipe, plain), expected / 255)


def test_every_crop_and_flip_of_he_2015_equals_torchvisions() -> None:
    """Sec. 4.2: 4 pixels on each side, a 32×32 crop of the padded image or its flip."""
    dy, dx, flip = (
        part.flatten()
        for part in torch.meshgrid(torch.arange(9), torch.arange(9), torch.arange(2), indexing="ij")
    )
    images = some_images(len(dy), 3, 32, 32)
    assert torch.equal(crop_flip(images, dy, dx, flip, 4), one_by_one(images, dy, dx, flip, 4))


# The order of padding and normalisation


@pytest.fixture
def bright() -> tuple[Tensor, Normalization]:
    images = some_images(8, 3, 6, 6) // 2 + 100
    return images, Normalization.fit("pixel_mean", images)


def test_padding_after_normalisation_is_the_mean_colour(
    bright: tuple[Tensor, Normalization],
) -> None:
    """He 2015: zeros after the mean is subtracted."""
    images, normalization = bright
    batch = augmented(images, no_draws(8), Augmentation(crop_padding=2), normalization)
    assert (batch[:, :, :2] == 0).all() and (batch[:, :, :, :2] == 0).all()
    assert torch.equal(batch[:, :, 2:, 2:], normalization(images)[:, :, :4, :4])


def test_padding_before_normalisation_is_black(bright: tuple[Tensor, Normalization]) -> None:
    images, normalization = bright
    augmentation = Augmentation(crop_padding=2, padding="before_normalization")
    batch = augmented(images, no_draws(8), augmentation, normalization)
    assert torch.equal(batch[:, :, :2], -normalization.mean[:, :2].expand(8, 3, 2, 6))


@pytest.mark.parametrize("padding", ["after_normalization", "before_normalization"])
@pytest.mark.parametrize("kind", FITS)
def test_a_batch_is_its_images_one_by_one(kind: Normalizing, padding: str) -> None:
    images, draws = some_images(20, 3, 8, 8), some_draws(20, 4)
    normalization = Normalization.fit(kind, images)
    steps = [normalization, lambda batch: one_by_one(batch, *draws, 4)]
    expected = images
    for step in steps if padding == "after_normalization" else reversed(steps):
        expected = step(expected)
    recipe = Augmentation.model_validate({"crop_padding": 4, "padding": padding, "flip": True})
    assert torch.equal(augmented(images, all_draws(draws), recipe, normalization), expected)


def test_what_a_recipe_does_not_ask_for_is_not_done() -> None:
    images, (dy, dx, flip) = some_images(20, 3, 8, 8), some_draws(20, 2)
    plain = Normalization.fit("none", images)
    whole = torch.zeros_like(dy)
    draws = all_draws((dy, dx, flip))
    unchanged = augmented(images, draws, Augmentation(), plain)
    assert torch.equal(unchanged, plain(images))
    crops = augmented(images, draws, Augmentation(crop_padding=2), plain)
    assert torch.equal(crops, one_by_one(plain(images), dy, dx, whole, 2))
    flips = augmented(images, all_draws((whole, whole, flip)), Augmentation(flip=True), plain)
    assert torch.equal(flips, one_by_one(plain(images), whole, whole, flip, 0))


ASKED: dict[str, dict[str, Any]] = {
    "crop": {"crop_padding": 2},
    "crop, reflected": {"crop_padding": 2, "fill": "reflect", "flip": True},
    "flip": {"flip": True},
    "cutout": {"cutout": 4},
    "turned": {"rotation": 10.0},
    "sheared": {"shear": 10.0},
    "zoomed": {"zoom": 0.1},
    "randaugment": {"randaugment": 1},
    "trivial_augment": {"trivial_augment": True},
    "color_jitter": {"color_jitter": {"brightness": 0.4}},
    "resized_crop": {"resized_crop": 0.2},
    "grayscale": {"grayscale": 0.5},
    "erasing": {"erasing": 0.7},
    "mixed": {"mixup": 1.0},
}


@pytest.mark.parametrize("recipe", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("kind", ["channel", "pixel_mean"])
def test_a_batch_is_augmented_by_the_columns_that_it_reads_and_no_others(
    kind: Normalizing, recipe: dict[str, Any]
) -> None:
    images, augmentation = some_images(20, 3, 8, 8), Augmentation.model_validate(recipe)
    normalization = Normalization.fit(kind, images)
    drawn, read = words(1, 20) | offsets(20), columns_read(augmentation)
    few = {name: drawn[name] for name in read}
    whole = augmented(images, drawn, augmentation, normalization)
    assert torch.equal(augmented(images, few, augmentation, normalization), whole)
    for name in read:  # each of them changes something
        other = few | {name: few[name].roll(1)}
        moves = name not in ("shear", "zoom", "rotation") or recipe.get(name)
        changed = not torch.equal(augmented(images, other, augmentation, normalization), whole)
        assert changed == bool(moves)


PLAIN = ("crop", "crop, reflected", "flip", "cutout", "turned", "sheared", "zoomed")


@pytest.mark.parametrize("recipe", PLAIN)
@pytest.mark.parametrize("kind", ["channel", "pixel_mean"])
def test_plain_augmentation_reads_nothing_from_its_device(kind: Normalizing, recipe: str) -> None:
    """Tensors of FakeTensorMode have shapes and no numbers: to read one fails."""
    augmentation = Augmentation.model_validate(ASKED[recipe])
    fitted = Normalization.fit(kind, some_images(20, 3, 8, 8))
    with FakeTensorMode() as mode:
        images = torch.zeros(20, 3, 8, 8, dtype=torch.uint8)
        draws = dict.fromkeys(columns_read(augmentation), torch.zeros(20, dtype=torch.int64))
        moments = map(mode.from_tensor, (fitted.mean, fitted.std))
        batch = augmented(images, draws, augmentation, Normalization(kind, *moments))
        assert (batch.shape, batch.dtype) == (images.shape, torch.float32)
        assert batch.is_contiguous()


# Cutout


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    side=st.integers(0, 5).map(lambda half: 2 * half),
    seed=st.integers(0, 1000),
)
def test_cutouts_box_is_that_of_the_authors_code(
    shape: tuple[int, int, int, int], side: int, seed: int
) -> None:
    """DeVries & Taylor 2017: rows clip(y - side // 2, 0, H) to clip(y + side // 2, 0, H)."""
    images, draws = some_images(*shape) + 1.0, all_draws(some_draws(shape[0], 0), seed)
    expected = images.clone()
    for image, *centre in zip(
        expected, draws["cut_y"].tolist(), draws["cut_x"].tolist(), strict=True
    ):
        middle = [draw * size >> 32 for draw, size in zip(centre, shape[2:], strict=True)]
        rows, columns = (slice(max(m - side // 2, 0), m + side // 2) for m in middle)
        image[:, rows, columns] = 0
    assert torch.equal(cutout(images, draws["cut_y"], draws["cut_x"], side), expected)


def test_cutout_cuts_to_the_mean_colour_at_places_anywhere() -> None:
    images = some_images(500, 3, 8, 8) // 2 + 100
    normalization = Normalization.fit("channel", images)
    still, middle = some_draws(500, 0), torch.ones(500, dtype=torch.int64)
    for crop in ({}, {"padding": "after_normalization"}, {"padding": "before_normalization"}):
        if crop:  # of what is padded by 1 the middle is the image itself
            crop, still = {**crop, "crop_padding": 1}, (middle, middle, still[2])
        recipe = Augmentation.model_validate({"cutout": 3, **crop})
        batch = augmented(images, all_draws(still), recipe, normalization)
        is_cut = (batch == 0).all(1)
        assert torch.equal(
            batch.masked_fill(is_cut[:, None], 1),
            normalization(images).masked_fill(is_cut[:, None], 1),
        )
        assert is_cut.any(0).all()
        assert set(is_cut.sum((1, 2)).tolist()) == {4, 6, 9}  # in a corner, at a border, within


# Rotation, shear and zoom


def words(seed: int, count: int = 12) -> Draws:
    """Draws of all columns, in [0, 2**32)."""
    generator = torch.manual_seed(seed)
    return {name: torch.randint(0, 2**32, (count,), generator=generator) for name in bounds(0)}


@settings(deadline=None, max_examples=30)
@given(
    side=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    rotation=st.floats(0, 180),
    shear=st.floats(0, 60),
    zoom=st.floats(0, 0.9),
    seed=st.integers(0, 1000),
)
def test_affine_is_torchvisions_image_by_image(
    side: tuple[int, int], rotation: float, shear: float, zoom: float, seed: int
) -> None:
    """Within one of 255 levels: where both round, sums in another order may round otherwise."""
    images, draws = some_images(12, 3, *side), words(seed)
    moved = affine(images, draws, Augmentation(rotation=rotation, shear=shear, zoom=zoom))
    assert moved.dtype == torch.uint8
    for image, done, *drawn in zip(
        images, moved, draws["rotation"], draws["shear"], draws["zoom"], strict=True
    ):
        turn, lean, size = (2 * int(word) / 2**32 - 1 for word in drawn)
        expected = vision.affine(
            image,
            angle=turn * rotation,
            translate=[0, 0],
            scale=1 + size * zoom,
            shear=[lean * shear, 0.0],
            interpolation=v2.InterpolationMode.BILINEAR,
        )
        assert (done.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("fill", ["zeros", "reflect", "edge"])
def test_draws_of_the_middle_leave_images_as_they_are(fill: str) -> None:
    images = some_images(4, 3, 9, 7)
    still = of_all(torch.full((4,), 2**31))
    recipe = {"rotation": 180.0, "shear": 80.0, "zoom": 0.5, "fill": fill}
    assert torch.equal(affine(images, still, Augmentation.model_validate(recipe)), images)


def test_an_image_of_one_pixel_stays_what_it_is() -> None:
    images = some_images(4, 3, 1, 1)
    recipe = Augmentation(rotation=90.0, zoom=0.5, fill="edge")
    assert torch.equal(affine(images, words(0, 4), recipe), images)


def test_beyond_the_image_is_black_or_its_edge_or_its_mirror_image() -> None:
    """At half the size, a row 0 … 7 is (0 + 1) / 2, (2 + 3) / 2 …, in the middle of a row twice as
    long; with evenly spaced values what is beyond follows from the fill alone."""
    images = (10 * torch.arange(8, dtype=torch.uint8)).expand(1, 1, 8, 8)
    small = of_all(torch.tensor([2**31])) | {"zoom": torch.tensor([0])}

    def row(fill: str) -> list[int]:
        recipe = Augmentation.model_validate({"zoom": 0.5, "fill": fill})
        moved: list[int] = affine(images, small, recipe)[0, 0, 3].tolist()
        return moved

    assert row("edge") == [0, 0, 5, 25, 45, 65, 70, 70]
    assert row("reflect") == [35, 15, 5, 25, 45, 65, 55, 35]
    assert row("zeros") == [0, 0, 5, 25, 45, 65, 0, 0]


# Transforms that draw by themselves

SEEDED: dict[str, tuple[dict[str, Any], Transform]] = {
    "randaugment": (
        {"randaugment": 3, "randaugment_magnitude": 15},
        RandAugment(num_ops=3, magnitude=15),
    ),
    "trivial_augment": ({"trivial_augment": True}, v2.TrivialAugmentWide()),
    "color_jitter": (
        {"color_jitter": {"brightness": 0.4, "contrast": 0.3, "saturation": 0.2, "hue": 0.1}},
        v2.ColorJitter(0.4, 0.3, 0.2, 0.1),
    ),
    "resized_crop": (
        {"resized_crop": 0.2},
        v2.RandomResizedCrop(9, scale=(0.2, 1.0), antialias=True),
    ),
    "grayscale": ({"grayscale": 0.5}, v2.RandomGrayscale(0.5)),
    "erasing": ({"erasing": 0.7}, v2.RandomErasing(0.7)),
}
ALL = OF_PIXELS | OF_NORMALIZED


def test_colours_are_changed_with_a_probability() -> None:
    """Of torchvision's RandomApply; at 1 nothing is drawn of it, as before there was one."""
    jitter = {"brightness": 0.4, "probability": 0.3}
    images, seeds = some_images(200, 3, 9, 9), torch.arange(200)
    change = OF_PIXELS["color_jitter"](Augmentation.model_validate({"color_jitter": jitter}))
    done = each_alone(images, seeds, change)
    kept = sum(torch.equal(a, b) for a, b in zip(images, done, strict=True))
    assert abs(kept - 140) < 5 * (200 * 0.3 * 0.7) ** 0.5  # five standard deviations


def made(name: str) -> Transform:
    return ALL[name](Augmentation.model_validate(SEEDED[name][0]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_a_seeded_transform_is_torchvisions_image_by_image(name: str, channels: int) -> None:
    images, seeds = some_images(20, channels, 9, 9), torch.arange(20) + 2**31
    if name in OF_NORMALIZED:
        images = images.float()
    batch = each_alone(images, seeds, made(name))
    assert batch.shape == images.shape and batch.dtype == images.dtype
    for image, seed, done in zip(images, seeds, batch, strict=True):
        torch.manual_seed(int(seed))
        assert torch.equal(SEEDED[name][1](image), done)
    assert (channels == 1 and name == "grayscale") or not torch.equal(batch, images)


@pytest.mark.parametrize("name", ALL)
def test_it_depends_on_an_images_own_seed_and_leaves_torchs_generator_alone(name: str) -> None:
    images, seeds = some_images(12, 3, 9, 9), torch.arange(12)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    whole = each_alone(images, seeds, made(name))
    assert torch.equal(torch.rand(3), expected)
    parts = [each_alone(images[i : i + 4], seeds[i : i + 4], made(name)) for i in (0, 4, 8)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("name", OF_PIXELS)
def test_those_of_pixels_come_first_and_the_rest_is_as_without_them(name: str) -> None:
    images, draws = some_images(12, 3, 8, 8), words(0) | offsets(12)
    normalization = Normalization.fit("pixel_mean", images)
    rest = {"crop_padding": 2, "flip": True, "cutout": 4, "rotation": 20.0, "erasing": 0.5}
    whole = Augmentation.model_validate({**rest, **SEEDED[name][0]})
    changed = each_alone(images, draws[name], made(name))
    assert torch.equal(
        augmented(images, draws, whole, normalization),
        augmented(changed, draws, Augmentation.model_validate(rest), normalization),
    )


def test_erasing_comes_last_and_erases_to_the_mean_colour() -> None:
    images, draws = some_images(12, 3, 8, 8), words(0) | offsets(12)
    normalization = Normalization.fit("channel", images)
    rest = Augmentation(crop_padding=2, flip=True, cutout=4)
    whole = augmented(images, draws, rest.model_copy(update={"erasing": 0.5}), normalization)
    before = augmented(images, draws, rest, normalization)
    assert torch.equal(each_alone(before, draws["erasing"], v2.RandomErasing(0.5)), whole)
    assert ((whole == before) | (whole == 0)).all() and not torch.equal(whole, before)


def offsets(count: int) -> dict[str, Tensor]:
    return dict(zip(("dy", "dx", "flip"), some_draws(count, 2), strict=True))


# Mixup and cutmix


def a_batch(count: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.manual_seed(0)
    images = torch.rand(count, 3, 8, 8, generator=generator, dtype=dtype)
    return images, torch.randint(0, 10, (count,), generator=generator)


def after_partner(batch: tuple[Tensor, Tensor], positions: range) -> tuple[Tensor, Tensor]:
    places = [positions.start - 1, *positions]
    return batch[0][places], batch[1][places]


MIXES = [Augmentation(mixup=0.4), Augmentation(cutmix=1.0), Augmentation(mixup=1.0, cutmix=1.0)]


@settings(deadline=None, max_examples=40)
@given(
    recipe=st.sampled_from(MIXES),
    share=st.integers(1, 4),
    ranks=st.integers(1, 4),
    seed=st.integers(0, 2**64 - 1),
)
def test_the_ranks_mixed_batches_are_the_global_one(
    recipe: Augmentation, share: int, ranks: int, seed: int
) -> None:
    batch = a_batch(share * ranks)
    slices = [range(rank * share, (rank + 1) * share) for rank in range(ranks)]
    parts = [mixed(*after_partner(batch, part), 10, seed, recipe) for part in slices]
    whole = mixed(*after_partner(batch, range(share * ranks)), 10, seed, recipe)
    for joined, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(joined), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "recipe"), [(MixUp, MIXES[0]), (CutMix, MIXES[1])])
def test_a_whole_batch_is_mixed_as_torchvision_mixes_it(
    kind: Callable[..., Callable[..., tuple[Tensor, Tensor]]],
    recipe: Augmentation,
    dtype: torch.dtype,
) -> None:
    batch = a_batch(16, dtype)
    images, probabilities = mixed(*after_partner(batch, range(16)), 10, 3, recipe)
    torch.manual_seed(3)
    torch.multinomial(torch.tensor([1.0]), 1)  # the choice between one
    expected = kind(alpha=recipe.mixup or recipe.cutmix, num_classes=10)(*batch)
    assert torch.equal(images, expected[0])
    assert torch.equal(probabilities, expected[1].to(dtype))
    assert images.dtype == probabilities.dtype == dtype


def test_mixup_is_lambda_of_an_image_and_of_its_target() -> None:
    """Zhang 2018, Sec. 2: λ x + (1 - λ) x', λ y + (1 - λ) y'."""
    images, targets = a_batch(16, torch.float64)
    places = after_partner((images, targets), range(16))
    for seed in range(20):
        mixtures, probabilities = mixed(*places, 10, seed, MIXES[0])
        differs = targets != targets.roll(1)
        share = probabilities[range(16), targets][differs][0]
        expected = share * images + (1 - share) * images.roll(1, 0)
        torch.testing.assert_close(mixtures, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(16).double())


def test_the_shares_of_mixup_are_beta_distributed() -> None:
    """Beta(α, α) has mean 1/2 and variance 1 / (4 (2α + 1)): 1/12 for α = 1."""
    batch = torch.rand(2, 1, 1, 1), torch.tensor([0, 1])
    shares = torch.stack(
        [mixed(*batch, 2, seed, Augmentation(mixup=1.0))[1][0, 1] for seed in range(1000)]
    )
    assert abs(shares.mean() - 1 / 2) < 5 * (1 / 12 / 1000) ** 0.5
    assert abs(shares.var() - 1 / 12) < 5 * (1 / 180 / 1000) ** 0.5


def test_cutmix_shares_targets_by_area_and_a_coin_chooses_between_the_two() -> None:
    """Yun 2019, Sec. 3.1."""
    batch = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.tensor([0, 1])
    boxes = 0
    for seed in range(200):
        image, probabilities = mixed(*batch, 2, seed, MIXES[2])
        torch.testing.assert_close(image.mean(), probabilities[0, 1])
        boxes += bool(((image == 0) | (image == 1)).all())
    assert 100 - 5 * 50**0.5 < boxes < 100 + 5 * 50**0.5
