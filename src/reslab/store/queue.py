"""Which runs wait or run on a cluster: `job.json` in a run's folder names its job.

All else is squeue's: what it does not list has ended, and the run's own files say as what.
"""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reslab.disk import read_json, write_json
from reslab.errors import UserError
from reslab.store import records

JOB = "job.json"

SQUEUE = ("squeue", "--noheader", "--array", "-O", "JobArrayID:|,State:|,RestartCnt:|,Reason:|")

Place = Literal["queued", "requeued", "running"]


@dataclass(frozen=True)
class Queued:
    """A run's job as SLURM lists it."""

    job: str
    """Its id: `12`, or `12_3` in an array."""
    place: Place
    """requeued: it has run, and waits to go on."""
    reason: str
    """Why it waits, in SLURM's word; empty for one that runs, or has just come."""


def write_job(folder: Path, job: str, cluster: str) -> None:
    """From now on this job alone trains the run."""
    write_json(folder / JOB, {"job": job, "cluster": cluster})


def read_job(folder: Path) -> str | None:
    """The id of the job that was last submitted for a run."""
    record = read_json(folder / JOB, records.JOB)
    return record["job"] if record else None


def queued(folders: Iterable[Path]) -> dict[Path, Queued]:
    """Those of the runs that wait or run on a cluster; SLURM is asked only where one was submitted.

    `UserError` where it does not answer.
    """
    jobs = {folder: job for folder in folders if (job := read_job(folder))}
    if not jobs or shutil.which(SQUEUE[0]) is None:  # on a machine that is no login node
        return {}
    listed = _listed()
    return {folder: listed[job] for folder, job in jobs.items() if job in listed}


def _listed() -> dict[str, Queued]:
    answer = subprocess.run(SQUEUE, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise UserError(f"squeue does not answer: {answer.stderr.strip()}")
    rows = (line.strip().split("|") for line in answer.stdout.splitlines())
    return {job: _queued(job, state, int(starts), why) for job, state, starts, why, *_ in rows}


def _queued(job: str, state: str, starts: int, reason: str) -> Queued:
    if state != "PENDING":
        return Queued(job, "running", "")
    return Queued(job, "requeued" if starts else "queued", "" if reason == "None" else reason)
