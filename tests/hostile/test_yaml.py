"""Mutated experiments, recipes and runs: read, or refused in a short message."""

from functools import partial
from pathlib import Path

import pytest
from tests.configs.shipped import EXPERIMENTS, RECIPES
from tests.hostile.conftest import Main
from tests.hostile.guard import outcome
from tests.hostile.mutations import each, texts

from reslab.config.resolve import config_file, read_run
from reslab.config.strict_yaml import dump_yaml
from reslab.experiments.plan import read_plan_file
from reslab.store.plan import Options


def originals(kind: str) -> list[str]:
    """The shipped files, the shortest first: a failure is told by a short one."""
    names = {"experiments": EXPERIMENTS, "recipes": RECIPES}[kind]
    files = (config_file(kind, name) for name in names)
    return sorted(
        (file.read_text(encoding="utf-8") for file in files), key=lambda text: (len(text), text)
    )


def read(file: Path) -> None:
    """As training does."""
    read_run(file)


@pytest.mark.parametrize("cases", [80, pytest.param(3000, marks=pytest.mark.slow)])
def test_an_experiment_is_planned_or_refused(cases: int, place: Path, script: Main) -> None:
    file = place / "configs" / "experiments" / "hostile.yaml"

    def case(content: bytes) -> None:
        file.write_bytes(content)
        outcome(script("experiment", "run", "hostile", "--dry"), place)

    each(cases, texts(originals("experiments")), case)


@pytest.mark.parametrize("cases", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_recipe_is_read_or_refused(cases: int, place: Path, script: Main) -> None:
    file = place / "configs" / "recipes" / "hostile.yaml"
    words = ("train", "--model=resnet20", "--data=cifar10", "--recipe=hostile", "--dry")

    def case(content: bytes) -> None:
        file.write_bytes(content)
        outcome(script("experiment", *words), place)

    each(cases, texts(originals("recipes")), case)


@pytest.mark.parametrize("cases", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_run_is_read_or_refused(cases: int, place: Path) -> None:
    file = place / "config.yaml"
    plan = read_plan_file("quickstart", Options())
    runs = [dump_yaml(v.configs[0].model_dump(mode="json")) for v in plan.variants]

    def case(content: bytes) -> None:
        file.write_bytes(content)
        outcome(partial(read, file), place)

    each(cases, texts(runs), case)
