"""A run as a task of SLURM's: what its job does on a node, and how it goes back into the queue.

submitit runs it. Its wrapper obeys SIGUSR2 alone, which comes before a time limit and, on some
clusters, before preemption: it calls `Task.checkpoint`. Where SIGTERM comes first, the training
saves and ends; SLURM requeues no job that ends within its time of grace. In both cases the step
ends with `AGAIN`, and the job's script requeues the job: here nothing of SLURM's is called, since
this may be a container that has nothing of it.

A run on several nodes has a task for each of its processes. The first alone saves, and asks to be
requeued; the others end well where it does so, since a task that ends badly ends all.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from reslab import store
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments.launch import why_blocked
from reslab.experiments.local import train
from reslab.experiments.slots import Slot
from reslab.processes import STOPPING, ending
from reslab.store.owner import BEAT, SILENCE
from reslab.store.queue import read_job

AGAIN = 200
"""The exit code of a step whose run has saved and waits to go on. Of several tasks srun hands on
the highest: this is above those of tasks that a signal has ended, and below srun's own."""
PATIENCE = 300.0
"""Seconds until the run's folder names the job that has been submitted for it: NFS shows another
machine's file after a minute or more."""


@dataclass
class Task:
    """Trains one run, as its job's only step, or is one of the processes that do."""

    folder: Path
    parents: dict[Path, str]
    """The folders of the runs that it rests on, and what for, in words."""
    execution: Execution
    threads: int
    """Of each of its processes, where it has not begun with another number."""
    delay: float = 0.0
    """Seconds that it waits before it begins: others begin at the same time."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __call__(self) -> str:
        """Train it to its end; says what became of it. `UserError` where it is not final then."""
        time.sleep(self.delay)
        job = job_id()
        if not _is_named(self.folder, job):
            return _left(self.folder, job)
        if reason := self._why_not():
            raise UserError(reason)
        place = _place()
        if (rank := place.get("RANK", "0")) == "0":  # who holds the run for all
            _wait_until_free(self.folder)
        slot = Slot((), self.threads, self.execution.devices)
        self.process, opened = train(self.folder, slot, self.execution, place)
        with opened:
            _wait(self.process)
        code = self.process.wait()
        return _became(self.folder, code) if rank == "0" else _ended(self.folder, code, rank)

    def _why_not(self) -> str | None:
        """Why it cannot begin: a run that it rests on has diverged, or is not done."""
        for parent, words in self.parents.items():
            if reason := why_blocked(parent, words, ()):
                return f"blocked: {reason}"
            if (state := store.state(parent)) != "done":
                return f"{words} {parent.name}, which is {state}"
        return None

    def checkpoint(self) -> NoReturn:
        """Stop the run, wait until it has saved, and end the step: it goes on as it has begun."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR2)
            _wait(self.process)
        sys.exit(AGAIN)


def _place() -> dict[str, str]:
    """This task's among those of its job, in torchrun's words; a task alone has none."""
    if int(os.environ.get("SLURM_NTASKS", "1")) == 1:
        return {}
    from submitit.helpers import TorchDistributedEnvironment

    here = TorchDistributedEnvironment()
    return {
        "MASTER_ADDR": here.master_addr,
        "MASTER_PORT": str(here.master_port),
        "RANK": str(here.rank),
        "WORLD_SIZE": str(here.world_size),
        "LOCAL_RANK": str(here.local_rank),
        "LOCAL_WORLD_SIZE": str(here.local_world_size),
    }


def job_id() -> str:
    """Of this process's job: `12`, or `12_3` in an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    own = os.environ["SLURM_JOB_ID"]
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else own


def _is_named(folder: Path, job: str) -> bool:
    """Whether this job trains the run. A job can begin before its submission has been noted; one
    that was submitted twice is named once."""
    deadline = time.monotonic() + PATIENCE
    while read_job(folder) != job:
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def _left(folder: Path, job: str) -> str:
    """To whom a run is left, in words; `UserError` where that is nobody: no child begins then."""
    if named := read_job(folder):
        return f"left to another job: {named}"
    raise UserError(f"{folder} names no job, nor this one ({job}): make experiment submits it anew")


def _wait_until_free(folder: Path) -> None:
    """Until nobody trains the run, here or on another node: SLURM requeues a job at once whose node
    has vanished."""
    deadline = time.monotonic() + SILENCE + 2 * BEAT
    while store.is_locked(folder) and time.monotonic() < deadline:
        time.sleep(1)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Until it has ended. `Popen.wait` holds a lock, for which a signal's handler would wait for
    ever."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def _became(folder: Path, code: int) -> str:
    state = store.state(folder)
    if state in store.FINAL:
        return state
    if code == store.BUSY:
        raise UserError(f"left to {store.holder(folder) or 'another process'}")
    error = store.read_error(folder)
    if not error and (code == 1 or -code in STOPPING):  # it had not begun to obey them
        sys.exit(AGAIN)
    if not error:
        error = f"the process was {ending(code)} before the run was final"
        store.write_error(folder, error)
    raise UserError(error)


def _ended(folder: Path, code: int, rank: str) -> str:
    """How a process but the first has ended; `UserError` where it failed, or another has."""
    error = store.read_error(folder)
    if not error and code not in (0, 1, store.BUSY) and -code not in STOPPING:
        error = f"rank {rank} was {ending(code)}"
        store.write_error(folder, error)
    if error:
        raise UserError(error)
    # srun ends what is left when the first has ended with AGAIN. While Python ends, submitit's
    # handler is gone: this task's death of the signal would be srun's exit code, and not AGAIN.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return "trained" if code == 0 else "interrupted"
