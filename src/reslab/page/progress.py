"""How far the runs of plans are and how long they will still take, from their files alone."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from reslab import disk, store
from reslab.experiments import estimate
from reslab.experiments.slots import Slot, slot_of
from reslab.page.contents import figures_of
from reslab.report.runs import Outcome, Run, with_origins
from reslab.store.plan import Plan, Variant
from reslab.text import counted, duration, printable

TO_DO = frozenset({"pending", "waiting", "running", "interrupted"})
"""States of runs that will still take time, once somebody starts them."""

TOLD = 0.05
"""From this part of a run on, its own pace says how long it will take."""


@dataclass(frozen=True)
class Progress:
    """A run by now; None where it cannot be told."""

    name: str
    state: store.State
    step: int
    steps: int | None
    fraction: float
    """How much of it is done."""
    left: float | None
    """Seconds, once somebody has it run."""

    @property
    def told(self) -> str:
        """`running, step 120 of 400, about 10 s left`."""
        parts = [self.state if self.state != "done" else f"done, {self.step:,} steps"]
        if self.step and self.steps and self.state != "done":
            parts.append(f"step {self.step:,} of {self.steps:,}")
        if self.state == "running" and self.left is not None:
            parts.append(f"about {duration(self.left)} left")
        return ", ".join(parts)


def progress(plans: Sequence[Plan]) -> dict[str, Any]:
    """What a live page is told: a summary, the part that is done, and each run.

    `changed` is another word whenever a page of the plans would say something else.
    """
    found = list({each.name: each for plan in plans for each in _runs(plan)}.values())
    running = sum(each.state == "running" for each in found)
    done = statistics.fmean(each.fraction for each in found) if found else 0.0
    return {
        "summary": _summary(found, running),
        "done": round(done, 4),
        "running": running,
        "runs": [{"name": printable(each.name), "told": each.told} for each in found],
        "changed": changed(plans),
    }


def changed(plans: Sequence[Plan]) -> str:
    """A digest of when the files were written that a page is made of."""
    names = (store.CONFIG, store.METRICS, store.RESULT, store.ERROR, store.ENV)
    files = [folder / name for plan in plans for folder in plan.folders() for name in names]
    files += [file for plan in plans for file in sorted(figures_of(plan))]
    states = [plan.states() for plan in plans]
    return sha256(repr((states, list(map(disk.written, files)))).encode()).hexdigest()[:16]


def _summary(found: Sequence[Progress], running: int) -> str:
    final = sum(each.state in store.FINAL for each in found)
    failed = sum(each.state not in store.FINAL and each.state not in TO_DO for each in found)
    parts = [f"{final} of {counted(len(found), 'run')} done"]
    if running:
        parts.append(f"{running} running")
    if failed:
        parts.append(f"{failed} failed")
    if (left := _left(found, running)) is not None:
        parts.append(f"about {duration(left)} left")
    elif any(each.state in TO_DO for each in found) and not running:
        parts.append("nothing runs")
    return ", ".join(parts)


def _left(found: Sequence[Progress], running: int) -> float | None:
    """Seconds with as many runs at once as there are now; None while none runs, or where a run
    tells nothing."""
    left = [each.left for each in found if each.state in TO_DO]
    if not running or None in left:
        return None
    known = [seconds for seconds in left if seconds is not None]
    return max(sum(known) / running, *known)


def _runs(plan: Plan) -> Iterator[Progress]:
    """Other seeds of a variant say how long one takes, else the model of costs, on the device of
    the plan's last start."""
    outcomes = with_origins(plan)
    starts = [start for outcome in outcomes for run in outcome.runs for start in run.starts]
    on_a_device = [start for start in starts if start.get("device")]
    slot = slot_of(on_a_device[-1]) if on_a_device else None
    for outcome in outcomes:
        took = _took(outcome)
        for run in outcome.runs:
            yield _progress(plan, outcome.variant, run, took, slot)


def _took(outcome: Outcome) -> float | None:
    """The median seconds of a variant's runs that are done."""
    results = [run.result for run in outcome.runs if run.result and run.state == "done"]
    seconds = [result["seconds"] for result in results if result.get("seconds")]
    return statistics.median(seconds) if seconds else None


def _progress(
    plan: Plan, variant: Variant, run: Run, took: float | None, slot: Slot | None
) -> Progress:
    config, step = run.config, store.last_step(run.folder)
    done, left = 1.0 if run.is_final else 0.0, None if run.state in TO_DO else 0.0
    if config is not None and not run.is_final:
        work = estimate.work_of(plan, variant, config)
        done = work.done(step)
        if took is None and slot is not None:
            took = work.seconds(slot) * _correction(slot)
        left = _seconds_left(run, done, took) if run.state in TO_DO else left
    steps = config.scaled_recipe.steps if config else None
    return Progress(run.folder.name, run.state, step, steps, done, left)


def _seconds_left(run: Run, done: float, whole: float | None) -> float | None:
    """By the run's own pace, where a part of it is done, else as a part of what the whole takes."""
    starts = run.starts
    if run.state == "running" and done > TOLD and len(starts) == 1 and starts[0].get("time"):
        began = datetime.fromisoformat(starts[0]["time"])
        return (datetime.now(UTC) - began).total_seconds() * (1 - done) / done
    return None if whole is None else whole * (1 - done)


@cache
def _correction(slot: Slot) -> float:
    """Once: it reads a hundred runs."""
    return estimate.correction(slot)
