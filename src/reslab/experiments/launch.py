"""Runs as processes: one process group per run, in slots, until every run is final or has failed.

A run's own files say what became of it; exit codes do not count. Two launchers may work on the same
experiment: a run that is locked is left to whoever trains it, and waited for.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from reslab import store
from reslab.config import RunConfig
from reslab.experiments.estimate import correction, duration, seconds, work
from reslab.experiments.plan import Plan
from reslab.experiments.slots import Slot

TRAIN = Path(__file__).resolve().parents[3] / "scripts" / "train.py"
GRACE = 20.0
"""Seconds between TERM and KILL: time to finish a step and write a checkpoint."""
DAY = 86_400


@dataclass(frozen=True)
class Job:
    """One run to do."""

    folder: Path
    config: RunConfig
    params: int
    multiply_adds: int

    @property
    def pending(self) -> bool:
        """Whether there is anything left to do."""
        return store.state(self.folder) not in store.FINAL

    def fraction(self) -> float:
        """How much of the run is done, from its metrics."""
        if not self.pending:
            return 1.0
        step = store.last_step(self.folder)
        return 0.99 * step / self.config.scaled_recipe.steps


@dataclass
class Running:
    """A started run: its process leads a process group; closing `tether` ends that group."""

    job: Job
    slot: Slot
    process: subprocess.Popen[bytes]
    tether: int
    log: IO[bytes]

    def signal_group(self, number: int) -> None:
        """Send a signal to the run's processes, if any is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """Leave nothing behind of a run whose process has ended."""
        self.signal_group(signal.SIGKILL)
        os.close(self.tether)
        self.log.close()


def jobs_of(plan: Plan, written: dict[str, Any]) -> list[Job]:
    """The plan's runs in the order in which they are started."""
    costs = {row["slug"]: (row["params"], row["multiply_adds"]) for row in written["variants"]}
    return [Job(folder, config, *costs[v.slug]) for v, folder, config in plan.runs()]


def total_seconds(jobs: list[Job], slots: list[Slot]) -> float:
    """Estimated time for what is left of `jobs`."""
    slot = slots[0]
    left = sum(
        seconds(job.config, job.multiply_adds, slot.device, slot.threads) * (1 - job.fraction())
        for job in jobs
    )
    return left * correction(slot.device) / len(slots)


def announce(jobs: list[Job], slots: list[Slot], devices: int) -> str:
    """What is about to happen: runs, slots, time; advice where that is more than a day."""
    pending = [job for job in jobs if job.pending]
    if not pending:
        return f"all {len(jobs)} runs are final: nothing to train"
    where = f"{len(slots)} at once on " + (
        f"{devices} GPU(s) each" if slots[0].gpus else f"CPU, {slots[0].threads} thread(s) each"
    )
    estimated = total_seconds(pending, slots)
    text = f"{len(pending)} of {len(jobs)} runs to do, {where}; estimated {duration(estimated)}"
    if estimated > DAY:
        text += (
            "\nthat is long: BUDGET=0.02 trains 2 % of the steps, SEEDS=1 one seed, "
            "ONLY='*20*' the variants that match"
        )
    return text


def launch(jobs: list[Job], slots: list[Slot], devices: int) -> list[Job]:
    """Train all jobs that are not final; returns those that failed.

    Ctrl-C and SIGTERM stop all runs (TERM, then KILL to their groups) and raise KeyboardInterrupt.
    """
    pending = deque(job for job in jobs if job.pending)
    if not pending:
        return []
    free, running, failed = list(slots), list[Running](), list[Job]()
    with _terminable(), Overview(jobs) as overview:
        try:
            while pending or running:
                for run in [run for run in running if run.process.poll() is not None]:
                    running.remove(run)
                    free.append(run.slot)
                    failed += _close(run, pending, overview)
                if free and (job := _next(pending)):
                    running.append(start(job, free.pop(), devices))
                overview.show(running, waiting=bool(pending) and not running)
                time.sleep(0.2)
        finally:
            stop(running)
    return failed


def start(job: Job, slot: Slot, devices: int) -> Running:
    """Start a run's process group; its output is appended to `log.txt`."""
    log = (job.folder / store.LOG).open("ab")
    command = [sys.executable, str(TRAIN), str(job.folder / store.CONFIG), "--follow-launcher"]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*command, "--devices", str(devices)],
        stdin=reading,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **slot.environment()},
        start_new_session=True,
    )
    os.close(reading)
    return Running(job, slot, process, writing, log)


def stop(running: list[Running]) -> None:
    """TERM to every run's group, KILL to what is left of it after a while."""
    if running:
        print(f"\nstopping {len(running)} run(s) …", file=sys.stderr, flush=True)
    for run in running:
        run.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for run in running:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            run.process.wait(max(0.0, deadline - time.monotonic()))
    for run in running:
        run.close()
        run.process.wait()


def _next(pending: deque[Job]) -> Job | None:
    """The first job that nobody is training; final ones are dropped, locked ones wait."""
    for _ in range(len(pending)):
        job = pending.popleft()
        state = store.state(job.folder)
        if state == "running":
            pending.append(job)
        elif state not in store.FINAL:
            return job
    return None


def _close(run: Running, pending: deque[Job], overview: "Overview") -> list[Job]:
    """Look at what an ended process left behind; `[job]` if it failed."""
    run.close()
    folder, code = run.job.folder, run.process.returncode
    state = store.state(folder)
    if state == "running":  # another launcher was faster
        pending.append(run.job)
        return []
    if state not in ("done", "diverged", "crashed"):
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        store.write_error(folder, f"the process was {how} before the run was final")
        state = "crashed"
    overview.say(f"{folder.name}: {state}{_numbers(folder)}")
    return [run.job] if state == "crashed" else []


def _numbers(folder: Path) -> str:
    result = store.read_result(folder) or {}
    if "test" not in result:
        return ""
    return "".join(f"  {split} {result[split]['top1_error']:.2f} %" for split in ("train", "test"))


def failures(failed: list[Job], lines: int = 12) -> str:
    """Failed runs with the last lines of their logs."""
    parts = []
    for job in failed:
        error = (store.read_json(job.folder / store.ERROR) or {}).get("message", "")
        log = (job.folder / store.LOG).read_text(encoding="utf-8", errors="replace")
        tail = "\n".join(f"    {line}" for line in log.splitlines()[-lines:])
        parts.append(f"{job.folder} failed: {error}\n{tail}")
    return "\n".join(parts)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the launcher as Ctrl-C does."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Overview:
    """Progress of the whole experiment: a bar on a terminal, a line per finished run otherwise."""

    def __init__(self, jobs: list[Job]) -> None:
        self.costs = {job: work(job.config, job.multiply_adds) for job in jobs}
        self.finished = sum(store.state(job.folder) in store.FINAL for job in jobs)
        self.fractions = {job: job.fraction() for job in jobs}
        self.began, self.looked = time.monotonic(), 0.0
        self.first = self._done()
        self.bar = tqdm(
            total=1.0,
            initial=self.first,
            disable=not sys.stderr.isatty(),
            bar_format="{percentage:3.0f} %|{bar}| {elapsed} so far, {remaining} left{postfix}",
            dynamic_ncols=True,
        )

    def __enter__(self) -> "Overview":
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()

    def _done(self) -> float:
        done = sum(self.fractions[job] * cost for job, cost in self.costs.items())
        return done / sum(self.costs.values())

    def show(self, running: list[Running], waiting: bool) -> None:
        """Look at the runs' metrics once a second."""
        if time.monotonic() - self.looked < 1:
            return
        self.looked = time.monotonic()
        self.fractions |= {run.job: run.job.fraction() for run in running}
        self.bar.n = self._done()
        words = [f"{r.job.folder.name} {self.fractions[r.job]:.0%}" for r in running]
        self.bar.set_postfix_str(
            "waiting for runs of another launcher" if waiting else ", ".join(words)
        )

    def say(self, line: str) -> None:
        """Report a run that has ended."""
        self.finished += 1
        self.fractions = {job: job.fraction() for job in self.costs}
        gained, elapsed = self._done() - self.first, time.monotonic() - self.began
        left = f", about {duration(elapsed * (1 - self._done()) / gained)} left" if gained else ""
        self.bar.write(f"[{self.finished}/{len(self.costs)}{left}] {line}")
        sys.stdout.flush()
