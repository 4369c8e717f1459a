"""Mistakes in what people write are told with their place, their value and what is allowed."""

from typing import Any

import pytest

from reslab.config.resolve import config_file, resolve
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import merge
from reslab.errors import UserError

RUN = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def refusal(tree: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        resolve(tree, "file.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"model.shortcut": "E"}, "model.shortcut: got 'E'; expected 'none', 'A', 'B'"),
        ({"model.shortcu": "C"}, "model.shortcu: no such field (got 'C'); did you mean shortcut"),
        ({"modle": "resnet20"}, "modle: no such field (got 'resnet20'); did you mean model?"),
        ({"model": "resnet21"}, "model: no net is called 'resnet21'; did you mean"),
        ({"model": {"name": 20}}, "model.name: got 20; expected a word"),
        ({"model": None}, "model: got null; expected a name or a mapping"),
        ({"model": ["resnet20"]}, "model: got ['resnet20']; expected a name or a mapping"),
        ({"model.units": 3}, "model.units: got 3; expected a list"),
        ({"model.units": [3, 3, "x"]}, "model.units.2: got 'x'; expected a valid integer"),
        (
            {"model.units": [1, 2]},
            "model.units: units, widths and strides need one entry per stage",
        ),
        ({"data": "cifra10"}, "data.name: got 'cifra10'; expected 'digits', 'mnist'"),
        ({"data.name": ["x"]}, "data.name: got ['x']; expected a word"),
        ({"data.holdout": 60_000}, "data.holdout: 60000 must leave training images; cifar10"),
        (
            {"recipe": "he2015"},
            "recipe: configs/recipes has no 'he2015'; did you mean he2015_cifar",
        ),
        ({"recipe.name": True}, "recipe.name: got true; expected a word"),
        ({"recipe": "../x"}, "recipe: configs/recipes has no '../x'"),
        ({"recipe.optimizer": 5}, "recipe.optimizer: got 5; expected a mapping"),
        (
            {"recipe.optimizer.lr": "high"},
            "recipe.optimizer.lr: got 'high'; expected a valid number",
        ),
        ({"recipe.optimizer.lr": 0}, "recipe.optimizer.lr: got 0; expected greater than 0"),
        (
            {"recipe.augmentation.flip": "yes"},
            "recipe.augmentation.flip: got 'yes'; expected a valid",
        ),
        ({"recipe.schedule.name": "linear"}, "recipe.schedule.name: got 'linear'; expected 'step'"),
        ({"recipe.steps": 100}, "recipe.schedule.milestones: 48000 is not before the last"),
        ({"recipe.steps": 10**26}, "recipe.steps: got 100000000000000000000000000; expected less"),
        ({"budget": 1e300}, "budget: 1e+300 times 64,000 steps; expected at most 1,000,000,000"),
        ({"recipe.augmentation.crop_padding": 300}, "recipe.augmentation.crop_padding: 300; expec"),
        ({"recipe.optimizer.betas": [0.9, None]}, "recipe.optimizer.betas.1: got null; expected"),
        ({"recipe.steps": 1e5}, "recipe.steps: got 100000.0; expected a valid integer"),
        ({"recipe.batch_size": 60_000}, "recipe.batch_size: 60000 exceeds the 50000 training"),
        ({"seed": True}, "seed: got true; expected a valid integer"),
        ({"budget": float("inf")}, "budget: got inf; expected a finite number"),
    ],
    ids=str,
)
def test_a_mistake_is_named_with_its_place_its_value_and_what_is_allowed(
    override: dict[str, Any], message: str
) -> None:
    text = refusal(merge(RUN, override))
    assert text.startswith(f"file.yaml: {message}")
    assert "\n" not in text


def test_a_word_that_is_near_one_of_those_allowed_is_told_which() -> None:
    assert "; did you mean imagenette_mini" in refusal(merge(RUN, {"data": "imagenette-mini"}))
    assert "did you mean" not in refusal(merge(RUN, {"data": "svhn"}))


def test_a_field_that_is_missing_is_named() -> None:
    recipe = load_yaml(config_file("recipes", "digits"))
    del recipe["optimizer"]["lr"]
    assert refusal({**RUN, "recipe": recipe}) == "file.yaml: recipe.optimizer.lr: is missing"


def test_every_mistake_has_a_line() -> None:
    lines = refusal(merge(RUN, {"recipe.steps": "x", "precision": "16"})).splitlines()
    assert len(lines) == 2
    assert all(line.strip().startswith("file.yaml: ") for line in lines)


def test_a_word_that_is_no_field_is_refused_even_where_it_says_none() -> None:
    tree = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", "tutor": "none"}
    with pytest.raises(UserError, match="tutor: no such field"):
        resolve(tree, "here")
