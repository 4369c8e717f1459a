"""Runs as jobs of a real SLURM: the same numbers as here, whatever becomes of a job under way."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.jobs import SLOT, job, launched
from tests.experiments.plans import plan
from tests.results import DIVERGED
from tests.slurm.cluster import OTHER, Cluster, wait_until
from tests.small_runs import same, weights
from tests.training.test_group import processes, ranks_of

from reslab import commands, disk, store
from reslab.config.cluster import Cluster as Words
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments import slurm
from reslab.experiments.jobs import Job, jobs_of
from reslab.experiments.launch import Failures, launch
from reslab.experiments.task import AGAIN
from reslab.report.status import render
from reslab.store.plan import Plan
from reslab.store.queue import Queued, queued

WORDS = Words(gpus=0, cores=1, warning=30)
"""What each run is given of the tests' cluster, which has four cores."""

DIGITS = {"model": "resnet8_w8", "data": "digits", "recipe": "digits"}
LONG = 2
"""Times the recipe's 400 steps: some seconds of training, to be stopped in the middle."""


PAIR = Words(partition="both", nodes=2, gpus=0, cores=1, warning=30)
"""One process on each of two nodes."""


def digits(
    *,
    seeds: int = 1,
    budget: float = 0.1,
    compiles: bool | None = None,
    devices: int = 1,
    **variants: Any,
) -> Plan:
    tree = {"base": DIGITS, "variants": variants, "seeds": seeds}
    found = plan(tree, budget=budget, compile=compiles, devices=devices)
    store.write_plan(found)
    return found


CHAIN: dict[str, Any] = {"all": {}, "head": {"start": {"variant": "all"}, "trains": "head"}}


# ---- which runs make an array, and what it waits for ---------------------------------------------

Sent = list[tuple[list[str], str | None]]


def sent(jobs: Sequence[Job], there: dict[Path, Queued] | None = None) -> Sent:
    """The arrays in which runs are submitted, by their folders' names, with what they wait for."""
    found: Sent = []

    def send(array: Sequence[Job], waits_for: str | None) -> list[str]:
        found.append(([one.folder.name.rpartition("-")[0] for one in array], waits_for))
        name = str(len(found))
        return [f"{name}_{i}" for i in range(len(array))] if len(array) > 1 else [name]

    slurm.in_order(jobs, there or {}, send)
    return found


def test_tasks_wait_for_the_tasks_they_rest_on_and_arrays_correspond() -> None:
    """Two seeds of all come first, since others rest on them."""
    tuned = {"start": {"variant": "head"}}
    found = plan({"base": DIGITS, "seeds": 2, "variants": {"other": {}, **CHAIN, "tuned": tuned}})
    assert sent(jobs_of(found)) == [
        (["all-s0", "all-s1", "other-s0", "other-s1"], None),
        (["head-s0", "head-s1"], "aftercorr:1"),
        (["tuned-s0", "tuned-s1"], "aftercorr:2"),
    ]


def test_a_run_whose_task_has_another_number_is_a_job_of_its_own() -> None:
    """The first seed of all is done: only the second is task 0 of an array, or a job."""
    found = plan({"base": DIGITS, "seeds": 3, "variants": CHAIN})
    jobs = jobs_of(found)
    first = next(one for one in jobs if one.folder.name.startswith("all-s0"))
    rest = [replace(one, state="done") if one is first else one for one in jobs]
    assert sent(rest) == [
        (["all-s1", "all-s2", "head-s0"], None),
        (["head-s1", "head-s2"], "aftercorr:1"),
    ]
    there = {one.folder: Queued(f"7_{i}", "queued", "") for i, one in enumerate(jobs[:3], 1)}
    assert sent(jobs, there) == [
        (["head-s0"], "afterok:7_1"),
        (["head-s1"], "afterok:7_2"),
        (["head-s2"], "afterok:7_3"),
    ]


def test_an_array_has_no_more_tasks_than_slurm_allows(tmp_path: Path) -> None:
    arrays = sent([job(tmp_path, seed=seed) for seed in range(slurm.MOST + 1)])
    assert [len(names) for names, _ in arrays] == [slurm.MOST, 1]


def test_of_500_runs_that_begin_at_once_twenty_begin_in_a_second(tmp_path: Path) -> None:
    """Those that begin when others have ended are numbered anew."""
    array = [job(tmp_path, seed=seed) for seed in range(502)]
    tasks = slurm.tasks_of(array, Words(at_once=500), Execution())
    delays = [task.delay for task in tasks]
    assert delays[:3] + delays[499:] == pytest.approx([0, 0.05, 0.1, 24.95, 0, 0.05])


def test_files_of_runs_that_are_followed_are_looked_at_every_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher's loop asks five times a second; there may be 500 runs, on a network's disk."""
    now, looks = 0.0, list[float]()
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(store, "state", lambda _: looks.append(now) or "running")
    followed = slurm.Followed("tests")
    followed.start(deque([job(tmp_path)]))
    there = Queued("7", "queued", "")
    monkeypatch.setattr(slurm, "queued", lambda folders: dict.fromkeys(folders, there))
    for _ in range(50):
        assert followed.ended() == []
        now += 0.2
    assert looks == pytest.approx([0, 2, 4, 6, 8], abs=0.3)


def test_where_squeue_does_not_answer_runs_are_followed_for_half_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, and anew where it has answered in between."""
    now, answers = 0.0, False

    def ask(folders: Iterable[Path]) -> dict[Path, Queued]:
        if not answers:
            raise UserError("squeue does not answer: Socket timed out")
        return dict.fromkeys(folders, Queued("7", "queued", ""))

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(slurm, "queued", ask)
    followed = slurm.Followed("tests")
    followed.start(deque([job(tmp_path)]))
    for moment in ((0.0, False), (1700.0, False), (1710.0, True), (1720.0, False)):
        now, answers = moment
        assert followed.ended() == []
    assert capsys.readouterr().err.count("warning: squeue does not answer: Socket timed out") == 2
    now = 3530.0
    with pytest.raises(UserError, match="squeue does not answer"):
        followed.ended()


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clients that do nothing, but for writing down what they are told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "scancel"):
        (folder / name).write_text(
            f'#!/bin/sh\nenv > {tmp_path}/told\necho {name} "$1" >> {tmp_path}/order\necho job 7\n'
        )
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return tmp_path


def test_a_job_that_waits_for_ever_is_not_in_the_queue_and_is_cancelled_by_the_next(
    login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SLURM leaves it there though its parent has failed: following it ends, too."""
    found = digits(one={})
    [folder] = found.folders()
    there = {folder: Queued("3_1", "queued", "DependencyNeverSatisfied")}
    monkeypatch.setattr(slurm, "queued", lambda folders: there)
    followed = slurm.Followed("tests")
    followed.start(deque(jobs_of(found)))
    assert [one.job.folder for one in followed.ended()] == [folder]
    assert len(slurm.scripts(found, jobs_of(found), WORDS, there)) == 1
    assert slurm.submit(found, jobs_of(found), WORDS, "tests", there) == ["7"]
    cancelled, sent = (login / "order").read_text().splitlines()
    assert cancelled == "scancel 3_1" and sent.startswith("sbatch ")


def test_a_variable_that_sbatch_prefers_to_the_file_is_named(
    login: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that says the same, or of what the file says nothing, is not."""
    for word in ("PARTITION=low", "TIMELIMIT=60", "ACCOUNT=mine", "QOS=normal"):
        name, _, value = word.partition("=")
        monkeypatch.setenv(f"SBATCH_{name}", value)
    found = digits(one={})
    slurm.scripts(found, jobs_of(found), Words(partition="high", qos="normal", time=90), {})
    assert capsys.readouterr().err.splitlines() == [
        "warning: SBATCH_PARTITION=low overrules partition: high",
        "warning: SBATCH_TIMELIMIT=60 overrules time: 90",
    ]


@pytest.mark.parametrize(
    ("nodes", "ended", "answers", "told"),
    [
        (1, AGAIN, ["RUNNING"], ["requeue 3_1"]),
        (1, 143, ["RUNNING"], ["requeue 3_1"]),
        (1, 1, ["RUNNING"], []),
        (1, AGAIN, ["COMPLETING"], []),  # it was cancelled
        (1, AGAIN, ["", "", "RUNNING"], ["requeue 3_1"]),  # the controller is busy, twice
        (1, AGAIN, ["", "", "", "", "RUNNING"], []),
        (2, AGAIN, ["RUNNING"], ["requeue 3_1"]),
        (2, 143, ["RUNNING"], []),  # a task has failed, and the others were ended
    ],
    ids=str,
)
def test_the_end_of_a_script_requeues_its_job_or_hands_on_how_its_step_has_ended(
    tmp_path: Path, nodes: int, ended: int, answers: list[str], told: list[str]
) -> None:
    asked = (
        f'echo >> {tmp_path}/asked; answer=$(sed -n "$(wc -l < {tmp_path}/asked)p" {tmp_path}/all)'
    )
    for name, does in {
        "squeue": f'{asked}; echo "$answer"; [ -n "$answer" ]',
        "scontrol": f'echo "$@" >> {tmp_path}/told',
        "sleep": "true",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "all").write_text("".join(f"{answer}\n" for answer in answers))
    (tmp_path / "told").touch()
    script = "\n".join([f"(exit {ended})", *slurm._afterwards(nodes)])
    job = {"SLURM_JOB_ID": "4", "SLURM_ARRAY_JOB_ID": "3", "SLURM_ARRAY_TASK_ID": "1"}
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **job}
    done = subprocess.run(["bash", "-c", script], env=own, capture_output=True, check=False)
    assert done.returncode == ended
    assert (tmp_path / "told").read_text().splitlines() == told


def test_what_is_submitted_from_inside_a_job_knows_nothing_of_it(
    login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from salloc, or srun --pty bash; jobs have the plan's name, whatever else is said."""
    words = {
        "SLURM_JOB_ID": "3", "SLURM_CPU_BIND": "quiet", "SLURM_MEM_PER_NODE": "1",
        "SLURM_CONF": "/etc/own.conf", "SBATCH_JOB_NAME": "mine",
    }  # fmt: skip
    for word, value in words.items():
        monkeypatch.setenv(word, value)
    found = digits(one={})
    assert slurm.submit(found, jobs_of(found), WORDS, "tests", {}) == ["7"]
    told = [line for line in (login / "told").read_text().splitlines() if "SLURM_" in line]
    assert told == ["SLURM_CONF=/etc/own.conf"]
    assert "SBATCH_JOB_NAME" not in (login / "told").read_text()
    assert os.environ["SLURM_JOB_ID"] == "3"


def test_a_script_says_to_sbatch_what_the_clusters_file_says(cluster: Cluster) -> None:
    """Handed to the real sbatch, which takes it."""
    words = Words(
        partition="low", time=90, gpus=0, cores=2, memory=1, at_once=3, setup=("module load cuda",)
    )
    found = digits(seeds=4, one={})
    [script] = slurm.scripts(found, jobs_of(found), words, {})
    assert script.startswith("# JOB1_0  one-s0-")
    for line in (
        "#SBATCH --array=0-3%3",
        "#SBATCH --partition=low",
        "#SBATCH --time=90",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --mem=1GB",
        "#SBATCH --signal=USR2@120",
        "#SBATCH --requeue",
        "#SBATCH --kill-on-invalid-dep=yes",
        "module load cuda",
        "exit $ended",
    ):
        assert f"\n{line}\n" in script
    assert "gpus" not in script and "--kill-on-bad-exit" not in script
    file = cluster.folder / "script.sh"
    file.write_text(script[script.index("#!") :])
    assert "Submitted batch job" in cluster.ask("sbatch", "--hold", str(file))


def test_a_run_on_several_nodes_has_a_task_for_each_of_its_processes() -> None:
    """Which share what it has of each node."""
    words = Words(nodes=2, gpus=4, cores=16)
    found = digits(devices=8, one={})
    [script] = slurm.scripts(found, jobs_of(found), words, {})
    for line in (
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gpus-per-node=4",
    ):
        assert f"\n{line}\n" in script
    assert " --export=ALL --cpus-per-task=4 --kill-on-bad-exit=1 " in script
    assert f"if [ $ended = {AGAIN} ]; then" in script  # TERM is what a failing task brings upon all
    [slot] = slurm.slots_of(words, found.options, 1)
    assert (len(slot.gpus), slot.threads, slot.processes) == (8, 4, 8)


def test_the_estimate_is_that_of_the_clusters_cards_not_of_this_machine() -> None:
    found = plan({"base": DIGITS, "seeds": 2, "variants": CHAIN})
    slots = slurm.slots_of(Words(gpus=1, cores=8, at_once=3, card="h100"), found.options, 4)
    assert [(len(slot.gpus), slot.threads, slot.name) for slot in slots] == [(1, 8, "H100")] * 3
    assert len({slot.gpus for slot in slots}) == 3


def test_what_rests_on_a_diverged_run_is_not_submitted() -> None:
    tuned = {"start": {"variant": "head"}}
    found = digits(**CHAIN, tuned=tuned)
    disk.write_json(found.folders()[0] / store.RESULT, DIVERGED)
    assert sent(jobs_of(found)) == []


def test_what_sbatch_refuses_is_told_in_its_words(cluster: Cluster) -> None:
    with pytest.raises(UserError, match="invalid partition specified: nowhere"):
        submit(digits(one={}), Words(partition="nowhere", cores=1))


def test_without_slurm_it_is_said_where_one_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = plan({"base": DIGITS, "variants": CHAIN})
    with pytest.raises(UserError, match="no srun: ON=… is said on a login node"):
        slurm.scripts(found, jobs_of(found), WORDS, {})


# ---- on a real SLURM ----------------------------------------------------------------------------


def submit(found: Plan, words: Words = WORDS) -> list[str]:
    return slurm.submit(found, jobs_of(found), words, "tests", queued(found.folders()))


def follow(found: Plan) -> Failures:
    return launch(jobs_of(found), slurm.Followed(found.name), SLOT)


def states(found: Plan) -> dict[str, store.State]:
    return {f"{run.slug}-s{run.seed}": found.state(run.name) for run in _runs(found)}


def _runs(found: Plan) -> list[Any]:
    return [run for variant in found.variants for run in variant.runs]


def undisturbed(found: Plan, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The same plan trained on this machine, in a folder of its own."""
    monkeypatch.setenv("RESLAB_RUNS", str(runs))
    store.write_plan(found)
    assert launched(jobs_of(found), [SLOT, SLOT], found.options) == {}
    return found


def ended_equal(one: Sequence[Path], other: Sequence[Path]) -> None:
    """Weights bit for bit, results to the last digit."""
    for here, there in zip(one, other, strict=True):
        assert same(weights(here / store.CONFIG), weights(there / store.CONFIG))
        results = [store.read_result(folder) or {} for folder in (here, there)]
        assert results[0]["test"] == results[1]["test"]


def training(folder: Path, step: int) -> Callable[[], bool]:
    """Whether a run has come past a step."""
    return lambda: store.last_step(folder) > step


@pytest.mark.process
def test_an_array_gives_the_local_table_to_the_last_digit(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """As a person says it: quickstart, followed to its table; with one thread for each run, there
    as here. Called again it submits nothing."""
    words = tmp_path / "mine.yaml"
    words.write_text("{gpus: 0, cores: 1}")
    command = [sys.executable, str(repository / "scripts" / "experiment.py"), "run", "quickstart"]
    options = ["--budget=0.1", "--seeds=1", "--only=*-8", f"--on={words}", "--follow"]
    told = [
        subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert "submitted 2 runs: job " in told[0] and "submitted" not in told[1]
    assert all("| plain-8" in one and "| residual-8" in one for one in told)
    [there] = store.plans_of("quickstart")
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "here"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = subprocess.run([*command, *options[:3]], capture_output=True, text=True, check=True)
    [local] = store.plans_of("quickstart")
    folders = [tmp_path / "runs" / "quickstart" / folder.name for folder in there.folders()]
    ended_equal(folders, local.folders())
    assert _errors(here.stdout) == _errors(told[0])


def _errors(told: str) -> list[str]:
    """The rows of the table, without what says how long it took."""
    return [line.rsplit("|", 2)[0] for line in told.splitlines() if line.startswith("| plain-8")]


@pytest.mark.process
def test_a_child_waits_for_its_parent_and_is_blocked_when_that_fails(cluster: Cluster) -> None:
    """Of two seeds one parent fails: the other's chain goes on. Mended, only what failed is
    submitted again."""
    found = digits(seeds=2, **CHAIN)
    broken = found.folders()[0] / store.CHECKPOINT
    broken.write_bytes(b"no checkpoint")
    assert len(submit(found)) == 4
    wait_until(lambda: "queued (Dependency)" in render(found), "the children wait")
    failed = follow(found)
    assert {one.folder.name.rpartition("-")[0] for one in failed} == {"all-s0", "head-s0"}
    assert states(found) == {
        "all-s0": "crashed", "all-s1": "done", "head-s0": "blocked", "head-s1": "done",
    }  # fmt: skip
    broken.unlink()
    assert len(submit(found)) == 2
    assert follow(found) == {}
    assert set(states(found).values()) == {"done"}


def test_a_child_of_a_diverged_run_ends_as_blocked_before_it_trains(cluster: Cluster) -> None:
    """The parent's job ends well, and SLURM starts the child."""
    found = digits(**CHAIN)
    parent, child = found.folders()
    slurm.submit(found, jobs_of(found)[1:], WORDS, "tests", {})
    disk.write_json(parent / store.RESULT, DIVERGED)
    wait_until(lambda: not cluster.queue(), "the child's job has ended")
    assert states(found) == {"all-s0": "diverged", "head-s0": "blocked"}
    assert not (child / store.ENV).exists()
    assert "blocked: it starts from" in _said(found)


def _said(found: Plan) -> str:
    """What jobs printed."""
    return "".join(log.read_text() for log in (found.home / slurm.LOGS).glob("*_log.out"))


@pytest.mark.process
def test_a_preempted_run_saves_is_requeued_and_ends_bit_equal(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM, in mid-epoch; its cores go to a job of a higher partition meanwhile. The controller
    is restarted while it waits."""
    found = digits(budget=LONG, one={})
    [folder] = found.folders()
    submit(found)
    wait_until(training(folder, 20), "step 20", 120)
    cluster.ask("sbatch", "--partition=high", "--ntasks=4", "--output=/dev/null", "--wrap=sleep 8")
    wait_until(lambda: "1 requeued" in render(found), "it is requeued")
    assert store.state(folder) == "interrupted"
    cluster.restart_controller()
    assert submit(found) == []  # it waits already
    assert follow(found) == {}
    assert [start["resumed"] for start in store.read_starts(folder)] == [False, True]
    there = [folder]
    here = undisturbed(found, tmp_path / "here", monkeypatch)
    ended_equal(there, here.folders())


@pytest.mark.process
def test_a_run_in_a_container_without_slurms_client_is_requeued_all_the_same(
    cluster: Cluster, tmp_path: Path
) -> None:
    """By USR2 and by TERM. No program at all is found there; a child waits for the run meanwhile,
    and is not cancelled."""
    container = tmp_path / "container.sh"
    container.write_text('#!/bin/sh\nPATH=/nowhere\nunset SLURM_CONF\nexec "$@"\n')
    container.chmod(0o755)
    found = digits(budget=LONG, compiles=False, **CHAIN)
    [folder, _] = found.folders()
    job, child = submit(found, Words(gpus=0, cores=1, warning=30, container=str(container)))
    for word in ("USR2", "TERM"):
        step = store.last_step(folder) + 20
        wait_until(training(folder, step), f"step {step}", 120)
        cluster.ask("scancel", f"--signal={word}", job)
        wait_until(lambda: "1 requeued" in render(found), f"{word}: it is requeued")
        assert child in cluster.queue()
    assert follow(found) == {}
    assert set(states(found).values()) == {"done"}
    assert [start["resumed"] for start in store.read_starts(folder)] == [False, True, True]


@pytest.mark.process
@pytest.mark.slow
def test_a_run_that_reaches_its_time_limit_four_times_ends_bit_equal(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USR2 to all processes of the step, as SLURM sends it before the limit. Of one that is ten
    minutes or less submitit left to itself forgives three."""
    found = digits(budget=LONG, one={})
    [folder] = found.folders()
    [job] = submit(found, Words(gpus=0, cores=1, time=10))
    for start in range(4):
        step = store.last_step(folder) + 20
        wait_until(training(folder, step), f"step {step} after {start} starts", 180)
        cluster.ask("scancel", "--signal=USR2", job)
        wait_until(lambda: "1 requeued" in render(found), "it is requeued")
    assert follow(found) == {}
    assert [start["resumed"] for start in store.read_starts(folder)] == [False] + [True] * 4
    there = [folder]
    here = undisturbed(found, tmp_path / "here", monkeypatch)
    ended_equal(there, here.folders())


@pytest.mark.process
@pytest.mark.slow
def test_a_run_is_requeued_by_slurms_own_time_limit(cluster: Cluster) -> None:
    """Two minutes, which SLURM announces up to a minute earlier than it was told to; the run would
    take many, and compiles nothing in that time."""
    found = digits(budget=1000, compiles=False, one={})
    [folder] = found.folders()
    submit(found, Words(gpus=0, cores=1, time=2, warning=50))
    wait_until(lambda: "1 requeued" in render(found), "it is requeued", 120)
    assert store.state(folder) == "interrupted"
    assert (folder / store.CHECKPOINT).exists()
    wait_until(lambda: len(store.read_starts(folder)) == 2, "it goes on", 120)
    assert [start["resumed"] for start in store.read_starts(folder)] == [False, True]


@pytest.mark.process
@pytest.mark.slow
def test_a_run_on_two_nodes_ends_as_two_processes_of_one_machine_do(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told in mid-epoch to save, as before a time limit and as where it is preempted: both
    processes do so after the same step, and the job is requeued as a whole, once."""
    found = digits(budget=LONG, devices=2, one={})
    [folder] = found.folders()
    [job] = submit(found, PAIR)
    for word in ("USR2", "TERM", "TERM"):  # which of the two ends first differs
        step = store.last_step(folder) + 20
        wait_until(training(folder, step), f"step {step}", 120)
        assert cluster.ask("squeue", "-h", "-o", "%D %B") == f"2 {OTHER}"
        cluster.ask("scancel", f"--signal={word}", job)
        wait_until(lambda: "1 requeued" in render(found), f"{word}: it is requeued")
        assert store.state(folder) == "interrupted"
    assert follow(found) == {}
    starts = store.read_starts(folder)
    assert [start["devices"] for start in starts] == [2, 2, 2, 2]
    assert [start["resumed"] for start in starts] == [False, True, True, True]
    here = undisturbed(found, tmp_path / "here", monkeypatch)
    ended_equal([folder], here.folders())


def test_a_task_that_ends_with_again_is_what_srun_hands_on_though_it_ends_another(
    cluster: Cluster,
) -> None:
    """The other one ignores TERM while Python ends; one that dies of it would be handed on."""
    ends = (
        "import os, signal, sys, time; first = os.environ['SLURM_PROCID'] == '0'; {}; "
        f"time.sleep(1 if first else 3); sys.exit({AGAIN} if first else 0)"
    )
    srun = ["srun", "--partition=both", "--nodes=2", "--ntasks=2", "--kill-on-bad-exit=1"]
    codes = [
        subprocess.run([*srun, sys.executable, "-c", ends.format(does)], check=False).returncode
        for does in ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "pass")
    ]
    assert codes == [AGAIN, 128 + signal.SIGTERM]


@pytest.mark.process
@pytest.mark.slow
def test_a_process_that_is_killed_on_one_node_ends_those_on_the_others(cluster: Cluster) -> None:
    """SLURM ends them; the run has crashed, and says of what."""
    found = digits(budget=1000, compiles=False, devices=2, one={})
    [folder] = found.folders()
    submit(found, PAIR)
    wait_until(training(folder, 20), "step 20", 120)
    os.kill(ranks_of(folder / store.CONFIG)[1], signal.SIGKILL)
    assert [one.folder for one in follow(found)] == [folder]
    assert store.state(folder) == "crashed"
    error = store.read_error(folder) or ""
    assert "was killed by signal 9" in error or "another process has ended" in error
    wait_until(lambda: not processes(folder / store.CONFIG), "nothing is left")


@pytest.mark.process
def test_stopped_runs_save_and_leave_the_queue_and_only_they_are_submitted_again(
    cluster: Cluster,
) -> None:
    found = digits(budget=LONG, seeds=2, one={})
    ids = submit(found)
    assert [one.job for one in queued(found.folders()).values()] == ids
    assert submit(found) == []
    for folder in found.folders():
        wait_until(training(folder, 20), "step 20 of both", 120)
    assert "2 running" in render(found)
    assert commands.read("stop", [found.name]) == 0
    wait_until(lambda: not cluster.queue(), "an empty queue")
    assert set(states(found).values()) == {"interrupted"}
    steps = [store.last_step(folder) for folder in found.folders()]
    assert len(submit(found)) == 2
    for folder, step in zip(found.folders(), steps, strict=True):
        wait_until(training(folder, step), f"beyond step {step}", 120)
        assert store.read_starts(folder)[-1]["resumed"]
