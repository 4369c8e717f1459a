"""What goes wrong on a cluster, on a real SLURM: nodes vanish, signals come too early, data lie on
each node, and the home can be written nowhere. docs/clusters.md has the list."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.arrays import saved
from tests.experiments.jobs import launched
from tests.experiments.test_slurm import (
    LONG,
    digits,
    ended_equal,
    follow,
    states,
    submit,
    training,
    undisturbed,
)
from tests.slurm.cluster import Cluster, wait_until
from tests.test_commands import arguments
from tests.wandb_server import call, wandb_server

from reslab import commands, store
from reslab.config.cluster import Cluster as Words
from reslab.experiments.jobs import jobs_of
from reslab.experiments.slots import Slot
from reslab.mirror.unsent import unsent_logs
from reslab.report.status import render

pytestmark = pytest.mark.process


@pytest.mark.slow
def test_the_quickstart_on_a_cluster_as_it_comes_prints_the_local_table(
    cluster: Cluster,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person's own words; only the budget is cut. configs/clusters/slurm.yaml gives each run two
    threads, and so do the slots here."""
    make = ["make", f"VENV={sys.prefix}", "experiment", "NAME=quickstart", "ON=slurm", "FOLLOW=1"]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    told = subprocess.run(
        [*make, "BUDGET=0.02"], cwd=repository, env=own, capture_output=True, text=True, check=True
    ).stdout
    [there] = store.plans_of("quickstart")
    assert set(states(there).values()) == {"done"} and len(there.folders()) == 12
    folders = [folder.absolute() for folder in there.folders()]
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "here"))
    local = commands.plan_of(arguments(name="quickstart", budget=0.02))
    store.write_plan(local)
    assert launched(jobs_of(local), [Slot((), 2)] * 2, local.options) == {}
    ended_equal(folders, local.folders())
    commands.read("table", [local.name])
    assert _rows(told) == _rows(capsys.readouterr().out) != []


def _rows(told: str) -> list[str]:
    """The rows of a table, without what says how long it took."""
    lines = [re.split(r"\s*\|\s*", line) for line in told.splitlines() if line.startswith("| ")]
    return ["|".join(line[:-2]) for line in lines]


def test_a_run_whose_node_vanishes_is_requeued_and_ends_bit_equal(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KILL to the node's daemon, to its steps and to the run, in mid-epoch."""
    found = digits(budget=LONG, one={})
    [folder] = found.folders()
    submit(found)
    wait_until(training(folder, 20), "step 20", 120)
    cluster.lose_node()
    wait_until(lambda: "1 requeued" in render(found), "it is requeued")
    wait_until(lambda: store.state(folder) == "interrupted", "nobody holds it", 10)
    assert submit(found) == []
    cluster.bring_node_back()
    assert follow(found) == {}
    assert len(store.read_starts(folder)) == 2
    here = undisturbed(found, tmp_path / "here", monkeypatch)
    ended_equal([folder], here.folders())


@pytest.mark.parametrize("signal", ["USR2", "TERM"])
def test_a_job_that_is_told_to_stop_before_it_can_obey_waits_again(
    cluster: Cluster, tmp_path: Path, signal: str
) -> None:
    """As in the first half second of a job, while Python starts: what stands before it is ended by
    the signal, once in each task of an array; a task's requeueing is no other task's."""
    early, told = tmp_path / "early.sh", f"{tmp_path}/told-$SLURM_ARRAY_TASK_ID"
    early.write_text(
        f'#!/bin/sh\nif [ ! -e {told} ]; then touch {told}; kill -{signal} $$; fi\nexec "$@"\n'
    )
    early.chmod(0o755)
    found = digits(seeds=2, one={})
    submit(found, Words(gpus=0, cores=1, container=str(early)))
    wait_until(lambda: "requeued" in render(found), "one is requeued", 30)
    assert follow(found) == {}
    assert states(found) == {"one-s0": "done", "one-s1": "done"}
    assert [len(store.read_starts(folder)) for folder in found.folders()] == [1, 1]
    assert {file.name for file in tmp_path.glob("told-*")} == {"told-0", "told-1"}


def test_a_job_that_is_cancelled_before_it_can_obey_does_not_come_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    """By the same signal, TERM; SLURM says of it that it is completing."""
    early = tmp_path / "early.sh"
    early.write_text(
        f'#!/bin/sh\necho begun >> {tmp_path}/begun\nscancel "$SLURM_JOB_ID"\nsleep 60\n'
    )
    early.chmod(0o755)
    found = digits(one={})
    submit(found, Words(gpus=0, cores=1, container=str(early)))
    wait_until((tmp_path / "begun").exists, "it begins")
    wait_until(lambda: not cluster.queue(), "an empty queue")
    time.sleep(8)  # longer than a requeued job waits (cred_expire)
    assert not cluster.queue()
    assert (tmp_path / "begun").read_text() == "begun\n"


def test_a_job_that_fails_is_not_requeued_and_what_rests_on_it_does_not_begin(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The last lines of a script hand on how its step has ended."""
    found = digits(one={}, two={"start": {"variant": "one"}})
    submit(found, Words(gpus=0, cores=1, container="false"))
    wait_until(lambda: not cluster.queue(), "an empty queue")
    assert not any((folder / store.ENV).exists() for folder in found.folders())


def test_data_that_are_staged_on_each_node_are_read_there(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster's file copies them to the node's own disk; by then they are nowhere else. What it
    exports reaches the run where jobs are told to be given nothing of the environment, too."""
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    with np.load(Path(store.__file__).parents[1] / "data" / "digits.npz") as held:
        images, labels = (held["images"][:200] * 15).astype("uint8"), held["targets"][:200]
    shared, node = tmp_path / "shared", tmp_path / "node"
    shared.mkdir()
    file = saved(shared / "my.npz", images=images, labels=labels)
    data = {"name": "arrays", "file": str(file), "test_fraction": 0.25}
    found = digits(one={"data": data})
    source = Path(store.__file__).parents[2]
    exports = (f"export RESLAB_DATA={node}", f"export PYTHONPATH={source}")
    setup = (f"mkdir -p {node}", f"mv {file} {node}", *exports)
    submit(found, Words(gpus=0, cores=1, setup=setup))
    assert follow(found) == {}
    [folder] = found.folders()
    assert states(found) == {"one-s0": "done"}
    assert f"taken is {node / 'my.npz'} (RESLAB_DATA)" in (folder / store.LOG).read_text()


@pytest.mark.slow
def test_a_home_that_cannot_be_written_costs_a_run_and_its_figures_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """Below /proc nobody makes a folder, root neither. torch's compiler, W&B, submitit and
    matplotlib keep what they have elsewhere, or do without."""
    monkeypatch.setenv("HOME", "/proc/reslab")
    monkeypatch.setenv("WANDB_MODE", "offline")
    found = digits(compiles=True, one={})
    submit(found)
    assert follow(found) == {}
    [folder] = found.folders()
    assert store.read_starts(folder)[0]["form"] == "compiled"
    assert len(unsent_logs(folder)) == 1
    script = [sys.executable, str(repository / "scripts" / "experiment.py")]
    for word in ("table", "figure", "page"):
        done = subprocess.run([*script, word, found.name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert [*found.home.rglob("*.png")]


@pytest.mark.slow
def test_what_nodes_cannot_send_to_wandb_is_sent_from_the_login_node(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    repository: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody answers at the address that a node has; there is a key."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", 40 * "0")
    found = digits(one={})
    setup = ("export WANDB_BASE_URL=http://127.0.0.1:9",)
    submit(found, Words(gpus=0, cores=1, setup=setup))
    assert follow(found) == {}
    [folder] = found.folders()
    assert "does not answer: this run is logged offline" in (folder / store.LOG).read_text()
    commands.read("table", [found.name])
    assert "to send: make sync NAME=depth" in capsys.readouterr().out
    with wandb_server() as server:
        sent = call(repository / "scripts" / "sync.py", server, found.name)
        [run] = server.runs.values()
    assert "to send: 1 log" in sent.stdout
    rows = {row["step"] for row in store.read_metrics(folder)}
    assert {row["trainer/global_step"] for row in run.history.values()} == rows
