"""From what people write to runs: names expand, shapes follow the data, mistakes are located."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from reslab.config.resolve import config_file, read_run, resolve
from reslab.config.strict_yaml import dump_yaml, load_yaml, merge
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


@pytest.mark.parametrize("part", ["model", "data", "recipe"])
def test_a_part_that_is_missing_is_named_once(part: str) -> None:
    tree = {key: value for key, value in RUN.items() if key != part}
    assert refusal(tree) == f"file.yaml: {part}: is missing; expected a name or a mapping"


def test_a_name_that_is_near_none_is_answered_with_how_they_are_listed() -> None:
    """`make help-all` ends with the experiments (tests/test_repository_make.py)."""
    with pytest.raises(UserError, match=r"to list them: make help-all$"):
        config_file("experiments", "zzz")


def test_a_field_that_is_missing_is_named() -> None:
    recipe = load_yaml(config_file("recipes", "digits"))
    del recipe["optimizer"]["lr"]
    assert refusal({**RUN, "recipe": recipe}) == "file.yaml: recipe.optimizer.lr: is missing"


def test_every_mistake_has_a_line() -> None:
    lines = refusal(merge(RUN, {"recipe.steps": "x", "precision": "16"})).splitlines()
    assert len(lines) == 2
    assert all(line.strip().startswith("file.yaml: ") for line in lines)


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


def test_a_word_that_is_no_field_is_refused_even_where_it_says_none() -> None:
    tree = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", "tutor": "none"}
    with pytest.raises(UserError, match="tutor: no such field"):
        resolve(tree, "here")
