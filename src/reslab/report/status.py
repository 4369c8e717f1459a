"""The state of every run of a plan, as text."""

from collections import Counter
from datetime import UTC, datetime

from reslab.report.runs import Run, origins_of, outcomes_of
from reslab.report.text import NOTHING, percent
from reslab.store.plan import Plan
from reslab.text import counted, duration, markdown_table, printable


def render(plan: Plan) -> str:
    """One line per run (state, step, last test error in per cent, time) and how many are where."""
    runs = [run for outcome in (*outcomes_of(plan), *origins_of(plan)) for run in outcome.runs]
    head = ["run", "state", "step", "of", "test error", "time"]
    grid = markdown_table(head, [_line(run) for run in runs], numeric=range(2, 6))
    states = Counter(run.state for run in runs)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{printable(plan.title)}\n\n{grid}\n\n{counted(len(runs), 'run')}: {counts or 'none'}\n"


def _line(run: Run) -> list[str]:
    rows = run.metrics
    steps = f"{run.config.scaled_recipe.steps:,}" if run.config else NOTHING
    errors = [row["test_top1_error"] for row in rows if "test_top1_error" in row]
    error = errors[-1] if errors else None
    if run.state == "done" and run.result:
        error = run.result["test"]["top1_error"]
    step = run.result["step"] if run.result else max((row["step"] for row in rows), default=0)
    return [run.folder.name, run.state, f"{step:,}", steps, percent(error), _time(run)]


def _time(run: Run) -> str:
    """How long a final run took, or how long ago a running one was started."""
    if run.result and run.result.get("seconds"):
        return duration(run.result["seconds"])
    if run.state == "running" and run.starts and run.starts[-1].get("time"):
        started = datetime.fromisoformat(run.starts[-1]["time"])
        return duration((datetime.now(UTC) - started).total_seconds())
    return NOTHING
