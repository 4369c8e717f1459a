"""A plan's runs as jobs: how much of each is done, and what is left is estimated to take."""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config import RunConfig
from reslab.experiments.estimate import correction, seconds
from reslab.experiments.plan import Plan
from reslab.experiments.slots import Slot
from reslab.text import counted, duration, printable

DAY = 86_400


@dataclass(frozen=True)
class Job:
    """One run to do."""

    label: str
    """The variant's."""
    folder: Path
    config: RunConfig
    params: int
    multiply_adds: int

    @property
    def pending(self) -> bool:
        """Whether there is anything left to do."""
        return store.state(self.folder) not in store.FINAL

    def seconds(self, slot: Slot) -> float:
        """What the whole of it would take by the model, without `correction`."""
        return seconds(self.config, self.multiply_adds, slot.device, slot.cores)

    def fraction(self) -> float:
        """How much of the run is done, from its metrics."""
        if not self.pending:
            return 1.0
        step = store.last_step(self.folder)
        return 0.99 * step / self.config.scaled_recipe.steps


def jobs_of(plan: Plan, written: dict[str, Any]) -> list[Job]:
    """The plan's runs in the order in which they are started."""
    costs = {row["slug"]: (row["params"], row["multiply_adds"]) for row in written["variants"]}
    return [Job(v.label, folder, config, *costs[v.slug]) for v, folder, config in plan.runs()]


def total_seconds(jobs: list[Job], slots: list[Slot]) -> float:
    """Estimated time for what is left of `jobs`: shared among the slots, or that of the longest."""
    slot = slots[0]
    left = [job.seconds(slot) * (1 - job.fraction()) for job in jobs]
    return max(sum(left) / len(slots), *left) * correction(slot.device)


def announce(jobs: list[Job], slots: list[Slot]) -> str:
    """What is about to happen: runs, slots, time; advice where that is more than a day."""
    pending = [job for job in jobs if job.pending]
    if not pending:
        final = "the run is" if len(jobs) == 1 else f"all {len(jobs)} runs are"
        return f"{final} final: nothing to train"
    where = f"{len(slots)} at once on " + (
        f"{counted(len(slots[0].gpus), 'GPU')} each{_shared(slots)}"
        if slots[0].gpus
        else f"CPU, {_processes(slots[0])}{counted(slots[0].threads, 'thread')} each"
    )
    estimated = total_seconds(pending, slots)
    what = f"{len(pending)} of {counted(len(jobs), 'run')} to do"
    text = f"{what}, {where}; estimated {duration(estimated)}"
    return f"{text}\n{_advice(pending, estimated, slots[0])}" if estimated > DAY else text


def _processes(slot: Slot) -> str:
    """How many processes a run has, if more than one."""
    return f"{slot.processes} processes for each run, " if slot.processes > 1 else ""


def _shared(slots: list[Slot]) -> str:
    """How many runs share a GPU, if more than one does."""
    runs = max(Counter(slot.gpus for slot in slots).values())
    return f", {runs} runs on each" if runs > 1 else ""


def _advice(pending: list[Job], estimated: float, slot: Slot) -> str:
    budget = max(job.config.budget for job in pending) * DAY / 2 / estimated
    advice = [f"BUDGET={budget:.1g} would take about half a day"]
    if len({job.config.seed for job in pending}) > 1:
        advice.append("SEEDS=1 trains one seed")
    labels = [job.label for job in sorted(pending, key=lambda job: job.seconds(slot))]
    shortest, longest = labels[0], labels[-1]
    if longest != shortest:
        advice.append(f"ONLY={shlex.quote(printable(shortest))} one variant")
        advice.append(f"ONLY={shlex.quote(printable(f'!{longest}'))} all but the longest")
    return f"that is long: {', '.join(advice)}"
