"""A plan's runs as job arrays of SLURM, through submitit: one task of the array for each run.

A run that rests on another waits for that task alone: with `aftercorr` where whole arrays
correspond, task by task, else as a job of its own.
"""

import itertools
import math
import os
import shlex
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import store
from reslab.config.cluster import Cluster
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments.cards import card_named
from reslab.experiments.jobs import Job
from reslab.experiments.launch import Ended, can_start, why_blocked
from reslab.experiments.slots import Slot
from reslab.experiments.task import AGAIN, Task
from reslab.store.plan import Plan
from reslab.store.queue import Queued, queued, write_job
from reslab.text import counted

if TYPE_CHECKING:
    from submitit import SlurmExecutor

MOST = 1000
"""Tasks of an array: one less than SLURM's MaxArraySize where nobody has changed it."""
ASK_EVERY = 10.0
"""Seconds between questions to squeue while runs are followed."""
SILENT = 1800.0
"""Seconds without an answer of squeue's after which runs are followed no longer."""
LOOK_EVERY = 2.0
"""Seconds between looks at the files of runs that are followed."""
APART = 0.05
"""Seconds between the beginnings of an array's runs, which read the same libraries and data from
one file system: 500 at once are 25 seconds."""
OURS = ("SBATCH_JOB_NAME", "SBATCH_ARRAY_INX", "SBATCH_SIGNAL", "SBATCH_NO_REQUEUE", "SBATCH_WAIT")
"""Variables that sbatch would prefer to what every script must say."""
OVERRULED = {
    "SBATCH_PARTITION": "partition",
    "SBATCH_ACCOUNT": "account",
    "SBATCH_QOS": "qos",
    "SBATCH_CONSTRAINT": "constraint",
    "SBATCH_TIMELIMIT": "time",
    "SBATCH_MEM_PER_NODE": "memory",
    "SBATCH_GPUS_PER_NODE": "gpus",
}
"""Variables that sbatch prefers to what a cluster's file says."""
NEVER = "DependencyNeverSatisfied"
"""Why a job waits of which a parent has failed, where kill-on-invalid-dep is not heeded."""
LOGS = "slurm"
"""The folder beside a plan for submitit's files: scripts, and what SLURM says of each task."""

AFTERWARDS = (
    "  job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}",
    "  # a job that was cancelled, or that SLURM itself has requeued, is not RUNNING;",
    "  # a controller that does not answer is asked again",
    "  for pause in 5 20 60 0; do",
    '    state=$(squeue -h -j "$job" -o %T) && {',
    '      [ "$state" != RUNNING ] || scontrol requeue "$job"',
    "    } && break",
    "    sleep $pause",
    "  done",
    "fi",
    "exit $ended",
    "",
)
"""The end of a job's script, outside of its container, which needs no client of SLURM's. Its exit
code is that of its step: others depend on it."""
ASKED = (
    f"# {AGAIN}: the run has saved and goes on later",
    f"if [ $ended = {AGAIN} ]; then",
)
ASKED_OR_EARLY = (
    f"# {AGAIN}: the run has saved and goes on later; 140, 143: USR2 or TERM came before it could",
    f"if [ $ended = {AGAIN} ] || [ $ended = 140 ] || [ $ended = 143 ]; then",
)
"""Of several tasks TERM ends those that are left where one has failed: there it asks nothing."""

Submit = Callable[[Sequence[Job], str | None], list[str]]
"""Submits runs as one array that waits for others; the ids of its tasks."""


def slots_of(cluster: Cluster, execution: Execution, pending: int) -> list[Slot]:
    """What the cluster gives at a time, for the estimate; nothing of this machine is looked at."""
    called = card_named(cluster.card).called if cluster.card else ""
    threads, count = _threads(cluster, execution), min(cluster.at_once, pending)
    runs, gpus = range(max(1, count)), range(cluster.gpus * cluster.nodes)
    each = [tuple(f"{run}.{gpu}" for gpu in gpus) for run in runs]
    return [Slot(names, threads, execution.devices, called) for names in each]


def submit(
    plan: Plan, jobs: Sequence[Job], cluster: Cluster, name: str, there: Mapping[Path, Queued]
) -> list[str]:
    """Submit runs, but for those that are `there` in the queue, and can begin; returns the ids of
    their jobs."""
    _say_overruled(cluster)
    can = that_can_begin(there)
    cancel({folder: one for folder, one in there.items() if folder not in can})

    def send(array: Sequence[Job], dependency: str | None) -> list[str]:
        executor = _executor(plan, cluster, dependency)
        with _outside_of_jobs(), _sbatch_in_words(), executor.batch():
            tasks = tasks_of(array, cluster, plan.options)
            sent = [executor.submit(task) for task in tasks]
        for job, one in zip(array, sent, strict=True):
            write_job(job.folder, one.job_id, name, plan.name)
        return [one.job_id for one in sent]

    return in_order(jobs, can, send)


def that_can_begin(there: Mapping[Path, Queued]) -> dict[Path, Queued]:
    """Without jobs that wait for ever: some clusters do not cancel one whose parent has failed."""
    return {folder: one for folder, one in there.items() if one.reason != NEVER}


def _say_overruled(cluster: Cluster) -> None:
    """sbatch prefers its variables to a script."""
    for variable, field in OVERRULED.items():
        mine, said = getattr(cluster, field), os.environ.get(variable)
        if mine and said and said != str(mine):
            print(f"warning: {variable}={said} overrules {field}: {mine}", file=sys.stderr)


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Without what SLURM has told a job from which one submits (salloc, srun --pty bash): its
    cores and memory would be those of the steps of the jobs that are submitted. And without
    `OURS`."""
    before = dict(os.environ)
    told = [word for word in before if word.startswith("SLURM_") and word != "SLURM_CONF"]
    for word in [*OURS, *(told if "SLURM_JOB_ID" in before else ())]:
        os.environ.pop(word, None)
    try:
        yield
    finally:
        os.environ.update(before)


@contextmanager
def _sbatch_in_words() -> Iterator[None]:
    """`UserError` with what sbatch says where it refuses: another partition, too many jobs."""
    from submitit.core.utils import FailedJobError

    try:
        yield
    except FailedJobError as error:
        raise UserError(f"SLURM takes no job: {error}") from None


def scripts(
    plan: Plan, jobs: Sequence[Job], cluster: Cluster, there: Mapping[Path, Queued]
) -> list[str]:
    """What `submit` would hand to sbatch; JOB1, JOB2, … stand for the ids that SLURM will give."""
    _say_overruled(cluster)
    found, numbers = list[str](), itertools.count(1)

    def write(array: Sequence[Job], dependency: str | None) -> list[str]:
        executor, job = _executor(plan, cluster, dependency), f"JOB{next(numbers)}"
        if len(array) > 1:
            executor.parameters["map_count"] = len(array)
        script = executor._make_submission_file_text(executor._submitit_command_str, "")
        tasks = [f"{job}_{i}" for i in range(len(array))] if len(array) > 1 else [job]
        told = zip(tasks, array, strict=True)
        names = "".join(f"# {task}  {one.folder.name}\n" for task, one in told)
        found.append(f"{names}{script}")
        return tasks

    in_order(jobs, that_can_begin(there), write)
    return found


def in_order(jobs: Sequence[Job], there: Mapping[Path, Queued], send: Submit) -> list[str]:
    """Send runs in arrays, those that others rest on first; the ids of their jobs."""
    ids = {folder: one.job for folder, one in there.items()}
    left = _parents_first([job for job in _possible(jobs) if job.folder not in there])
    sent = list[str]()
    while left:
        array = _next_array(left, ids)
        new = send(array, dependency([_waits_for(job, ids) for job in array]))
        ids |= {job.folder: id for job, id in zip(array, new, strict=True)}
        left = [job for job in left if job not in array]
        sent += new
    return sent


def _possible(jobs: Sequence[Job]) -> list[Job]:
    """Those that are not final and rest on no run that has diverged."""
    lost = set[Path]()
    for job in jobs:  # no run comes before those that it rests on
        if any(why_blocked(parent, words, lost) for parent, words in job.parents.items()):
            lost.add(job.folder)
    return [job for job in jobs if job.pending and job.folder not in lost]


def _parents_first(jobs: Sequence[Job]) -> list[Job]:
    """Those on which the most others rest directly come first: so the tasks of two arrays
    correspond."""
    rest = [parent for job in jobs for parent in job.parents]
    return sorted(jobs, key=lambda job: -rest.count(job.folder))


def _waits_for(job: Job, ids: Mapping[Path, str]) -> list[str]:
    return [ids[parent] for parent in job.parents if parent in ids]


def _next_array(left: Sequence[Job], ids: Mapping[Path, str]) -> list[Job]:
    """Of the runs whose parents have jobs: all that wait for nothing, else as many as correspond to
    tasks 0, 1, 2, … of the same arrays, else one."""
    missing = {job.folder for job in left}
    ready = [job for job in left if not missing & {*job.parents}]
    if free := [job for job in ready if not _waits_for(job, ids)]:
        return free[:MOST]
    at: dict[frozenset[str], dict[int, Job]] = defaultdict(dict)
    for job in ready:
        tasks = [task.partition("_") for task in _waits_for(job, ids)]
        indices = {int(index) for _, _, index in tasks if index}
        if len(indices) == 1 and all(index for *_, index in tasks):
            at[frozenset(array for array, *_ in tasks)].setdefault(indices.pop(), job)
    rows = [
        [tasks[i] for i in itertools.takewhile(tasks.__contains__, itertools.count())]
        for tasks in at.values()
    ]
    longest = max(rows, key=len, default=[])
    return longest if len(longest) > 1 else ready[:1]


def dependency(waits: Sequence[Collection[str]]) -> str | None:
    """What sbatch calls the dependency of an array whose tasks wait for these."""
    first = list(waits[0])
    if not first:
        return None
    if len(waits) == 1:
        return f"afterok:{':'.join(first)}"
    return f"aftercorr:{':'.join(task.partition('_')[0] for task in first)}"


def tasks_of(array: Sequence[Job], cluster: Cluster, execution: Execution) -> list[Task]:
    """What the array's tasks do; those that can begin at the same time do so one after another."""
    own = Execution.of(execution)
    threads = _threads(cluster, execution)
    return [
        Task(job.folder.absolute(), _absolute(job.parents), own, threads, place * APART)
        for job, place in zip(array, itertools.cycle(range(cluster.at_once)), strict=False)
    ]


def _absolute(parents: Mapping[Path, str]) -> dict[Path, str]:
    return {parent.absolute(): words for parent, words in parents.items()}


def _threads(cluster: Cluster, execution: Execution) -> int:
    """Of each of a run's processes."""
    return max(1, cluster.cores * cluster.nodes // execution.devices)


def _executor(plan: Plan, cluster: Cluster, waits_for: str | None) -> "SlurmExecutor":
    """submitit's, with what the cluster's file says as sbatch's options."""
    try:
        from submitit import SlurmExecutor
    except ImportError:
        raise UserError(
            "ON=… needs submitit; in the checkout: .venv/bin/python -m pip install -e '.[slurm]'"
        ) from None
    python = shlex.quote(sys.executable)
    within = f"{cluster.container} {python}" if cluster.container else python
    try:
        executor = SlurmExecutor(plan.home / LOGS, python=within)
    except RuntimeError:
        raise UserError(
            "this machine has no srun: ON=… is said on a login node of a SLURM cluster"
        ) from None
    tasks = cluster.tasks_per_node(plan.options.devices)
    executor.update_parameters(**_parameters(plan.name, cluster, tasks, waits_for))
    return executor


def _parameters(name: str, cluster: Cluster, tasks: int, waits_for: str | None) -> dict[str, Any]:
    said = {
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "gpus_per_node": cluster.gpus or None,
        "mem": f"{cluster.memory}GB" if cluster.memory else None,
        "setup": list(cluster.setup) or None,
        "teardown": _afterwards(cluster.nodes),
        "dependency": waits_for,
    }
    cores = max(1, cluster.cores // tasks)
    # A task that fails ends the others, which would wait for it.
    together = ["--kill-on-bad-exit=1"] if cluster.nodes > 1 else []
    return {key: value for key, value in said.items() if value is not None} | {
        "job_name": name,
        "time": cluster.time,
        "nodes": cluster.nodes,
        "ntasks_per_node": tasks,
        "cpus_per_task": cores,
        "signal_delay_s": cluster.warning,
        "array_parallelism": cluster.at_once,
        "stderr_to_stdout": True,
        "wckey": None,
        # srun takes the batch job's number of cores by itself no longer since SLURM 22.05.
        # SBATCH_EXPORT=NONE would keep what `setup` exports from the step, too.
        "srun_args": ["--export=ALL", f"--cpus-per-task={cores}", *together],
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes"},
    }


def _afterwards(nodes: int) -> list[str]:
    """The lines that requeue the job, where its step has ended so."""
    return ["ended=$?", *(ASKED if nodes > 1 else ASKED_OR_EARLY), *AFTERWARDS]


def cancel(there: Mapping[Path, Queued]) -> None:
    """Cancel runs' jobs; those that run save first, in the time that SLURM leaves them (KillWait).
    `UserError` where it does not do it."""
    if not there:
        return
    command = ["scancel", *(one.job for one in there.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"scancel: {done.stderr.replace('scancel: error: ', '').strip()}")


class Followed:
    """Runs that were submitted, for the launcher's loop: it starts none, and stops none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = list[Job]()
        self.there = dict[Path, Queued]()
        self.asked = self.looked = -math.inf
        self.silent: float | None = None  # since when squeue does not answer

    def start(self, pending: deque[Job]) -> dict[Job, Exception]:
        """They have been submitted."""
        self.waiting += pending
        pending.clear()
        return {}

    def running(self) -> list[Job]:
        """Runs that are not final and have, or may have, a job."""
        return self.waiting

    def ended(self) -> list[Ended]:
        """Runs that are final, and those that SLURM lists no longer."""
        if time.monotonic() - self.looked < LOOK_EVERY:
            return []
        self.looked = time.monotonic()
        final = {job for job in self.waiting if store.state(job.folder) in store.FINAL}
        gone = final | self._unlisted()
        self.waiting = [job for job in self.waiting if job not in gone]
        # SLURM cancels the jobs of runs of which a parent has failed
        return [Ended(job, "its job has ended", not can_start(job)) for job in gone]

    def _unlisted(self) -> set[Job]:
        if time.monotonic() - self.asked < ASK_EVERY:
            return set()
        try:
            there = that_can_begin(queued(job.folder for job in self.waiting))
            self.silent = None
        except UserError as error:
            self._bear(error)
            return set()
        finally:
            self.asked = time.monotonic()
        return {job for job in self.waiting if job.folder not in there}

    def _bear(self, error: UserError) -> None:
        """A controller may be busy, or restarted: say so once, and give up in half an hour."""
        if self.silent is None:
            self.silent = time.monotonic()
            print(f"\nwarning: {error}; asked again until it does", file=sys.stderr, flush=True)
        elif time.monotonic() - self.silent > SILENT:
            raise error

    def stop(self) -> None:
        """Jobs go on without whoever follows them."""
        if self.waiting:
            print(
                f"\n{counted(len(self.waiting), 'run')} of {self.name} go on; "
                f"make stop NAME={self.name} cancels them",
                file=sys.stderr,
                flush=True,
            )
