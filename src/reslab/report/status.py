"""The state of every run of a plan, and of every plan, as text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from reslab import disk, store
from reslab.errors import UserError
from reslab.report.runs import Run, with_origins
from reslab.report.text import NOTHING, percent
from reslab.store.plan import Plan
from reslab.store.queue import Queued, queued
from reslab.terminal import fitted_table
from reslab.text import counted, duration, printable

NOWHERE: Mapping[Path, Queued] = {}
"""Where no run is on a cluster."""


def render(plan: Plan) -> str:
    """One line per run (state, step, last test error in per cent, time) and how many are where;
    of a run that a cluster has, where it is there."""
    runs = [run for outcome in with_origins(plan) for run in outcome.runs]
    head = ["run", "state", "step", "of", "test error", "time"]
    there, warning = _on_a_cluster(run.folder for run in runs if run.state not in store.FINAL)
    lines = [_line(run, there.get(run.folder)) for run in runs]
    grid = fitted_table(head, lines, numeric=range(2, 6), leave=["of", "time"])
    return f"{printable(plan.title)}\n\n{grid}\n\n{counts(runs, there)}\n{warning}"


def _on_a_cluster(folders: Iterable[Path]) -> tuple[Mapping[Path, Queued], str]:
    """What SLURM says of runs; where it does not answer, a line that says so."""
    try:
        return queued(folders), ""
    except UserError as error:
        return {}, f"warning: {error}\n"


def counts(runs: Sequence[Run], there: Mapping[Path, Queued] = NOWHERE) -> str:
    """`4 runs: 3 done, 1 running`."""
    places = (there[run.folder].place if run.folder in there else run.state for run in runs)
    told = ", ".join(f"{count} {place}" for place, count in Counter(places).items())
    return f"{counted(len(runs), 'run')}: {told or 'none'}"


def _line(run: Run, there: Queued | None) -> list[str]:
    steps = f"{run.config.scaled_recipe.steps:,}" if run.config else NOTHING
    step, error = _progress(run)
    return [run.folder.name, _state(run, there), f"{step:,}", steps, percent(error), _time(run)]


def _progress(run: Run) -> tuple[int, float | None]:
    """The step it has come to, and its last test error; of a run that is done its result has it."""
    rows = run.latest()
    last = next(rows, {"step": 0})
    step = run.result["step"] if run.result else last["step"]
    if run.state == "done" and run.result:
        return step, run.result["test"]["top1_error"]
    errors = (row["test_top1_error"] for row in chain([last], rows) if "test_top1_error" in row)
    return step, next(errors, None)


def _state(run: Run, there: Queued | None) -> str:
    """What has become of a run, or where it is on a cluster: `queued (Dependency), job 12_3`."""
    if there is None:
        return run.state
    reason = f" ({there.reason})" if there.reason else ""
    return f"{there.place}{reason}, job {there.job}"


def _time(run: Run) -> str:
    """How long a final run took, or how long ago a running one was started."""
    if run.result and run.result.get("seconds"):
        return duration(run.result["seconds"])
    if run.state == "running" and run.starts and run.starts[-1].get("time"):
        started = datetime.fromisoformat(run.starts[-1]["time"])
        return duration((datetime.now(UTC) - started).total_seconds())
    return NOTHING


def overview(plans: Sequence[Plan]) -> str:
    """One line per plan: how many of its runs are where, and when a file of them last changed."""
    if not plans:
        return (
            f"nothing has been run in {store.runs_root()}\n"
            "to begin: make experiment NAME=quickstart\n"
        )
    head = ["plan", "runs done", "running", "failed", "last change"]
    changed = [max(disk.written(file)[0] for file in _files(plan)) / 1e9 for plan in plans]
    rows = [_row(plan, time) for plan, time in zip(plans, changed, strict=True)]
    newest = plans[changed.index(max(changed))].name
    grid = fitted_table(head, rows, numeric=range(1, 5), leave=["last change"])
    return f"{grid}\n\nto read one: make status NAME={newest}, make table NAME={newest}\n"


def others(plans: Sequence[Plan]) -> str:
    """Plans in a line: `quickstart@budget=0.02 (2 of 4 runs done)`."""
    return ", ".join(f"{plan.name} ({_done(Counter(plan.states()))} runs done)" for plan in plans)


def _row(plan: Plan, time: float) -> list[str]:
    states = Counter(plan.states())
    failed = sum(states[state] for state in ("crashed", "damaged", "blocked"))
    ago = f"{duration(max(0.0, datetime.now(UTC).timestamp() - time))} ago"
    return [plan.name, _done(states), str(states["running"]), str(failed), ago]


def _done(states: Counter[store.State]) -> str:
    return f"{sum(states[state] for state in store.FINAL)} of {states.total()}"


def _files(plan: Plan) -> Iterator[Path]:
    """Those that say when something has happened to a plan."""
    yield plan.home / store.PLAN
    for folder in plan.folders():
        yield from (folder / name for name in (store.CONFIG, store.METRICS, store.RESULT))
