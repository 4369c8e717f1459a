"""An experiment's YAML file: what may stand in it."""

import re
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from reslab import store
from reslab.config.description import Description, PositiveFloat
from reslab.config.problems import problems
from reslab.config.resolve import config_file, config_names
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import Tree, spelled
from reslab.errors import UserError
from reslab.store.plan import MOST_SEEDS


class Experiment(Description):
    """An experiment's file, before names are expanded; see docs/experiments.md."""

    title: str | None = None
    published: str | None = None
    """The table that the variants' rows are in, for example `he2015/table6`."""
    base: dict[str, Any] = {}
    seeds: list[int] = [0]
    """Which; in the file also how many (0, 1, …)."""
    variants: dict[str, Tree] = {}
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """Dotted paths and their values; their product is added to the variants."""

    margin: PositiveFloat | None = None
    """Points, within which a difference is none that matters."""
    baseline: str | None = None
    """The label that every other row is compared with; by default the first."""
    target: PositiveFloat | None = None
    """A test error in per cent, to which the time is measured."""
    times: dict[str, PositiveFloat] = {}
    """Published times to it, in seconds, by whose they are, and on what."""
    questions: Annotated[list[list[str]], Field(min_length=1)] | None = None
    """Instead: pairs of labels, the second of which is compared with the first."""

    @field_validator("questions")
    @classmethod
    def _pairs(cls, questions: list[list[str]] | None) -> list[list[str]] | None:
        for i, pair in enumerate(questions or ()):
            if len({*pair}) != 2 or len(pair) != 2 or pair in (questions or ())[:i]:
                told = f"got {spelled(pair)}; expected pairs of two labels, each pair once"
                raise ValueError(told)
        return questions

    @model_validator(mode="after")
    def _times_are_to_something(self) -> Self:
        if self.times and self.target is None:
            raise ValueError("times: is not read without target, the error that they are to")
        return self

    @model_validator(mode="after")
    def _one_way_to_compare(self) -> Self:
        if self.baseline is not None and self.questions is not None:
            told = f"baseline: {spelled(self.baseline)} is not read beside questions"
            raise ValueError(f"{told}, which say what is compared with what; leave one out")
        return self

    @field_validator("seeds", mode="before")
    @classmethod
    def _listed(cls, seeds: Any) -> list[int]:
        which = list(range(min(seeds, MOST_SEEDS + 1))) if type(seeds) is int else seeds
        if not isinstance(which, list) or not which:
            raise ValueError(f"got {spelled(seeds)}; expected how many (5) or which ([0, 3])")
        if len(which) > MOST_SEEDS:
            raise ValueError(f"got {spelled(seeds)}; expected at most {MOST_SEEDS:,}")
        if any(type(seed) is not int or seed < 0 for seed in which) or len({*which}) < len(which):
            raise ValueError(f"got {spelled(seeds)}; expected whole numbers from 0, each once")
        return which


def read_experiment(name: str) -> tuple[Experiment, str]:
    """The experiment of configs/experiments/<name>.yaml, and where it stands, for messages."""
    store.experiment_folder(name)  # refuses a path
    file = config_file("experiments", name)
    where = f"configs/experiments/{file.name}"
    return parse_experiment(load_yaml(file), where), where


def question(name: str) -> str | None:
    """What an experiment asks: its file's first comment, up to its source; None without a file."""
    if name not in config_names("experiments"):
        return None
    first = config_file("experiments", name).read_text(encoding="utf-8").partition("\n")[0]
    return re.split(r"   +", first.lstrip("# "))[0] if first.startswith("#") else None


def parse_experiment(tree: Tree, where: str) -> Experiment:
    """The experiment in a tree; `UserError` for unknown keys and wrong types."""
    try:
        experiment = Experiment.model_validate(tree)
    except ValidationError as error:
        raise UserError(problems(error, where, Experiment)) from None
    if not (experiment.variants or experiment.grid):
        raise UserError(f"{where}: variants: is missing; an experiment compares at least one")
    return experiment
