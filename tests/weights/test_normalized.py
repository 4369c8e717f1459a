"""What a start's images were normalised with: the file says it, or its name, digest or net."""

from pathlib import Path
from typing import Any

import pytest
import torch

from reslab.config.public_weights import TABLE
from reslab.config.recipe import IMAGENET
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.weights.about import About
from reslab.weights.files import Weights
from reslab.weights.normalized import known_normalization, of_architecture, start_normalization
from reslab.weights.sources import Origin

SHA = "0123456789abcdef" * 4
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""timm's of EfficientNet-Lite (TensorFlow's own)."""


def run(model: str, data: str = "cifar10", **start: Any) -> RunConfig:
    recipe = {"cifar10": "he2015_cifar", "mnist": "mnist"}.get(data, "imagenette")
    start = start or {"url": "https://example.org/a.pth", "sha256": SHA}
    tree = {"model": model, "data": data, "recipe": recipe, "start": start}
    return resolve(merge(tree, {"recipe.normalization": "start"}), "a run")


def found(config: RunConfig, digest: str = SHA, about: About | None = None) -> Any:
    origin, weights = Origin("a file", Path("a.pth"), digest), Weights({}, about)
    assert config.start is not None
    normalization = known_normalization(config.start, config.model, origin, weights)
    return normalization and tuple(
        tuple(round(float(x), 6) for x in n.flatten())
        for n in (normalization.mean, normalization.std)
    )


def test_a_published_name_says_it() -> None:
    assert found(run("resnet20", name="akamaster:resnet20")) == IMAGENET
    assert found(run("resnet50", name="torchvision:ResNet50_Weights.IMAGENET1K_V2")) == IMAGENET
    assert found(run("resnet20", name="timm:tf_efficientnet_lite0.in1k")) == HALF


def test_a_file_that_is_a_published_one_is_known_by_its_digest() -> None:
    assert found(run("resnet20"), TABLE["akamaster:resnet20"].digest) == IMAGENET
    assert found(run("resnet20"), SHA) is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("timm:tf_efficientnet_lite0", HALF),
        ("torchvision:mobilenet_v2", IMAGENET),
        ("resnet50", IMAGENET),
        ("seresnet50", IMAGENET),
        ("resnet20", None),
    ],
)
def test_of_others_the_architecture_says_it(model: str, expected: Any) -> None:
    assert of_architecture(run(model).model) == expected


def test_what_nobody_knows_is_refused_with_the_words_to_say() -> None:
    config = run("resnet20")
    with pytest.raises(
        UserError, match=r"does not say .*recipe\.normalization: imagenet, or {mean"
    ):
        start_normalization(config, Origin("a.pth", Path("a.pth"), SHA), Weights({}, None))


def test_grey_images_take_the_mean_over_colours() -> None:
    config = run("resnet20", "mnist", name="akamaster:resnet20")
    told = start_normalization(config, Origin("a", Path("a"), SHA), Weights({}, None))
    mean, std = (sum(numbers) / 3 for numbers in IMAGENET)
    assert (told.mean.item(), told.std.item()) == pytest.approx((mean, std))


def test_our_own_file_says_it_bit_for_bit_and_a_mean_image_of_another_size_is_refused() -> None:
    config = run("resnet20")
    own = Normalization("pixel_mean", torch.rand(3, 32, 32), torch.ones(1, 1, 1))
    about = About(config, own, tuple("abcdefghij"))
    origin = Origin("our.safetensors", Path("our.safetensors"), SHA)
    assert start_normalization(config, origin, Weights({}, about)) is own
    photographs = run("resnet18", "imagenette_mini")
    with pytest.raises(UserError, match=r"start is that of our\.safetensors: .*mean is 3×32×32"):
        start_normalization(photographs, origin, Weights({}, about))
