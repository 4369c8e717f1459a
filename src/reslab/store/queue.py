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

COLUMNS = "JobArrayID:|,State:|,RestartCnt:|,Reason:|,Name:|"
SQUEUE = ("squeue", "--noheader", "--me", "--array", "-O", COLUMNS)
"""Of whoever asks: a number alone may be another person's job, or another cluster's."""

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


def write_job(folder: Path, job: str, cluster: str, name: str) -> None:
    """From now on this job alone, of this name in squeue, trains the run."""
    write_json(folder / JOB, {"job": job, "cluster": cluster, "name": name})


def read_job(folder: Path) -> str | None:
    """The id of the job that was last submitted for a run."""
    record = read_json(folder / JOB, records.JOB)
    return record["job"] if record else None


def queued(folders: Iterable[Path]) -> dict[Path, Queued]:
    """Those of the runs that wait or run on a cluster; SLURM is asked only where one was submitted.

    `UserError` where it does not answer.
    """
    noted = {folder: read_json(folder / JOB, records.JOB) for folder in folders}
    jobs = {folder: record for folder, record in noted.items() if record}
    if not jobs or shutil.which(SQUEUE[0]) is None:  # on a machine that is no login node
        return {}
    listed = _listed()
    there = ((folder, listed.get(one["job"]), one.get("name")) for folder, one in jobs.items())
    return {folder: of[1] for folder, of, name in there if of and name in (None, of[0])}


def _listed() -> dict[str, tuple[str, Queued]]:
    """Every job's name, and where it is, by its id."""
    answer = subprocess.run(SQUEUE, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise UserError(f"squeue does not answer: {answer.stderr.strip()}")
    rows = (line.strip().split("|", 4) for line in answer.stdout.splitlines())
    return {
        job: (name.removesuffix("|"), _queued(job, state, int(starts), why))
        for job, state, starts, why, name in rows
    }


def _queued(job: str, state: str, starts: int, reason: str) -> Queued:
    if state != "PENDING":
        return Queued(job, "running", "")
    return Queued(job, "requeued" if starts else "queued", "" if reason == "None" else reason)
