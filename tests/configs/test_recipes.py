"""Every recipe is possible; one that ships is used, too, and says where its numbers are stated."""

import json
import re

import pytest
from tests.configs.shipped import EXPERIMENTS, RECIPES

from reslab.config.recipe import Recipe
from reslab.config.resolve import config_file, config_names, resolve
from reslab.config.strict_yaml import load_yaml


@pytest.mark.parametrize("name", config_names("recipes"))
def test_a_recipe_is_possible(name: str) -> None:
    assert Recipe.model_validate_json(json.dumps(load_yaml(config_file("recipes", name))))


@pytest.mark.parametrize("name", RECIPES)
def test_some_shipped_experiment_uses_a_shipped_recipe(name: str) -> None:
    files = [config_file("experiments", each).read_text(encoding="utf-8") for each in EXPERIMENTS]
    assert any(re.search(rf"\b{name}\b", text) for text in files)


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_resolves(name: str) -> None:
    tree = load_yaml(config_file("recipes", name))
    data = "imagenet" if "photographs" in tree else "cifar10"
    start = "akamaster:resnet20" if tree["normalization"] == "start" else "none"
    colour = resolve({"model": "resnet20", "data": data, "recipe": name, "start": start}, name)
    assert colour.scaled_recipe == colour.recipe


SOURCE = re.compile(
    r"Sec\. \d|Table|appendix|code|README|presets\.py|train\.py|fb\.resnet\.torch|"
    "from memory|assumed|this repository"
)
"""How a recipe says where a number is stated."""


def test_every_line_of_a_recipe_that_holds_a_number_says_where_it_is_stated() -> None:
    unsourced = []
    for name in RECIPES:
        file = config_file("recipes", name)
        for i, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            setting, _, comment = line.partition("#")
            if re.search(r"\d", setting.partition(":")[2]) and not SOURCE.search(comment):
                unsourced.append(f"{file.name}, line {i}: {line}")
    assert unsourced == []
