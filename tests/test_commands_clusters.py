"""The front door where runs are a cluster's: what is said of it, and what is refused."""

import os
import runpy
import sys
from pathlib import Path

import pytest
from tests.test_commands import arguments

from reslab import commands, store
from reslab.errors import UserError
from reslab.store.queue import write_job


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A squeue that has one job, and a scancel that writes down what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {
        "squeue": "echo '7_0|PENDING|0|Priority|quickstart@seeds=1|'",
        "scancel": f'echo "$@" > {folder / "cancelled"}',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def a_queued_run() -> None:
    plan = commands.plan_of(arguments(name="quickstart", seeds=1))
    store.write_plan(plan)
    write_job(plan.folders()[0], "7_0", "slurm", plan.name)


def test_a_dry_run_prints_the_scripts_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of nothing on this machine: it may be a login node without a GPU."""
    given = {"seeds": 1, "only": "*-8", "dry": True, "on": "slurm_gpu"}
    assert commands.run(arguments(name="quickstart", **given)) == 0
    told = capsys.readouterr().out
    assert "2 of 2 runs to do, 2 at once on 1 GPU each; estimated" in told
    assert "# JOB1_1  residual-8-s0-" in told
    assert "#SBATCH --array=0-1%2" in told and "#SBATCH --gpus-per-node=1" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"follow": True}, "FOLLOW=1 follows jobs on a cluster: say ON=…, too"),
        ({"on": "slurm", "slots_per_gpu": 2}, "SLOTS_PER_GPU is of this machine's GPUs"),
        ({"on": "slurm", "slots_per_gpu": None}, "SLOTS_PER_GPU is of this machine's GPUs"),
        ({"on": "slurm", "card": "h100"}, "stands in configs/clusters/slurm.yaml"),
        ({"on": "slurm", "devices": 4}, "gives each run cores: 2; expected DEVICES=2"),
    ],
    ids=str,
)
def test_words_that_do_not_go_together_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        commands.run(arguments(name="quickstart", **given))
    assert said in str(caught.value)


def test_what_is_queued_there_is_not_trained_here(squeue: Path) -> None:
    a_queued_run()
    with pytest.raises(UserError, match="1 run of quickstart@seeds=1 queued or running"):
        commands.run(arguments(name="quickstart", seeds=1))


def test_stop_cancels_what_is_queued(
    squeue: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As make says it."""
    a_queued_run()
    script = str(repository / "scripts" / "experiment.py")
    monkeypatch.setattr(sys, "argv", [script, "stop", "--", "quickstart"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(script, run_name="__main__")
    assert "cancelled 1 run of quickstart@seeds=1" in capsys.readouterr().out
    assert (squeue / "cancelled").read_text() == "7_0\n"


def test_what_scancel_refuses_is_told_in_its_words(squeue: Path) -> None:
    a_queued_run()
    (squeue / "scancel").write_text("#!/bin/sh\necho 'scancel: error: Not yours' >&2; exit 1\n")
    with pytest.raises(UserError, match=r"^scancel: Not yours$"):
        commands.read("stop", ["quickstart"])


def test_status_says_where_a_run_is_in_the_queue(
    squeue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_queued_run()
    assert commands.read("status", ["quickstart"]) == 0
    told = capsys.readouterr().out
    assert "queued (Priority), job 7_0" in told
    assert "6 runs: 1 queued, 5 pending" in told
    (squeue / "squeue").write_text("#!/bin/sh\necho 'no controller' >&2; exit 1\n")
    assert commands.read("status", ["quickstart"]) == 0
    assert "warning: squeue does not answer: no controller" in capsys.readouterr().out
