"""One run in several processes: the same examples, the same updates, and nobody left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, weights, wrong_again
from tests.training.hosts import CABLE, Hosts
from torch import nn

from reslab import disk, store
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.methods.trains import freeze
from reslab.models.nets import build
from reslab.store.wrong import read_wrong
from reslab.training import ranks
from reslab.training.group import (
    Supervised,
    SyncTrainingNorms,
    in_order,
    refuse_fused_norms,
    strategy,
)
from reslab.training.start import start

pytestmark = pytest.mark.process

EXACT = {
    "model.norm": "none",
    "precision": "64-true",
    "recipe.batch_size": 36,
    "recipe.optimizer.lr": 0.01,
    "recipe.steps": 9,
    "recipe.schedule.milestones": [4, 7],
    "recipe.augmentation": {"crop_padding": 1},
}
"""No BatchNorm and float64: what processes change is the order of sums."""

LONG = {"recipe.steps": 6000, "recipe.schedule.milestones": [3000, 4500]}
"""A row every 40 steps."""


class Machine:
    """Starts scripts, and kills what is left of them."""

    def __init__(self, repository: Path) -> None:
        self.train = repository / "scripts" / "train.py"
        self.probe = repository / "tests" / "training" / "probe.py"
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *command: Any, on: Sequence[str] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*on, sys.executable, *map(str, command)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *command: Any) -> str:
        process = self.start(*command)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output


@pytest.fixture
def machine(repository: Path) -> Iterator[Machine]:
    made = Machine(repository)
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The greatest difference, relative to the parameter's greatest value."""
    assert one.keys() == other.keys()
    return max(
        float((value - other[key].double()).abs().max() / value.abs().max().clamp(min=1e-3))
        for key, value in ((key, value.double()) for key, value in one.items())
    )


def batches(folder: Path) -> dict[int, list[str]]:
    """The digests of each step's global batch: rank by rank, each one's micro-batches in turn."""
    steps = defaultdict[int, list[str]](list)
    for path in sorted(folder.glob("digests-*.json")):
        for step, digests in json.loads(path.read_text()):
            steps[step] += digests
    return {step: steps[step] for step in range(9)}  # workers of a loader may have read ahead


def wait_until(true: Callable[[], bool], what: str, patience: float = 300) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def ranks_of(config: Path) -> dict[int, int]:
    """Process ids by rank, of the run's processes; the one that started them has none."""
    found = {}
    for pid in processes(config):
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        found |= {int(word[5:]): pid for word in environment if word.startswith(b"RANK=")}
    return found


def processes(config: Path) -> list[int]:
    """Every process that has the run's path in its command line."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if str(config) in line]


def in_rank_1(config: Path, does: str) -> Path:
    """A script that trains a run in two processes; the second does that after its 51st chunk."""
    script = config.with_name("broken.py")
    script.write_text(
        "import itertools, os, pathlib, sys\n"
        "from reslab.execution import Execution\n"
        "from reslab.training.start import start\n"
        "def broken(self, steps=itertools.count()):\n"
        "    if next(steps) == 50:\n"
        f"        {does}\n"
        "    return request(self)\n"
        "if os.environ.get('RANK') == '1':\n"
        "    from reslab.training.checkpointing import Checkpoint\n"
        "    request, Checkpoint._request = Checkpoint._request, broken\n"
        "sys.exit(start(pathlib.Path(sys.argv[1]), Execution(devices=2)))\n"
    )
    return script


# ---- what is asked and refused before anything starts --------------------------------------------


def test_a_run_of_one_process_asks_nothing_of_slurm(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `sbatch -n 4`, say, whose words are about all that the job starts."""
    for word, value in (("NTASKS", "4"), ("JOB_ID", "1"), ("JOB_NAME", "a"), ("PROCID", "2")):
        monkeypatch.setenv(f"SLURM_{word}", value)
    assert start(make_run("a", {"recipe.steps": 31})) == 0


def test_a_run_on_a_machine_with_slurms_client_says_nothing_of_it(
    machine: Machine, make_run: MakeRun
) -> None:
    """Login nodes have it on their PATH, and so has every test."""
    assert which("srun")
    config = make_run("a", {"recipe.steps": 31})
    assert "srun" not in machine.run(machine.train, config)
    assert "srun" not in machine.run(machine.train, make_run("two", {"seed": 1}), "--devices=2")


def test_synchronised_batchnorm_is_refused_on_a_cpu(make_run: MakeRun) -> None:
    with pytest.raises(UserError, match="--sync-batchnorm needs GPUs"):
        start(make_run("a"), Execution(sync_batchnorm=True))


def test_norms_that_do_more_than_normalise_are_not_synchronised() -> None:
    refuse_fused_norms(build("resnet20"))
    refuse_fused_norms(build("timm:resnet18"))
    with pytest.raises(UserError, match="does not replace the net's BatchNormAct2d"):
        refuse_fused_norms(build("timm:regnetx_002"))


def test_of_a_net_that_is_partly_frozen_only_the_norms_that_train_are_synchronised() -> None:
    """torch would replace them all, and leave out what a frozen one of timm's does besides."""
    described = describe("timm:regnetx_002")
    frozen = build(described)
    freeze(frozen, described, ("head",))
    refuse_fused_norms(frozen)
    kinds = [type(module) for module in frozen.modules()]
    assert [type(m) for m in SyncTrainingNorms().apply(frozen).modules()] == kinds
    described = describe("resnet8_w8")
    net = build(described)
    freeze(net, described, ("head", "layer3"))
    weight = net.get_parameter("layer3.0.bn1.weight")
    synced = SyncTrainingNorms().apply(net)
    places = [n for n, m in synced.named_modules() if isinstance(m, nn.SyncBatchNorm)]
    assert places == ["layer3.0.bn1", "layer3.0.bn2"]
    assert synced.get_parameter("layer3.0.bn1.weight") is weight


def test_no_parameter_is_looked_for_that_has_no_part_in_a_step() -> None:
    """What does not train is no parameter of DDP's: find_unused_parameters would hide mistakes."""
    chosen = strategy(2)
    assert isinstance(chosen, Supervised)
    assert "find_unused_parameters" not in chosen._ddp_kwargs
    for name in ("head", "all"):
        described = describe("resnet8_w8")
        net = build(described)
        freeze(net, described, (name,))
        net(torch.randn(2, 1, 8, 8)).sum().backward()
        assert all((p.grad is not None) == p.requires_grad for p in net.parameters())


# ---- the same run -------------------------------------------------------------------------------


@pytest.mark.slow
def test_any_number_of_processes_makes_the_same_updates_from_the_same_examples(
    machine: Machine, make_run: MakeRun
) -> None:
    whole = make_run("whole", EXACT)
    machine.run(machine.probe, whole, "--devices=1")
    three = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3"]
    for name, launcher, words in (
        ("two", [], ["--devices=2"]),
        ("micro-batches", [], ["--devices=2", "--micro-batch=6"]),
        ("three", three, ["--devices=1"]),  # more than two cores are needed otherwise
    ):
        shared = make_run(name, EXACT)
        machine.run(*launcher, machine.probe, shared, *words)
        assert batches(shared.parent) == batches(whole.parent)
        assert distance(weights(whole), weights(shared)) < 1e-12
        ours, theirs = (store.read_metrics(run.parent) for run in (whole, shared))
        assert [row.keys() for row in ours] == [row.keys() for row in theirs]
        for row, other in zip(ours, theirs, strict=True):
            assert row == pytest.approx(other, rel=1e-6)  # losses are summed in float32


METHODS: dict[str, dict[str, Any]] = {
    "head": {"trains": ["head"]},  # all norms are in evaluation mode
    "norms": {"trains": ["norms", "head"]},
    "biases": {"trains": ["biases", "head"]},
    "last stage": {"trains": ["layer3", "head"]},
    "layer-wise rates": {"recipe.optimizer.layer_decay": 0.5},
    "L2-SP": {"recipe.optimizer.decay_towards": "start", "recipe.optimizer.weight_decay": 0.01},
}
"""Ways to fine-tune without an adapter, from a run's weights."""

STATISTICS = "running_mean", "running_var", "num_batches_tracked"


def started(make_run: MakeRun, machine: Machine, fields: dict[str, Any]) -> tuple[Path, Path]:
    """Two equal runs, which start from a third that is trained already."""
    parent = make_run("parent", {"recipe.steps": 31, "seed": 1})
    machine.run(machine.train, parent)
    fields = {**fields, "start": str(parent.parent)}
    return make_run("whole", fields), make_run("other", fields)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_fine_tune_as_one_does(
    machine: Machine, make_run: MakeRun, method: str
) -> None:
    """A norm that trains normalises 18 examples here and there; running statistics follow those of
    one process, or of all micro-batches."""
    fields = {**EXACT, "model.norm": "batch", **METHODS[method]}
    whole, shared = started(make_run, machine, fields)
    machine.run(machine.train, whole, "--micro-batch=18")
    machine.run(machine.train, shared, "--devices=2")
    one, other = (
        {name: value for name, value in weights(run).items() if not name.endswith(STATISTICS)}
        for run in (whole, shared)
    )
    assert distance(one, other) < 1e-12


ADAPTED: dict[str, dict[str, Any]] = {
    "lora": {"adapter": {"name": "lora", "rank": 2}, "trains": ["adapter", "head"]},
    "parallel": {"adapter": "parallel", "trains": ["adapter", "head"]},
    "series": {"adapter": "series", "trains": ["adapter", "head"]},
    "prompt": {"adapter": {"name": "prompt", "width": 2}, "trains": ["adapter", "head"]},
    "mask": {"adapter": {"name": "mask", "keep": 0.3}, "trains": ["all"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ADAPTED)
def test_two_processes_train_an_adapted_net_as_one_does(
    machine: Machine, make_run: MakeRun, adapter: str
) -> None:
    """The norms of series adapters normalise 18 examples here and there; their running statistics
    follow those of one process, or of all micro-batches."""
    fields = {**EXACT, **ADAPTED[adapter]}
    whole, shared = make_run("whole", fields), make_run("two", fields)
    machine.run(machine.train, whole, *(["--micro-batch=18"] if adapter == "series" else []))
    machine.run(machine.train, shared, "--devices=2")
    one, other = (
        {name: value for name, value in weights(run).items() if ".norm." not in name}
        for run in (whole, shared)
    )
    assert distance(one, other) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ADAPTED)
def test_an_adapted_run_that_is_killed_goes_on_bit_for_bit(
    machine: Machine, make_run: MakeRun, adapter: str
) -> None:
    steps = {"recipe.steps": 900, "recipe.schedule.milestones": [300, 600]}
    whole, killed = (make_run(name, {**steps, **ADAPTED[adapter]}) for name in ("whole", "killed"))
    machine.run(machine.train, whole)
    kill_and_go_on(machine, killed)
    assert distance(weights(whole), weights(killed)) == 0
    assert store.read_metrics(whole.parent) == store.read_metrics(killed.parent)


def kill_and_go_on(machine: Machine, config: Path) -> None:
    """A run is killed after its first checkpoint, and goes on to its end."""
    process = machine.start(machine.train, config)
    wait_until(config.with_name(store.CHECKPOINT).exists, "a checkpoint")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert store.read_result(config.parent) is None
    machine.run(machine.train, config)
    assert [entry["resumed"] for entry in store.read_starts(config.parent)] == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_fine_tuned_run_that_is_killed_goes_on_bit_for_bit(
    machine: Machine, make_run: MakeRun, method: str
) -> None:
    steps = {"recipe.steps": 900, "recipe.schedule.milestones": [300, 600]}
    whole, killed = started(make_run, machine, {**steps, **METHODS[method]})
    machine.run(machine.train, whole)
    kill_and_go_on(machine, killed)
    assert distance(weights(whole), weights(killed)) == 0
    assert store.read_metrics(whole.parent) == store.read_metrics(killed.parent)


LOSSES: dict[str, dict[str, Any]] = {
    "kd": {"recipe.loss": "kd"},
    "fitnet": {"recipe.loss": {"name": "fitnet", "hint_weight": 1.0}},
    "at": {"recipe.loss": {"name": "at", "attention_weight": 100.0}},
    "rkd": {"recipe.loss": "rkd"},
    "dkd": {"recipe.loss": {"name": "dkd", "warmup": 0.5}},
    "dist": {"recipe.loss": "dist"},
}


def with_a_teacher(make_run: MakeRun, machine: Machine, fields: dict[str, Any]) -> list[Path]:
    """Two equal runs, which are taught by a third that is trained already."""
    teacher = make_run("teacher", {"recipe.steps": 31, "seed": 1})
    machine.run(machine.train, teacher)
    fields = {**fields, "teacher": str(teacher.parent)}
    return [make_run(name, fields) for name in ("whole", "other")]


@pytest.mark.slow
@pytest.mark.parametrize("loss", [name for name in LOSSES if name not in ("rkd", "dist")])
def test_two_processes_are_taught_as_one_is(machine: Machine, make_run: MakeRun, loss: str) -> None:
    """In float64, and in micro-batches; rkd and dist are refused (tests/config/test_losses.py)."""
    whole, shared = with_a_teacher(make_run, machine, {**EXACT, **LOSSES[loss]})
    machine.run(machine.train, whole)
    machine.run(machine.train, shared, "--devices=2", "--micro-batch=9")
    assert distance(weights(whole), weights(shared)) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_a_taught_run_that_is_killed_goes_on_bit_for_bit(
    machine: Machine, make_run: MakeRun, loss: str
) -> None:
    steps = {"recipe.steps": 900, "recipe.schedule.milestones": [300, 600]}
    slow = {"recipe.optimizer.lr": 0.01}
    whole, killed = with_a_teacher(make_run, machine, {**steps, **slow, **LOSSES[loss]})
    machine.run(machine.train, whole)
    kill_and_go_on(machine, killed)
    assert distance(weights(whole), weights(killed)) == 0
    assert store.read_metrics(whole.parent) == store.read_metrics(killed.parent)


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_and_other_micro_batches(
    machine: Machine, make_run: MakeRun
) -> None:
    """Stopped after some steps of each: the same examples, rows and weights as at one go."""
    steps = {"recipe.steps": 300, "recipe.schedule.milestones": [100, 200]}
    whole, moved = make_run("whole", {**EXACT, **steps}), make_run("moved", {**EXACT, **steps})
    machine.run(machine.train, whole)
    for execution, step in ((["--devices=1"], 60), (["--devices=2", "--micro-batch=6"], 130)):
        process = machine.start(machine.train, moved, *execution)
        wait_until(lambda: store.last_step(moved.parent) >= step, f"step {step}")  # noqa: B023
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
        assert process.returncode == 1
        assert store.state(moved.parent) == "interrupted"
    machine.run(machine.train, moved, "--micro-batch=12")
    starts = disk.read_json(moved.with_name(store.ENV))
    assert [entry["devices"] for entry in starts] == [1, 2, 1]
    assert [entry["micro_batch"] for entry in starts] == [None, 6, 12]
    assert [entry["resumed"] for entry in starts] == [False, True, True]
    rows, others = (store.read_metrics(run.parent) for run in (whole, moved))
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=1e-6)
    assert distance(weights(whole), weights(moved)) < 1e-6


@pytest.mark.slow
def test_processes_with_unequal_shares_of_the_test_split_count_every_example_once(
    machine: Machine, make_run: MakeRun
) -> None:
    """With BatchNorm: 501 and 500 examples are two batches and one."""
    config = make_run("a", {"data": {"name": "digits", "holdout": 1001}})
    machine.run(machine.train, config, "--devices=2")
    result = store.read_result(config.parent)
    assert result is not None
    assert (result["train"]["examples"], result["test"]["examples"]) == (436, 1001)
    assert result["normalization_batch"] == 16
    bits = read_wrong(config.parent)
    assert (len(bits), bits.sum()) == (1001, result["test"]["wrong"])
    assert bits.tolist() == wrong_again(config)


@pytest.mark.parametrize(("count", "ranks"), [(7, 3), (8, 2), (5, 1), (2, 3)])
def test_what_processes_have_of_their_examples_is_put_in_the_order_of_these(
    monkeypatch: pytest.MonkeyPatch, count: int, ranks: int
) -> None:
    """Rank r has r, r + ranks, …: the shares of seven over three are of 3, 2 and 2 examples."""
    shares = [torch.arange(rank, count, ranks) for rank in range(ranks)]

    def all_gather(parts: list[torch.Tensor], mine: torch.Tensor) -> None:
        assert mine.shape == parts[0].shape and mine[: len(shares[0])].equal(shares[0])
        for part, share in zip(parts, shares, strict=True):
            part[: len(share)] = share

    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: ranks)
    monkeypatch.setattr("torch.distributed.all_gather", all_gather)
    assert in_order(shares[0], count).tolist() == list(range(count))


@pytest.mark.slow
def test_torchrun_starts_the_same_run_on_one_machine_and_on_two(
    machine: Machine, make_run: MakeRun
) -> None:
    torchrun = ["-m", "torch.distributed.run"]
    one, two = make_run("one", EXACT), make_run("two", EXACT)
    machine.run(*torchrun, "--standalone", "--nproc-per-node=2", machine.train, one)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = ["--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}"]
    nodes = [
        machine.start(*torchrun, *place, f"--node-rank={node}", machine.train, two)
        for node in (1, 0)
    ]
    outputs = [node.communicate(timeout=200)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert distance(weights(one), weights(two)) < 1e-12
    for config in (one, two):
        (start,) = disk.read_json(config.with_name(store.ENV))
        assert start["devices"] == 2


# ---- how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_process_that_is_killed_ends_the_run_as_crashed(
    machine: Machine, make_run: MakeRun, victim: int
) -> None:
    config = make_run("a", LONG)
    process = machine.start(machine.train, config, "--devices=2")
    wait_until(lambda: store.last_step(config.parent) > 0, "a step")
    os.kill(ranks_of(config)[victim], signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert store.state(config.parent) == "crashed"
    message = disk.read_json(config.with_name(store.ERROR))["message"]
    assert message.startswith(f"rank {victim} was killed by signal 9 (SIGKILL: ")
    assert message in output
    assert processes(config) == []


@pytest.mark.slow
def test_a_process_that_fails_says_why(machine: Machine, make_run: MakeRun) -> None:
    """Rank 1 fails after a step; rank 0, which waits for it, is not the one to be named."""
    config = make_run("a", LONG)
    broken = in_rank_1(config, "raise ValueError('a cosmic ray')")
    output, _ = (process := machine.start(broken, config)).communicate(timeout=300)
    assert process.returncode == 1
    message = disk.read_json(config.with_name(store.ERROR))["message"]
    assert message == "rank 1: ValueError: a cosmic ray"
    assert output.count("ValueError: a cosmic ray") == 2  # as it happens, and at the end
    assert processes(config) == []


@pytest.mark.slow
def test_a_process_that_hangs_between_two_steps_ends_the_run(
    machine: Machine, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RESLAB_DDP_TIMEOUT after it has stopped; it is killed, though it takes no notice."""
    monkeypatch.setenv("RESLAB_DDP_TIMEOUT", "30")
    config = make_run("a", LONG)
    hanging = in_rank_1(config, "os.kill(os.getpid(), 19)")
    process = machine.start(hanging, config)
    wait_until(lambda: store.last_step(config.parent) > 0, "a step")
    began = time.monotonic()
    process.communicate(timeout=100)
    assert time.monotonic() - began < 30 + ranks.PATIENCE + 30  # for a machine that is busy
    assert process.returncode == 1
    assert store.state(config.parent) == "crashed"
    assert processes(config) == []


def test_nobody_outlives_who_started_them(machine: Machine, make_run: MakeRun) -> None:
    config = make_run("a", LONG)
    process = machine.start(machine.train, config, "--devices=2")
    wait_until(lambda: store.last_step(config.parent) > 0, "a step")
    assert len(processes(config)) == 3
    process.kill()
    wait_until(lambda: processes(config) == [], "the end of all processes", patience=10)
    process.wait()  # ps stops listing the command before the kernel lets go of the lock
    assert store.state(config.parent) == "interrupted"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_nobody_outlives_a_torchrun_that_is_killed(machine: Machine, make_run: MakeRun) -> None:
    config = make_run("a", LONG)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    process = machine.start(*torchrun, machine.train, config)
    wait_until(lambda: store.last_step(config.parent) > 0, "a step")
    assert len(processes(config)) == 3
    process.kill()
    wait_until(lambda: processes(config) == [], "the end of all processes", patience=10)
    wait_until(lambda: store.state(config.parent) == "interrupted", "the lock is free", patience=10)


# ---- on two hosts -------------------------------------------------------------------------------


def on_two_hosts(machine: Machine, hosts: Hosts, *command: Any) -> list[subprocess.Popen[str]]:
    """torchrun on each of them, as a person types it there; the second one first."""
    torchrun = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    meet = [f"--master-addr={hosts.addresses[0]}", "--master-port=29500"]
    return [
        machine.start(*torchrun, f"--node-rank={host}", *meet, *command, on=hosts.on(host))
        for host in (1, 0)
    ]


@pytest.fixture
def cabled(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """gloo is told which device reaches the other host: their common name is nobody's address."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", CABLE)
    return hosts


@pytest.mark.slow
def test_two_hosts_make_the_same_updates_from_the_same_examples(
    machine: Machine, make_run: MakeRun, cabled: Hosts
) -> None:
    whole, apart = make_run("whole", EXACT), make_run("apart", EXACT)
    machine.run(machine.probe, whole, "--devices=1")
    nodes = on_two_hosts(machine, cabled, machine.probe, apart, "--devices=1")
    outputs = [node.communicate(timeout=300)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert batches(apart.parent) == batches(whole.parent)
    assert distance(weights(whole), weights(apart)) < 1e-12
    assert [start["devices"] for start in store.read_starts(apart.parent)] == [2]
    assert cabled.processes() == []


@pytest.mark.slow
def test_a_host_whose_cable_is_pulled_ends_the_run_which_goes_on_with_the_other_alone(
    machine: Machine, make_run: MakeRun, cabled: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection is closed: what ends both is the time for which they wait for one another."""
    monkeypatch.setenv("RESLAB_DDP_TIMEOUT", "30")
    steps = {"recipe.steps": 900, "recipe.schedule.milestones": [300, 600]}
    whole, parted = make_run("whole", {**EXACT, **steps}), make_run("parted", {**EXACT, **steps})
    nodes = on_two_hosts(machine, cabled, machine.train, parted)
    wait_until(parted.with_name(store.CHECKPOINT).exists, "a checkpoint")
    cabled.pull_the_cable(1)
    began = time.monotonic()
    outputs = [node.communicate(timeout=100)[0] for node in nodes]
    assert time.monotonic() - began < 30 + 30  # for a machine that is busy
    assert [node.returncode for node in nodes] == [1, 1], outputs
    assert cabled.processes() == []
    assert store.state(parted.parent) == "crashed"
    message = disk.read_json(parted.with_name(store.ERROR))["message"]
    assert "no word from the other processes for 30 s (RESLAB_DDP_TIMEOUT): " in message
    assert all("error: no word from the other processes" in output for output in outputs)
    assert not any("in _in_words" in output for output in outputs)  # a line, no traceback of ours
    machine.run(machine.train, parted)
    assert [start["devices"] for start in store.read_starts(parted.parent)] == [2, 1]
    machine.run(machine.train, whole)
    rows, others = (store.read_metrics(run.parent) for run in (whole, parted))
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=1e-6)
    assert distance(weights(whole), weights(parted)) < 1e-6


# ---- weights of others --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_weights_that_err_827_times_do_so_in_any_number_of_processes(
    machine: Machine,
    shared_data: Path,
    require_data: Callable[[str], Path],
    tmp_path: Path,
    count: int,
) -> None:
    require_data("cifar10")
    counts, script = tmp_path / "counts.json", Path(__file__).with_name("count_wrong.py")
    weights = shared_data / "weights" / "resnet20-12fca82f.th"
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    machine.run(*torchrun, script, weights, counts)
    assert json.loads(counts.read_text()) == {"examples": 10_000, "wrong": 827}
