"""How far the runs of plans are and how long they will still take, from their files alone."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.run import RunConfig
from reslab.errors import UserError
from reslab.experiments import estimate
from reslab.experiments.slots import Slot, slot_of
from reslab.page.contents import figures_of
from reslab.store.described import read_config
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
    states = [plan.state(folder.name) for plan in plans for folder in plan.folders()]
    return sha256(repr((states, list(map(_written, files)))).encode()).hexdigest()[:16]


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


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
    """Other seeds of a variant say how long one takes, else the model of costs."""
    devices = [start for folder in plan.folders() for start in _starts(folder)]
    for variant in (*plan.variants, *plan.origins):
        took = _took(plan, variant)
        for run in variant.runs:
            folder, state = plan.folder / run.name, plan.state(run.name)
            config = _config(folder)
            steps = config.scaled_recipe.steps if config else None
            step = store.last_step(folder)
            part, left = 1.0 if state in store.FINAL else 0.0, None if state in TO_DO else 0.0
            if config is not None and state not in store.FINAL:
                part = estimate.work_of(plan, variant, config).done(step)
            if config is not None and state in TO_DO:
                whole = took if took is not None else _modelled(plan, config, variant, devices)
                left = _seconds_left(folder, part, whole)
            yield Progress(run.name, state, step, steps, part, left)


def _took(plan: Plan, variant: Variant) -> float | None:
    """The median seconds of a variant's runs that are done."""
    results = [_result(plan.folder / run.name) for run in variant.runs]
    seconds = [r["seconds"] for r in results if r["status"] == "done" and r.get("seconds")]
    return statistics.median(seconds) if seconds else None


def _seconds_left(folder: Path, part: float, whole: float | None) -> float | None:
    """By the run's own pace, where a part of it is done, else as a part of what the whole takes."""
    starts = _starts(folder)
    if part > TOLD and len(starts) == 1 and starts[0].get("time") and store.is_locked(folder):
        began = datetime.fromisoformat(starts[0]["time"])
        return (datetime.now(UTC) - began).total_seconds() * (1 - part) / part
    return None if whole is None else whole * (1 - part)


def _modelled(
    plan: Plan, config: RunConfig, variant: Variant, starts: Sequence[dict[str, Any]]
) -> float | None:
    """What it takes on the device of the plan's last start; None before there is one."""
    told = [start for start in starts if start.get("device")]
    if not told:
        return None
    slot = slot_of(told[-1])
    return estimate.work_of(plan, variant, config).seconds(slot) * _correction(slot)


@cache
def _correction(slot: Slot) -> float:
    """Once: it reads a hundred runs."""
    return estimate.correction(slot)


def _config(folder: Path) -> RunConfig | None:
    try:
        return read_config(folder)
    except UserError:  # damaged: the page says so
        return None


def _starts(folder: Path) -> list[dict[str, Any]]:
    try:
        return store.read_starts(folder)
    except UserError:
        return []


def _result(folder: Path) -> dict[str, Any]:
    try:
        return store.read_result(folder) or {"status": ""}
    except UserError:
        return {"status": ""}
