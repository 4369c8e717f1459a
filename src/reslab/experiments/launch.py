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
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import store
from reslab.errors import UserError
from reslab.execution import RUNS_PER_GPU, Execution
from reslab.experiments.jobs import Job
from reslab.experiments.overview import Overview
from reslab.experiments.slots import Slot
from reslab.experiments.space import lacking
from reslab.machine import ending, hand_on_niceness
from reslab.text import counted, printable_lines

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


Failures = dict[Job, str]
"""Runs that failed, and why."""


def launch(jobs: list[Job], slots: list[Slot], execution: Execution) -> Failures:
    """Train all jobs that are not final; returns those that failed.

    Ctrl-C and SIGTERM stop all runs (TERM, then KILL to their groups) and raise KeyboardInterrupt.
    """
    pending = deque(job for job in jobs if job.pending)
    if not pending:
        return {}
    free, running, failed = list(slots), list[Running](), Failures()
    with _terminable(), Overview(jobs, slots[0]) as overview:
        try:
            while pending or running:
                for run in [run for run in running if run.process.poll() is not None]:
                    running.remove(run)
                    free.append(run.slot)
                    failed |= _close(run, pending, overview)
                failed |= _blocked(pending, failed, overview)
                if free and (job := _next(pending)):
                    try:
                        running.append(start(job, free[-1], execution))
                        free.pop()
                    except (UserError, OSError) as error:
                        failed |= _refused(job, error, overview)
                overview.show([run.job for run in running], waiting=bool(pending) and not running)
                time.sleep(0.2)
        finally:
            stop(running)
    return failed


def start(job: Job, slot: Slot, execution: Execution) -> Running:
    """Start a run's process group; its output is appended to `log.txt`.

    `UserError` where the disk has no room for it, `OSError` where its folder or the system does not
    let it start.
    """
    if shortage := lacking([job], 1):
        raise UserError(f"it was not started: {shortage}")
    environment = _environment(slot, _threads_before(job.folder, execution.devices))
    command = [sys.executable, str(TRAIN), str(job.folder / store.CONFIG), "--follow-launcher"]
    with contextlib.ExitStack() as opened:
        log = opened.enter_context((job.folder / store.LOG).open("ab"))
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
        return Running(job, slot, process, opened.pop_all())


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


def stop(running: list[Running]) -> None:
    """TERM to every run's group, KILL to what is left of it after a while."""
    if running:
        print(
            f"\nstopping {counted(len(running), 'run')}; the same command goes on from here",
            file=sys.stderr,
            flush=True,
        )
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
    """The first job that nobody is training; final ones are dropped, locked ones wait, and so do
    those that start from a run which is not done."""
    for _ in range(len(pending)):
        job = pending.popleft()
        state = store.state(job.folder)
        if state == "running" or (state not in store.FINAL and not _can_start(job)):
            pending.append(job)
        elif state not in store.FINAL:
            return job
    return None


def _can_start(job: Job) -> bool:
    return all(store.state(parent) == "done" for parent in job.parents)


def _blocked(pending: deque[Job], failed: Failures, overview: Overview) -> Failures:
    """Runs of which the one that they start from will not be there: taken out, with the reason."""
    lost = {job.folder for job in failed}
    found = Failures()
    for job in list(pending):
        reasons = (_why_blocked(*parent, lost) for parent in job.parents.items())
        if reason := next(filter(None, reasons), None):
            pending.remove(job)
            lost.add(job.folder)
            found[job] = reason
            overview.say(f"{job.folder.name}: blocked")
    return found


def _why_blocked(parent: Path, words: str, lost: Collection[Path]) -> str | None:
    """Why nothing can rest on a run; None where something can, or may yet."""
    if parent in lost:
        return f"{words} {parent.name}, which has failed"
    reason = store.no_start(parent, store.state(parent))
    return reason and f"{words} {reason}"


def _close(run: Running, pending: deque[Job], overview: Overview) -> Failures:
    """Look at what an ended process left behind; what it failed of, if it has."""
    run.close()
    folder, code = run.job.folder, run.process.returncode
    state = store.state(folder)
    if state == "running" or code == store.BUSY:  # another launcher was faster
        pending.append(run.job)
        return {}
    if state in store.FINAL:
        overview.say(f"{folder.name}: {state}{_numbers(folder)}")
        return {}
    reason = store.read_error(folder)
    if not reason:
        reason = f"the process was {ending(code)} before the run was final{_what_is_gone(run.job)}"
        store.write_error(folder, reason)
    overview.say(f"{folder.name}: {'damaged' if state == 'damaged' else 'crashed'}")
    return {run.job: reason}


def _refused(job: Job, error: Exception, overview: Overview) -> Failures:
    """A run that could not be started."""
    reason = f"it could not be started: {error}" if isinstance(error, OSError) else str(error)
    reason += "" if job.folder.is_dir() else _what_is_gone(job)
    overview.say(f"{job.folder.name}: {reason.splitlines()[0]}")
    return {job: reason}


def _what_is_gone(job: Job) -> str:
    """What a run needs and has no more: its folder, or room on the disk."""
    if not job.folder.is_dir():
        return ": its folder is gone, removed or renamed under way"
    shortage = lacking([job], 1)
    return f": {shortage}" if shortage else ""


def _numbers(folder: Path) -> str:
    result = store.read_result(folder) or {}
    if "test" not in result:
        return ""
    return "".join(f"  {split} {result[split]['top1_error']:.2f} %" for split in ("train", "test"))


def failures(failed: Failures, lines: int = 12) -> str:
    """Why runs failed, each reason once, with the last lines of a log that says more than it."""
    runs = defaultdict[str, list[Path]](list)
    for job, reason in failed.items():
        runs[reason].append(job.folder)
    return "\n".join(_failure(reason, folders, lines) for reason, folders in runs.items())


def _failure(reason: str, folders: list[Path], lines: int) -> str:
    first, *others = folders
    more = f" and {counted(len(others), 'other run')}" if others else ""
    log = _log(first).rstrip()
    told = log.endswith(f"error: {reason}") or reason.startswith("it ")
    tail = [] if told else log.splitlines()[-lines:]
    shown = [f"{first}{more} failed: {reason}", *(f"    {line}" for line in tail)]
    return "\n".join(map(printable_lines, shown))


def _log(folder: Path) -> str:
    try:
        return (folder / store.LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the launcher as Ctrl-C does, unless they are ignored (nohup)."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    heeded = (n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN)
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
