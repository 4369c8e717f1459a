"""Normalisation: fitted to the training images as their papers say, and kept with the weights."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.data.images import some_images

from reslab.config.recipe import Normalizing
from reslab.data.normalize import FITS, Normalization, contrast_normalized
from reslab.data.sources import Source
from reslab.errors import UserError


@pytest.mark.process
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


@pytest.mark.process
def test_the_deviations_of_single_cifar10_images_are_those_of_much_code(
    official: Callable[[str], Source],
) -> None:
    """0.2023, 0.1994, 0.2010, as in Fixup's cifar_train.py."""
    std = Normalization.fit("channel_image_std", official("cifar10").train.images).std
    assert [round(value, 4) for value in std.flatten().tolist()] == [0.2023, 0.1994, 0.2010]


BY_CHANNEL = (0, 2, 3)
Pixels = npt.NDArray[np.float64]


@pytest.mark.parametrize(
    ("kind", "axes", "deviation"),
    [
        ("channel", BY_CHANNEL, lambda pixels: pixels.std(BY_CHANNEL).reshape(3, 1, 1)),
        ("channel_mean", BY_CHANNEL, lambda _: 1),
        (
            "channel_image_std",
            BY_CHANNEL,
            lambda pixels: pixels.std((2, 3), ddof=1).mean(0).reshape(3, 1, 1),
        ),
        ("pixel_mean", 0, lambda _: 1),
        ("pixel_mean_global_std", 0, lambda pixels: pixels.std()),
    ],
)
def test_a_fit_is_numpys_in_float64(
    kind: Normalizing, axes: int | tuple[int, ...], deviation: Callable[[Pixels], Pixels | float]
) -> None:
    images = some_images(2500, 3, 5, 4)
    fitted = Normalization.fit(kind, images)
    pixels = images.numpy().astype(np.float64) / 255
    mean = pixels.mean(axes).reshape(fitted.mean.shape)
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(fitted.std, np.broadcast_to(deviation(pixels), (3, 1, 1)), rtol=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_does_not_depend_on_the_number_of_threads(kind: Normalizing) -> None:
    """A whitening may in its last bits: it sums real numbers."""
    images = some_images(2500, 3, 8, 8)
    threads = torch.get_num_threads()
    fits = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            fits.append(Normalization.fit(kind, images))
    finally:
        torch.set_num_threads(threads)
    exact = {} if kind == "gcn_zca" else {"rtol": 0, "atol": 0}
    one, other = ({**fit.state(), "kind": 0} for fit in fits)
    torch.testing.assert_close(one, other, **exact)


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


@pytest.mark.parametrize("kind", ["pixel_mean", "gcn_zca"])
def test_a_checkpoint_gives_the_normalisation_back(kind: Normalizing, tmp_path) -> None:
    images = some_images(4, 3, 8, 8)
    normalization = Normalization.fit(kind, images)
    torch.save({"normalization": normalization.state()}, tmp_path / "x.ckpt")
    loaded = torch.load(tmp_path / "x.ckpt", weights_only=True)["normalization"]
    assert torch.equal(Normalization.from_state(loaded)(images), normalization(images))
    with pytest.raises(UserError, match=r"'whitened'; expected pixel_mean, .*, imagenet, none"):
        Normalization.from_state({**loaded, "kind": "whitened"})


# Whitening


def test_contrast_normalised_images_have_mean_0_and_norm_55() -> None:
    """pylearn2's global_contrast_normalize with scale 55; an even image has no contrast."""
    images = some_images(20, 3, 6, 5).double()
    images[3] = 77
    rows = contrast_normalized(images).flatten(1)
    expected = torch.full((20,), 55.0).double()
    expected[3] = 0
    torch.testing.assert_close(rows.norm(dim=1), expected)
    torch.testing.assert_close(rows.mean(1), torch.zeros(20).double())


def test_whitening_is_pylearn2s_zca() -> None:
    """The symmetric inverse root of the covariance plus 0.1 on its diagonal."""
    images = some_images(2500, 3, 4, 4)
    fitted = Normalization.fit("gcn_zca", images)
    rows = contrast_normalized(images.double()).flatten(1).numpy()
    covariance = np.cov(rows.T, bias=True)
    assert fitted.whitening is not None
    matrix = fitted.whitening.double().numpy()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    biased = covariance + 0.1 * np.eye(48)
    np.testing.assert_allclose(matrix @ biased @ matrix, np.eye(48), atol=1e-5)
    np.testing.assert_allclose(fitted.mean.flatten(), rows.mean(0), atol=1e-6)
    expected = (rows - rows.mean(0)) @ matrix
    np.testing.assert_allclose(fitted(images, torch.float64).flatten(1), expected, atol=1e-5)


@pytest.mark.slow
def test_whitened_cifar10_has_variance_1_where_it_had_much(
    official: Callable[[str], Source],
) -> None:
    """A direction of variance v keeps v / (v + 0.1)."""
    images = official("cifar10").train.images
    fitted = Normalization.fit("gcn_zca", images)
    rows = torch.cat([fitted(part).flatten(1) for part in images.split(1000)]).double()
    left = torch.linalg.eigvalsh(rows.T @ rows / len(rows))
    assert 0.999 < left[-1] < 1
    assert rows.mean(0).abs().max() < 1e-4
