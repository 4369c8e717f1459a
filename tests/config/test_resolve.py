"""From what people write to runs: names expand, shapes follow the data, mistakes are located."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from reslab.config.resolve import config_file, read_run, resolve
from reslab.config.strict_yaml import dump_yaml, load_yaml
from reslab.config.trees import merge
from reslab.config.zoo import describe
from reslab.errors import UserError

RUN = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def refusal(tree: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        resolve(tree, "file.yaml")
    return str(caught.value)


# ---- names --------------------------------------------------------------------------------------


def test_a_name_expands_to_a_description() -> None:
    assert resolve(RUN, "here").model == describe("resnet20")


def test_fields_beside_a_name_are_laid_over_its_description() -> None:
    config = resolve(merge(RUN, {"model.shortcut": "C", "recipe.optimizer.lr": 0.05}), "here")
    assert config.model == describe("resnet20").model_copy(update={"shortcut": "C"})
    assert config.recipe.optimizer.lr == 0.05
    assert config.recipe.optimizer.momentum == 0.9


def test_names_expand_after_merging() -> None:
    """An override's name replaces the base's; what the base says beside it stays."""
    base = {**RUN, "model": {"name": "resnet20", "shortcut": "C"}}
    config = resolve(merge(base, {"model": "resnet56"}), "here")
    assert config.model == describe("resnet56").model_copy(update={"shortcut": "C"})


def test_dotted_keys_need_no_override_to_be_read() -> None:
    dotted = {"model.name": "resnet20", "data.name": "cifar10", "recipe.name": "he2015_cifar"}
    assert resolve(dotted, "here") == resolve(RUN, "here")


@pytest.mark.parametrize(
    ("data", "in_channels", "classes"),
    [("digits", 1, 10), ("mnist", 1, 10), ("cifar10", 3, 10), ("cifar100", 3, 100)],
)
@pytest.mark.parametrize("model", ["resnet20", "resnet8_w8", "resnet18"])
def test_channels_and_classes_follow_the_data(
    model: str, data: str, in_channels: int, classes: int
) -> None:
    net = resolve({"model": model, "data": data, "recipe": "digits"}, "here").model
    assert (net.in_channels, net.classes) == (in_channels, classes)


def test_what_is_written_to_a_run_folder_is_read_back(tmp_path: Path) -> None:
    config = resolve({**RUN, "seed": 3, "budget": 0.02, "precision": "tf32"}, "here")
    file = tmp_path / "config.yaml"
    file.write_text(dump_yaml(config.model_dump(mode="json")))
    assert read_run(file) == config
    assert read_run(file).run_id == config.run_id


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["model", "data", "recipe"])
def test_a_part_that_is_missing_is_named_once(part: str) -> None:
    tree = {key: value for key, value in RUN.items() if key != part}
    assert refusal(tree) == f"file.yaml: {part}: is missing; expected a name or a mapping"


def test_a_name_that_is_near_none_is_answered_with_how_they_are_listed() -> None:
    """`make help-all` ends with the experiments (tests/test_repository_make.py)."""
    with pytest.raises(UserError, match=r"to list them: make help-all$"):
        config_file("experiments", "zzz")


def test_a_mistake_in_a_recipes_file_names_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "own.yaml").write_text("steps: 1\nsteps: 2\n")
    module = importlib.import_module("reslab.config.resolve")
    monkeypatch.setattr(module, "CONFIGS", tmp_path)
    assert "own.yaml, line 2: steps: stands here twice, as 1 and as 2" in refusal(
        {**RUN, "recipe": "own"}
    )


def test_a_recipe_is_checked_by_itself_and_told_with_its_own_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    file, shipped = tmp_path / "recipes" / "own.yaml", load_yaml(config_file("recipes", "digits"))
    monkeypatch.setattr(importlib.import_module("reslab.config.resolve"), "CONFIGS", tmp_path)
    for mistake, message in (
        ({"stepps": 3}, "stepps: no such field (got 3); did you mean steps?"),
        ({"optimizer.lr": 0}, "optimizer.lr: got 0; expected greater than 0"),
        ({"steps": 200}, "schedule.milestones: 300 is not before the last step (steps: 200)"),
    ):
        file.write_text(dump_yaml(merge(shipped, mistake)))
        assert refusal({**RUN, "recipe": "own"}) == f"configs/recipes/own.yaml: {message}"
    file.write_text("{steps: 3, schedule.name: constant, schedule: {name: cosine}}")
    text = refusal({**RUN, "recipe": "own"})
    assert text.startswith("configs/recipes/own.yaml: schedule.name: stands here twice")


def test_the_same_key_both_dotted_and_nested_is_refused() -> None:
    tree = {**RUN, "recipe.steps": 5, "seed": 1}
    assert resolve({**tree, "recipe.steps": 64_001}, "here").recipe.steps == 64_001
    text = refusal({**tree, "recipe": {"name": "he2015_cifar", "steps": 4}})
    assert text == "file.yaml: recipe.steps: stands here twice, as 4 and as 5"
