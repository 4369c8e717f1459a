"""The launcher's loop: what is next, what has ended, what failed, progress, Ctrl-C. Where runs are
trained is a `Starter`'s business: processes of this machine (`local`), jobs of a cluster (`slurm`).

A run's own files say what became of it; exit codes do not count. Two launchers may work on the same
experiment: a run that is locked is left to whoever trains it, and waited for.
"""

import contextlib
import itertools
import signal
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reslab import store
from reslab.experiments.jobs import Job
from reslab.experiments.overview import Overview
from reslab.experiments.slots import Slot
from reslab.experiments.space import lacking
from reslab.text import counted, printable_lines

LINES = 12
"""Of the end of a log, which are shown of a run that failed."""

Failures = dict[Job, str]
"""Runs that failed, and why."""


@dataclass(frozen=True)
class Ended:
    """A run whose process, or job, has ended."""

    job: Job
    how: str
    """In words, for one that is not final."""
    elsewhere: bool = False
    """Whether it was left to another launcher."""


class Starter(Protocol):
    """Where runs are trained."""

    def start(self, pending: deque[Job]) -> dict[Job, Exception]:
        """Start what can be started now, which leaves `pending`; and what could not be, and why."""

    def running(self) -> list[Job]:
        """Runs that were started and have not ended."""

    def ended(self) -> list[Ended]:
        """Runs that have ended since this was asked."""

    def stop(self) -> None:
        """The launcher ends, by itself or by a signal."""


def launch(jobs: list[Job], starter: Starter, slot: Slot) -> Failures:
    """See all jobs that are not final to their end, with progress; returns those that failed.

    Ctrl-C and SIGTERM stop the starter and raise KeyboardInterrupt. By a slot's speed the parts of
    the whole are weighed.
    """
    pending = deque(job for job in jobs if job.pending)
    if not pending:
        return {}
    failed = Failures()
    with _terminable(), Overview(jobs, slot) as overview:
        try:
            while pending or starter.running():
                for run in starter.ended():
                    failed |= _close(run, pending, overview)
                failed |= _blocked(pending, failed, overview)
                for job, error in starter.start(pending).items():
                    failed |= _refused(job, error, overview)
                running = starter.running()
                overview.show(running, waiting=bool(pending) and not running)
                time.sleep(0.2)
        finally:
            starter.stop()
    return failed


def _blocked(pending: deque[Job], failed: Failures, overview: Overview) -> Failures:
    """Runs of which the one that they start from will not be there: taken out, with the reason."""
    lost = {job.folder for job in failed}
    found = Failures()
    for job in list(pending):
        reasons = (why_blocked(*parent, lost) for parent in job.parents.items())
        if reason := next(filter(None, reasons), None):
            pending.remove(job)
            lost.add(job.folder)
            found[job] = reason
            overview.say(f"{job.folder.name}: blocked")
    return found


def can_start(job: Job) -> bool:
    """Whether all that a run rests on is done."""
    return all(store.state(parent) == "done" for parent in job.parents)


def why_blocked(parent: Path, words: str, lost: Collection[Path]) -> str | None:
    """Why nothing can rest on a run; None where something can, or may yet."""
    if parent in lost:
        return f"{words} {parent.name}, which has failed"
    reason = store.no_start(parent, store.state(parent))
    return reason and f"{words} {reason}"


def _close(run: Ended, pending: deque[Job], overview: Overview) -> Failures:
    """Look at what a run that has ended left behind; what it failed of, if it has."""
    folder, state = run.job.folder, store.state(run.job.folder)
    if state == "running" or run.elsewhere:  # another launcher was faster
        pending.append(run.job)
        return {}
    if state in store.FINAL:
        overview.say(f"{folder.name}: {state}{_numbers(folder)}")
        return {}
    reason = store.read_error(folder)
    if not reason:
        reason = f"{run.how} before the run was final{_what_is_gone(run.job)}"
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


def failures(failed: Failures) -> str:
    """Why runs failed, each reason once, with the last lines of a log that says more than it."""
    runs = defaultdict[str, list[Path]](list)
    for job, reason in failed.items():
        runs[reason].append(job.folder)
    return "\n".join(itertools.starmap(_failure, runs.items()))


def _failure(reason: str, folders: list[Path]) -> str:
    first, *others = folders
    more = f" and {counted(len(others), 'other run')}" if others else ""
    log = _log(first).rstrip()
    told = log.endswith(f"error: {reason}") or reason.startswith("it ")
    tail = [] if told else log.splitlines()[-LINES:]
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
