"""What squeue says of runs whose folders name a job."""

import os
from pathlib import Path

import pytest

from reslab import disk
from reslab.errors import UserError
from reslab.store.queue import JOB, Queued, queued, read_job, write_job

LISTED = (
    "12_0|RUNNING|0|None|a@only=x|y|\n"
    "12_1|PENDING|2|BeginTime|a@only=x|y|\n"
    "12_2|PENDING|0|Dependency|a@only=x|y|\n"
)
NAME = "a@only=x|y"
"""A plan's, with what stands between squeue's columns."""


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A squeue that says this."""
    client = tmp_path / "bin" / "squeue"
    client.parent.mkdir()
    client.write_text(f"#!/bin/sh\nprintf '%s' '{LISTED}'\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=os.pathsep)
    return client


def runs(folder: Path, *jobs: str) -> list[Path]:
    folders = [folder / job for job in jobs]
    for one, job in zip(folders, jobs, strict=True):
        one.mkdir()
        write_job(one, job, "slurm", NAME)
    return folders


def test_a_run_is_where_squeue_has_its_job(tmp_path: Path, squeue: Path) -> None:
    """One that it does not list has ended; a run without a job never was there."""
    folders = [*runs(tmp_path, "12_0", "12_1", "12_2", "11"), tmp_path / "none"]
    assert read_job(folders[0]) == "12_0"
    assert queued(folders) == {
        folders[0]: Queued("12_0", "running", ""),
        folders[1]: Queued("12_1", "requeued", "BeginTime"),
        folders[2]: Queued("12_2", "queued", "Dependency"),
    }


def test_a_job_of_the_same_number_and_another_name_is_not_the_runs(
    tmp_path: Path, squeue: Path
) -> None:
    """Of another cluster on the same file system, or from before the numbers began anew. A folder
    that was written before names were noted has the number alone."""
    [foreign] = runs(tmp_path, "12_0")
    write_job(foreign, "12_0", "slurm", "another plan")
    assert queued([foreign]) == {}
    disk.write_json(foreign / JOB, {"job": "12_0", "cluster": "slurm"})
    assert queued([foreign])[foreign].place == "running"


def test_only_the_persons_own_jobs_are_asked_for(tmp_path: Path, squeue: Path) -> None:
    squeue.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    assert queued(runs(tmp_path, "12_0")) == {}
    assert "--me" in (tmp_path / "asked").read_text().split()


def test_slurm_is_not_asked_where_nothing_was_submitted(tmp_path: Path, squeue: Path) -> None:
    squeue.write_text("#!/bin/sh\nexit 1\n")
    assert queued([tmp_path]) == {}
    with pytest.raises(UserError, match="squeue does not answer"):
        queued(runs(tmp_path, "12_0"))


def test_a_damaged_job_is_told_by_its_file(tmp_path: Path) -> None:
    disk.write_json(tmp_path / JOB, {"job": "mine"})
    with pytest.raises(UserError, match=f"{tmp_path / JOB} is damaged"):
        read_job(tmp_path)


def test_a_machine_without_slurm_has_no_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert queued(runs(tmp_path, "12_0")) == {}
