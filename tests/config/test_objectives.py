"""What a net is trained for: a word or a mapping, and what it does not read."""

from typing import Any

import pytest

from reslab.config.objectives import Objective
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.errors import UserError

DIGITS = {"model": "resnet8_w8", "data": "digits", "recipe": "digits"}
VIEWS = {"model": "resnet20", "data": "cifar10", "recipe": "simsiam_cifar"}


def run(**overrides: Any) -> RunConfig:
    return resolve(merge(VIEWS, {k.replace("__", "."): v for k, v in overrides.items()}), "here")


def test_classes_are_the_default_and_change_no_id() -> None:
    plain = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}
    said = {**plain, "recipe": {"name": "he2015_cifar", "objective": "classes"}}
    assert resolve(said, "here").run_id == resolve(plain, "here").run_id
    assert Objective().is_of_classes and not Objective().sees_twice


def test_a_word_is_short_for_an_objective_that_says_no_more() -> None:
    short, long = (
        run(recipe__objective=o) for o in ("simsiam", {"name": "simsiam", "width": 2048})
    )
    assert short == long and short.recipe.objective.sees_twice
    assert run(recipe__objective__width=64).run_id != run().run_id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe__label_smoothing": 0.1}, "label_smoothing: 0.1 is not read: simsiam"),
        ({"recipe__loss": "kd", "teacher": "akamaster:resnet56"}, "loss: kd is not read: simsiam"),
        ({"recipe__augmentation__mixup": 0.2}, "mixup and cutmix mix targets"),
        ({"model": "timm:resnet18"}, "simsiam reads what a net's last layer reads"),
        ({"trains": "norms"}, "trains: norms is for a run after it"),
        ({"adapter": "parallel"}, "adapter.name: parallel is for a run after it"),
        ({"data__holdout": 5000, "data__tested_on": "test", "data__selected_on": "holdout"},
         "has no held-out error; data.selected_on"),
        ({"recipe__loss": "kd"}, "kd is not read: simsiam has a loss of its own; leave it out"),
        ({"recipe__objective": "classes"}, "is not read with name: 'classes'"),
        ({"recipe__objective": "simclr"}, "expected 'classes' or 'simsiam'"),
    ],
)  # fmt: skip
def test_what_an_objective_does_not_read_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(**change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe.augmentation.grayscale": 0.2}, "digits is grey already"),
        (
            {"recipe.augmentation.color_jitter.probability": 0.5},
            "probability: 0.5 is not read",
        ),
    ],
)
def test_colours_of_grey_images_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve(
            merge({"model": "resnet8_w8", "data": "digits", "recipe": "digits"}, change), "here"
        )


def test_photographs_are_cropped_by_their_own_field() -> None:
    with pytest.raises(UserError, match=r"of photographs say photographs.crop: area"):
        run(
            data="imagenette_mini",
            model="resnet18",
            recipe={"name": "simsiam_photographs", "augmentation.resized_crop": 0.2},
        )
