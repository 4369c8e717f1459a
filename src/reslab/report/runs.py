"""What became of a plan's runs, as values: what the table, the figure and the status read."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from reslab import disk, store
from reslab.config.run import RunConfig
from reslab.config.trains import ALL
from reslab.errors import UserError
from reslab.papers.published import Published, cell
from reslab.papers.schema import Views
from reslab.report.statistics import Summary, summarize
from reslab.store import records
from reslab.store.answers import Answers, read_answers
from reslab.store.described import read_config
from reslab.store.plan import Plan, Variant
from reslab.store.plan import Run as PlannedRun
from reslab.store.times import Times, read_times

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One run folder; the result is None until the run is final."""

    folder: Path
    seed: int
    state: store.State
    result: dict[str, Any] | None

    @cached_property
    def config(self) -> RunConfig | None:
        """What was run; None where the folder has not been made."""
        if not (self.folder / store.CONFIG).exists():
            return None
        return _unless_damaged(partial(read_config, self.folder), None)

    @cached_property
    def starts(self) -> list[dict[str, Any]]:
        """What each start of the run was made with."""
        return _unless_damaged(partial(store.read_starts, self.folder), [])

    @cached_property
    def begun(self) -> dict[str, Any] | None:
        """The weights that the run began with, where it started from others."""
        return _unless_damaged(partial(store.read_begun, self.folder), None)

    @cached_property
    def metrics(self) -> list[store.Row]:
        """All rows of metrics, errors in per cent."""
        rows, damaged = store.checked_metrics(self.folder)
        for line in damaged:
            warn(f"{line}; it is left out")
        return rows

    def latest(self) -> Iterator[store.Row]:
        """Rows of metrics from the last to the first, read as far as they are asked for."""
        for row, damaged in store.latest_metrics(self.folder):
            if row is None:
                warn(f"{damaged}; it is left out")
            else:
                yield row

    @cached_property
    def times(self) -> Times:
        """Seconds of training until each evaluation, by its step; none of older runs."""
        return _unless_damaged(partial(read_times, self.folder), {})

    @cached_property
    def answers(self) -> Answers | None:
        """What each test image was taken for; None where it is not done, or kept none."""
        if self.state != "done":
            return None
        return _unless_damaged(partial(read_answers, self.folder), None)

    @cached_property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Results on several views of each test image, by the views' name."""
        files = store.evaluations(self.folder)
        read = {views: _unless_damaged(partial(_evaluation, files[views]), None) for views in files}
        return {views: found for views, found in read.items() if found is not None}

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
class Outcome:
    """What became of a variant: its runs, beside its published number."""

    variant: Variant
    published: Published | None
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """The variant's."""
        return self.variant.label

    @cached_property
    def config(self) -> RunConfig | None:
        """What its runs have in common, from the first that there is; only the seed differs."""
        return next((run.config for run in self.runs if run.config is not None), None)

    @property
    def is_held_out(self) -> bool:
        """Whether its test error is of training images set aside."""
        return self.config is not None and self.config.data.split == "holdout"

    @property
    def trainable(self) -> int | None:
        """The parameters that train, as the runs have counted them; a plain net that trains as a
        whole has as many as it has. None where no run has told it yet."""
        config = self.config
        if config is not None and config.adapter is None and config.trains == ALL:
            return self.variant.params
        counts = (run.result.get("trainable") for run in self.runs if run.result is not None)
        return next((count for count in counts if count is not None), None)

    def errors(
        self, split: str, views: Views = "single", metric: str = "top1_error"
    ) -> dict[int, float]:
        """Final errors, in per cent, of the runs that trained and have them, by their seeds.

        `split` is train or test, `metric` top1_error or top5_error.
        """
        scores = ((run.seed, run.score(split, views)) for run in self.runs)
        return {seed: score[metric] for seed, score in scores if score and metric in score}

    def summary(self, split: str, views: Views = "single", metric: str = "top1_error") -> Summary:
        """Their statistics over seeds."""
        return summarize(self.errors(split, views, metric), self.count("diverged"))

    def count(self, *states: store.State) -> int:
        """How many runs are in one of these states."""
        return sum(run.state in states for run in self.runs)


def outcomes_of(plan: Plan) -> list[Outcome]:
    """What became of each variant of a plan."""
    return [_outcome(plan, variant) for variant in plan.variants]


def with_origins(plan: Plan) -> list[Outcome]:
    """The same, and what became of the runs that are no row's: others start from them."""
    return [_outcome(plan, variant) for variant in plan.every]


def _outcome(plan: Plan, variant: Variant) -> Outcome:
    published = cell(*astuple(variant.published)) if variant.published else None
    return Outcome(variant, published, tuple(_read(plan, run) for run in variant.runs))


def _read(plan: Plan, planned: PlannedRun) -> Run:
    state, result, damage = plan.became(planned.name)
    if damage:
        warn(damage)
    return Run(plan.folder / planned.name, planned.seed, state, result)


def _evaluation(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = disk.read_json(path, records.EVALUATION)
    return found


def _unless_damaged(read: Callable[[], T], otherwise: T) -> T:
    """What is read; a damaged file is named and costs no more than what it held."""
    try:
        return read()
    except UserError as error:
        warn(str(error))
        return otherwise


@cache
def warn(line: str) -> None:
    """Say on standard error what is left out; once, however often a live page looks."""
    print(f"warning: {line}", file=sys.stderr)
