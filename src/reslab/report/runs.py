"""A plan and its run folders as values: what the table, the figure and the status read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config import RunConfig, flatten, read_run
from reslab.papers import Published, Views, cell

Plan = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One run folder; the result is None until the run is final."""

    folder: Path
    state: store.State
    result: dict[str, Any] | None

    @cached_property
    def config(self) -> RunConfig | None:
        """What was run; None where the folder has not been made."""
        path = self.folder / store.CONFIG
        return read_run(path) if path.exists() else None

    @cached_property
    def starts(self) -> list[dict[str, Any]]:
        """What each start of the run was made with."""
        return list(store.read_json(self.folder / store.ENV) or [])

    @cached_property
    def metrics(self) -> list[store.Row]:
        """All rows of metrics, errors in per cent."""
        return store.read_metrics(self.folder)

    @cached_property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Results on several views of each test image, by the views' name."""
        return store.read_evaluations(self.folder)

    def score(self, split: str, views: Views = "single") -> Mapping[str, Any] | None:
        """What `result.json` says of a split, or an evaluation of the test split on other views.

        None where the run has not trained to its end, or was not evaluated so.
        """
        if self.state != "done" or self.result is None:
            return None
        return self.result[split] if views == "single" else self.evaluations.get(views)

    @property
    def is_final(self) -> bool:
        """Whether the run is done or diverged."""
        return self.result is not None


@dataclass(frozen=True)
class Variant:
    """One row of an experiment: a difference from the base, its runs, its published number."""

    label: str
    difference: dict[str, Any]
    params: int
    multiply_adds: int
    note: str | None
    published: Published | None
    runs: tuple[Run, ...]

    @cached_property
    def config(self) -> RunConfig | None:
        """What its runs have in common, from the first that there is; only the seed differs."""
        return next((run.config for run in self.runs if run.config is not None), None)

    def errors(
        self, split: str, views: Views = "single", metric: str = "top1_error"
    ) -> list[float]:
        """Final errors, in per cent, of the runs that trained and have them.

        `split` is train or test, `metric` top1_error or top5_error.
        """
        scores = (run.score(split, views) for run in self.runs)
        return [score[metric] for score in scores if score is not None and metric in score]

    def count(self, *states: store.State) -> int:
        """How many runs are in one of these states."""
        return sum(run.state in states for run in self.runs)


def read_variants(plan: Plan, folder: Path) -> list[Variant]:
    """The variants of a plan with what is in their run folders under `folder`."""
    return [
        Variant(
            label=variant["label"],
            difference=flatten(variant["difference"]),
            params=variant["params"],
            multiply_adds=variant["multiply_adds"],
            note=variant.get("note"),
            published=_published(variant.get("published")),
            runs=tuple(_read(folder / name) for name in variant["runs"]),
        )
        for variant in plan["variants"]
    ]


def _published(place: Mapping[str, Any] | None) -> Published | None:
    return cell(place["table"], place["row"], place.get("column")) if place else None


def _read(folder: Path) -> Run:
    """A run whose state and result agree, even if it ends while it is read."""
    state = store.state(folder)
    return Run(folder, state, store.read_result(folder) if state in store.FINAL else None)
