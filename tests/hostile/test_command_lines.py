"""Mutated command lines, through the scripts' own `main`s: understood, or refused in a line."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.hostile.conftest import Main
from tests.hostile.guard import outcome
from tests.hostile.mutations import HOSTILE, each

from reslab.config.data import Data, Photographs
from reslab.config.nets import DenseNet, ResNet
from reslab.config.recipe import Recipe
from reslab.config.run import RunConfig

WORDS = tuple(word for word in HOSTILE if "\0" not in word)

PATHS = [
    f"{part}{field}"
    for part, description in {
        "": RunConfig,
        "model.": ResNet,
        "model. ": DenseNet,
        "data.": Data,
        "recipe.": Recipe,
        "recipe.photographs.": Photographs,
        "recipe.optimizer.": Recipe.model_fields["optimizer"].annotation,
        "recipe.schedule.": Recipe.model_fields["schedule"].annotation,
        "recipe.augmentation.": Recipe.model_fields["augmentation"].annotation,
    }.items()
    for field in description.model_fields  # type: ignore[union-attr]
]
"""The fields of a run."""

settings = st.builds(
    "{}={}".format, st.sampled_from(PATHS) | st.sampled_from(WORDS), st.sampled_from(WORDS)
)


@pytest.mark.parametrize("cases", [80, pytest.param(2500, marks=pytest.mark.slow)])
def test_settings_are_laid_over_or_refused(cases: int, place: Path, script: Main) -> None:
    names = st.sampled_from(["quickstart", "mnist", "imagenette", "densenet"])

    def case(said: tuple[str, list[str]]) -> None:
        name, assignments = said
        words = [f"--set={assignment}" for assignment in assignments]
        outcome(script("experiment", "run", name, "--dry", *words), place)

    each(cases, st.tuples(names, st.lists(settings, min_size=1, max_size=3)), case)


LINES: dict[str, Sequence[Sequence[str]]] = {
    "experiment": [
        ["run", "quickstart", "--only=*8", "--budget=0.1", "--seeds=2", "--set=model.classes=10"],
        ["run", "wide", "--devices=1", "--micro-batch=8", "--slots-per-gpu=1", "--card=h100"],
        ["train", "--model=resnet20", "--data=digits", "--recipe=digits", "--sync-batchnorm"],
        ["status", "quickstart"],
        ["table", "quickstart"],
        ["figure", "quickstart"],
        ["compare", "quickstart", "mnist"],
    ],
    "models": [["resnet20"], ["resnet*", "--json"], ["--draw", "resnet20"]],
    "sync": [["quickstart", "--dry"]],
    "document": [["quickstart", "runs/README.md", "--images", "runs/images"]],
    "evaluate": [["runs/x", "--model", "resnet20", "--data=digits", "--views=ten_crop", "--json"]],
    "predict": [["a.png", "--weights", "runs/x", "--top=3", "--csv"]],
    "export": [["runs/x", "--to", "safetensors", "runs/x.safetensors"]],
    "prepare": [["imagefolder", "--folder", "data/x", "--shorter-side=160", "--workers=0"]],
    "train": [["runs/none.yaml", "--devices=1", "--micro-batch=2"]],
    "dashboard": [["nothing"]],
}
"""What people say. No file that is named is there, so that nothing is trained or decoded."""


@st.composite
def lines(draw: Callable[[Any], Any]) -> tuple[str, list[str]]:
    """A script and its words, of which one to three are others."""
    script = draw(st.sampled_from(sorted(LINES)))
    words = list(draw(st.sampled_from(LINES[script])))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(words)))
        hostile = draw(st.sampled_from(WORDS))
        old = words[place] if place < len(words) else ""
        option = old.partition("=")[0]
        new = draw(st.sampled_from([[hostile], [f"{option}={hostile}"], [old, hostile], []]))
        words[place : place + 1] = new
    return script, words


def dry(script: str, words: list[str]) -> list[str]:
    """The words, by which nothing is trained."""
    trains = script == "experiment" and bool({"run", "train"} & set(words))
    return [*words, "--dry"] if trains else words


@pytest.mark.parametrize("cases", [80, pytest.param(1500, marks=pytest.mark.slow)])
def test_a_command_line_is_understood_or_refused(cases: int, place: Path, script: Main) -> None:
    def case(said: tuple[str, list[str]]) -> None:
        name, words = said
        outcome(script(name, *dry(name, words)), place)

    each(cases, lines(), case)
