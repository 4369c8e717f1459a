"""What is said of somebody else's weights gives them a normalisation and names of classes."""

from pathlib import Path

import pytest
import torch

from reslab.config.datasets import imagenet_wnids
from reslab.config.resolve import resolve_use
from reslab.config.use import Use
from reslab.data.normalize import Normalization
from reslab.data.sources import open_source
from reslab.errors import UserError
from reslab.inference.trained import trained
from reslab.weights.about import About
from reslab.weights.given import Given
from reslab.weights.meaning import meaning, normalizer

FILE = Path("net.pth")


def of(model: str = "resnet8_w8", normalization: str = "none", data: str | None = None) -> About:
    return meaning(FILE, None, Given(model, data, normalization))


def test_numbers_are_taken_as_they_are_said() -> None:
    three = of("resnet20", "mean=0.4914,0.4822,0.4465,std=0.2470,0.2435,0.2616").normalization
    assert three.mean.flatten().tolist() == pytest.approx([0.4914, 0.4822, 0.4465])
    one = of("resnet20", "mean=0.5,std=0.25").normalization
    grey = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    assert torch.equal(one(grey), torch.full((1, 3, 32, 32), 2.0))


def test_a_kind_is_fitted_on_the_data_that_are_said() -> None:
    fitted = of(normalization="channel", data="digits").normalization
    expected = Normalization.fit("channel", open_source("digits").train.images)
    assert torch.equal(fitted.mean, expected.mean) and torch.equal(fitted.std, expected.std)


def test_classes_are_named_by_the_data_else_by_numbers() -> None:
    assert of("resnet18", "imagenet", "imagenet").class_names == imagenet_wnids()
    assert of(data="digits").class_names == tuple("0123456789")
    assert of("resnet18", "imagenet").class_names == tuple(map(str, range(1000)))


def test_what_a_file_says_stays_where_nothing_is_said(digit_weights: Path) -> None:
    about = trained(digit_weights)[1]
    assert meaning(FILE, about, Given()) is about
    other = meaning(FILE, about, Given(normalization="none"))
    assert other.config == about.config and other.class_names == about.class_names
    assert other.normalization.kind == "none"
    changed = meaning(FILE, about, Given(sets=("model.shortcut=B",)))
    assert isinstance(changed.config, Use) and changed.class_names == about.class_names


@pytest.mark.parametrize(
    ("word", "data", "message"),
    [
        (None, "digits", "net.pth does not say its normalization; add --normalization"),
        ("chanel", "digits", "--normalization: got 'chanel'; did you mean channel"),
        ("channel", None, "channel is fitted on training images; add --data NAME, or say it in n"),
        ("imagenet", "digits", "--normalization imagenet is for colour; digits is grey"),
        ("mean=0.5,std=x", "digits", "--normalization: got 'x'; expected numbers"),
        ("mean=0.5,std=0", "digits", "std is not above 0"),
        ("mean=nan,std=1", "digits", "mean is not all finite"),
        ("mean=0,0,0,std=1", "digits", "mean is 3×1×1; the images are 1×8×8"),
    ],
)
def test_what_cannot_normalise_is_refused(word: str | None, data: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        meaning(FILE, None, Given("resnet8_w8", data, word))
    assert message in str(caught.value)


def test_an_evaluation_fits_a_kind_itself() -> None:
    use = resolve_use({"model": "resnet8_w8", "data": "digits"}, "here")
    assert normalizer(FILE, None, Given(normalization="channel"), use) == "channel"
