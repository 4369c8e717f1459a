"""The plan of an experiment: one frozen value. `plan.json` is its dump, and is read as the same.

Whoever plans knows what each run is; of a plan that was read it stands in the runs' folders.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, TypeAdapter

from reslab.config.description import NonNegativeInt, PositiveFloat
from reslab.config.run import RunConfig
from reslab.disk import Shape
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.store import names
from reslab.store.folder import FINAL, Became, State, became, experiment_folder, no_start
from reslab.text import quoted

PLAN = "plan.json"
PLANS = "plans"
"""The folder of those with words, in an experiment's."""

MOST_SEEDS = 1000
"""Of an experiment; the papers have ten at most."""


@dataclass(frozen=True)
class Options(Execution):
    """What the command line changes of an experiment, and how its runs are executed.

    `UserError` for numbers that are not above zero.
    """

    budget: float | None = None
    epochs: float | None = None
    seeds: int | None = None
    only: str | None = None
    set: tuple[str, ...] = ()
    plan: str | None = None
    """A name of its own for what these words make."""
    diagnostics: bool = False
    """Whether runs measure their nets, which changes nothing of them (`RunConfig.diagnostics`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "set", tuple(self.set))  # which a command line has as a list
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise UserError(f"BUDGET={self.budget:g}: expected a number above 0, for example 0.02")
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise UserError(f"EPOCHS={self.epochs:g}: expected a number above 0, for example 10")
        if self.epochs is not None and self.budget is not None:
            raise UserError(
                f"EPOCHS={self.epochs:g} and BUDGET={self.budget:g} both say how long; say one"
            )
        if self.seeds is not None and self.seeds < 1:
            raise UserError(f"SEEDS={self.seeds}: expected a whole number above 0")
        if self.seeds is not None and self.seeds > MOST_SEEDS:
            raise UserError(f"SEEDS={self.seeds:g}: expected at most {MOST_SEEDS:,}")
        if self.plan is not None and not names.OWN.fullmatch(self.plan):
            raise UserError(
                f"PLAN={quoted(self.plan)}: expected a name of letters, digits, '_', '-' and '.', "
                "at most 40, for example pilot"
            )


@dataclass(frozen=True)
class Pointer:
    """Where a published number stands: `paper/table`, its row, its column (None: the first)."""

    table: str
    row: str
    column: str | None = None


@dataclass(frozen=True)
class Run:
    """One run, as its folder's name tells it."""

    slug: str
    """The variant's."""
    seed: int
    run_id: str
    config: RunConfig | None = field(default=None, compare=False, repr=False)
    """What it is; None in a plan that was read."""
    own: str = ""
    """The name of its folder where somebody has given it one."""

    @classmethod
    def of(cls, slug: str, config: RunConfig) -> "Run":
        """The run of a variant that a config describes."""
        return cls(slug, config.seed, config.run_id, config)

    @classmethod
    def named(cls, name: Any) -> "Run":
        """The run whose folder has this name; `ValueError` for what is no such name."""
        found = re.fullmatch(r"([a-z0-9-]+)-s([0-9]+)-([0-9a-f]{10})", str(name))
        if found is None:
            raise ValueError("expected a run's folder, <variant>-s<seed>-<run_id>")
        return cls(found[1], int(found[2]), found[3])

    @property
    def name(self) -> str:
        """Its folder's."""
        return self.own or f"{self.slug}-s{self.seed}-{self.run_id}"


NamedRun = Annotated[Run, PlainValidator(Run.named), PlainSerializer(lambda run: run.name)]
"""In `plan.json`: a run's name alone."""


@dataclass(frozen=True)
class Variant:
    """One row of the table: a difference from the base, what its net costs, a run per seed."""

    label: str
    slug: str
    """The label as folders and W&B spell it."""
    difference: dict[str, Any]
    """Dotted paths and their values."""
    published: Pointer | None
    note: str | None
    params: NonNegativeInt
    multiply_adds: NonNegativeInt
    """For one image of the variant's data set."""
    runs: tuple[NamedRun, ...]

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """What its runs are; none in a plan that was read."""
        return tuple(run.config for run in self.runs if run.config is not None)


@dataclass(frozen=True)
class Plan:
    """An experiment with its options, expanded."""

    experiment: str
    title: str
    published: str | None
    """The table that the variants' rows are in, for example `he2015/table6`."""
    options: Options
    variants: tuple[Variant, ...]
    origins: tuple[Variant, ...] = ()
    """Runs that are no row's (of variants left out, of other seeds): others rest on them."""
    edges: dict[str, str] = field(default_factory=dict)
    """A run's name and that of the run which it starts from."""
    teachers: dict[str, str] = field(default_factory=dict)
    """A run's name and that of the run which it is taught by."""
    margin: PositiveFloat | None = None
    """Points, within which a difference is none that matters."""
    baseline: str | None = None
    """The label that the others are compared with; None: the first."""
    questions: tuple[tuple[str, str], ...] | None = None
    """Labels of which the second is compared with the first; None: each with the baseline."""
    target: PositiveFloat | None = None
    """A test error in per cent, to which the time is measured."""
    times: dict[str, PositiveFloat] = field(default_factory=dict)
    """Published times to it, in seconds, by whose they are."""
    place: Annotated[Path | None, Field(exclude=True)] = None
    """Its experiment's folder, where that is not runs/<experiment>."""
    at: Annotated[Path | None, Field(exclude=True)] = field(default=None, compare=False)
    """Where it was read."""

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """The questions as pairs of labels of its rows: a baseline, and what is compared with it.

        What ONLY leaves out is not asked.
        """
        labels = [variant.label for variant in self.variants]
        baseline = labels[:1] if self.baseline is None else [self.baseline]
        every = tuple((b, label) for b in baseline for label in labels if label != b)
        pairs = every if self.questions is None else self.questions
        return tuple(pair for pair in pairs if {*pair} <= {*labels})

    @property
    def folder(self) -> Path:
        """runs/<experiment>, but for a plan that was read elsewhere: where the runs are, those of
        all its plans."""
        return self.place or experiment_folder(self.experiment)

    @property
    def words(self) -> str:
        """What makes it another plan of its experiment, nothing in the plan without words."""
        return names.words_of(self.experiment, self.options)

    @property
    def name(self) -> str:
        """The experiment's and these: `quickstart@seeds=1`."""
        return names.joined(self.experiment, self.words)

    @property
    def home(self) -> Path:
        """Where `plan.json`, its table and its figures are: the plan without words beside the runs,
        every other in a folder of its own; of one that was read where that was."""
        own = self.folder / PLANS / self.words if self.words else self.folder
        return self.at or own

    @property
    def every(self) -> tuple[Variant, ...]:
        """Its rows, then those that others rest on."""
        return *self.variants, *self.origins

    @property
    def labels(self) -> dict[str, str]:
        """The variants' labels by their runs' ids."""
        return {run.run_id: variant.label for variant in self.every for run in variant.runs}

    def folders(self) -> list[Path]:
        """The runs' folders, variant by variant, then those that others rest on."""
        return [self.folder / run.name for variant in self.every for run in variant.runs]

    def runs(self) -> Iterator[tuple[Variant, Path, RunConfig]]:
        """What is to be run, and where: no run before those that it rests on, and the first seed
        of every variant before the second of any.

        Nothing in a plan that was read.
        """
        per_variant = [
            [(v, self.folder / run.name, run.config) for run in v.runs if run.config is not None]
            for v in (*self.origins, *self.variants)
        ]
        rows = chain.from_iterable(filter(None, row) for row in zip_longest(*per_variant))
        yield from sorted(rows, key=lambda row: len(self.ancestors(row[1].name)))

    def parents(self, name: str) -> dict[str, str]:
        """The runs that a run starts from, and is taught by, by the fields that say it."""
        said = {"start": self.edges, "teacher": self.teachers}
        return {field: edges[name] for field, edges in said.items() if name in edges}

    def ancestors(self, name: str) -> list[str]:
        """The runs that a run rests on: its parents, theirs, and so on."""
        found, new = dict[str, None](), [*self.parents(name).values()]
        while new:
            found |= dict.fromkeys(new)
            further = (parent for one in new for parent in self.parents(one).values())
            new = [one for one in further if one not in found]
        return list(found)

    def became(self, name: str) -> Became:
        """What has become of a run; of one that has not begun, whether it can."""
        own = became(self.folder / name)
        if own.state in (*FINAL, "running", "damaged"):
            return own
        parents = self.parents(name).values()
        found = [_after(self.folder / one, self.state(one)) for one in parents]
        kept: tuple[State, ...] = ("blocked", "waiting")
        return Became(next((state for state in kept if state in found), own.state))

    def state(self, name: str) -> State:
        """The same in a word."""
        return self.became(name).state

    def states(self) -> list[State]:
        """What has become of all its runs."""
        return [self.state(run.name) for variant in self.every for run in variant.runs]


def _after(parent: Path, became: State) -> State | None:
    """What a run is that rests on another; None where nothing keeps it from beginning."""
    if no_start(parent, became) or became in ("crashed", "blocked"):
        return "blocked"
    return None if became == "done" else "waiting"


SHAPE: Shape = TypeAdapter(Plan)
