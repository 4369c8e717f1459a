"""Runs as processes of this machine: a process group for each, in slots."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.errors import UserError
from reslab.execution import RUNS_PER_GPU, Execution
from reslab.experiments.jobs import Job
from reslab.experiments.launch import Ended, can_start
from reslab.experiments.slots import Slot
from reslab.experiments.space import lacking
from reslab.processes import ending, hand_on_niceness
from reslab.text import counted

TRAIN = Path(__file__).resolve().parents[3] / "scripts" / "train.py"
GRACE = 20.0
"""Seconds between TERM and KILL: time to finish a step and write a checkpoint."""


@dataclass
class Running:
    """A started run: its process leads a process group.

    Closing what is `opened` for it, its log and its tether, ends that group.
    """

    job: Job
    slot: Slot
    process: subprocess.Popen[bytes]
    opened: contextlib.ExitStack

    def signal_group(self, number: int) -> None:
        """Send a signal to the run's processes, if any is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """Leave nothing behind of a run whose process has ended."""
        self.signal_group(signal.SIGKILL)
        self.opened.close()


class Local:
    """Starts runs in slots of this machine, and stops them with the launcher."""

    def __init__(self, slots: list[Slot], execution: Execution) -> None:
        self.free, self.execution = list(slots), execution
        self.runs = list[Running]()

    def start(self, pending: deque[Job]) -> dict[Job, Exception]:
        """Start the next run, if a slot is free and the disk has room for it; `OSError` is told
        where its folder or the system does not let it start."""
        if not self.free or (job := _next(pending)) is None:
            return {}
        if shortage := lacking([job], 1):
            return {job: UserError(f"it was not started: {shortage}")}
        try:
            started = train(job.folder, self.free[-1], self.execution)
        except (UserError, OSError) as error:
            return {job: error}
        self.runs.append(Running(job, self.free.pop(), *started))
        return {}

    def running(self) -> list[Job]:
        """Runs whose process has not ended, or has not been looked at."""
        return [run.job for run in self.runs]

    def ended(self) -> list[Ended]:
        """Runs whose process has ended; their slots are free."""
        return [self._end(run) for run in list(self.runs) if run.process.poll() is not None]

    def _end(self, run: Running) -> Ended:
        run.close()
        self.runs.remove(run)
        self.free.append(run.slot)
        code = run.process.returncode
        return Ended(run.job, f"the process was {ending(code)}", code == store.BUSY)

    def stop(self) -> None:
        """TERM to every run's group, KILL to what is left of it after a while."""
        if not self.runs:
            return
        told = f"stopping {counted(len(self.runs), 'run')}; the same command goes on from here"
        print(f"\n{told}", file=sys.stderr, flush=True)
        for run in self.runs:
            run.signal_group(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for run in self.runs:
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                run.process.wait(max(0.0, deadline - time.monotonic()))
        for run in self.runs:
            run.close()
            run.process.wait()


def train(
    folder: Path, slot: Slot, execution: Execution, place: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], contextlib.ExitStack]:
    """The process of a run, which leads a process group, and what is open for it: its log, and its
    tether, with which the group ends.

    Of a run with processes on other machines it is the one that `place` says, in torchrun's words;
    those of higher ranks print where this process does.
    """
    place = place or {}
    environment = {**_environment(slot, _threads_before(folder, execution.devices)), **place}
    command = [sys.executable, str(TRAIN), str(folder / store.CONFIG), "--follow-launcher"]
    with contextlib.ExitStack() as opened:
        first = place.get("RANK", "0") == "0"
        log = opened.enter_context((folder / store.LOG).open("ab")) if first else None
        reading, writing = os.pipe()
        opened.callback(os.close, writing)
        try:
            process = subprocess.Popen(
                [*command, *execution.arguments()],
                stdin=reading,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(reading)
        hand_on_niceness(process.pid)
        return process, opened.pop_all()


def _environment(slot: Slot, threads: int | None) -> dict[str, str]:
    """This process's environment with the slot's GPUs, and `threads` or else the slot's number;
    without a place among processes that others may have given it."""
    places = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    own = {word: value for word, value in os.environ.items() if word not in places}
    shared = {"OMP_NUM_THREADS": str(threads or slot.threads), "PYTHONUNBUFFERED": "1"}
    if slot.gpus:
        shared |= {"CUDA_VISIBLE_DEVICES": ",".join(slot.gpus), RUNS_PER_GPU: str(slot.runs)}
    return own | shared


def _threads_before(folder: Path, devices: int) -> int | None:
    """The threads that an interrupted run was trained with: the same sums need the same number.

    On other devices the sums are others, and so is each process's share of the cores.
    """
    last = (store.read_starts(folder) or [{}])[-1]
    return last.get("threads") if last.get("devices") == devices else None


def _next(pending: deque[Job]) -> Job | None:
    """The first job that nobody is training; final ones are dropped, locked ones wait, and so do
    those that start from a run which is not done."""
    for _ in range(len(pending)):
        job = pending.popleft()
        state = store.state(job.folder)
        if state == "running" or (state not in store.FINAL and not can_start(job)):
            pending.append(job)
        elif state not in store.FINAL:
            return job
    return None
