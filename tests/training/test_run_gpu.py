"""Runs on a GPU: that they compute what a CPU computes, and what only GPUs can do.

`make gpu-check` runs these on a machine that has one. Where none is, those of which the claim means
anything there have a form for the CPU, among the slow tests.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.images import encoded, gradient
from tests.gpu_runs import GPUS, ON_A_GPU, ON_BOTH, Job, train
from tests.small_runs import MakeRun, same, weights

from reslab import store

SHORT = {"recipe.steps": 30, "recipe.schedule.milestones": [15, 22]}
FLOAT64 = {**SHORT, "precision": "64-true"}

CLOSE = 1e-9
"""Sums in another order differ by 1e-16 in float64; thirty steps let that grow."""


def far(one: Path, other: Path) -> float:
    """The largest difference of two runs' weights, relative to the largest weight of its tensor."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    floats = [key for key in mine if mine[key].is_floating_point()]
    return max(_far(mine[key].cpu(), theirs[key].cpu()) for key in floats)


def _far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-12))


def losses(config: Path) -> list[float]:
    """Of the training rows."""
    rows = store.read_metrics(config.parent)
    return [loss for row in rows if (loss := row.get("train_loss")) is not None]


def trained_on(config: Path) -> str:
    """What the run says of its device."""
    return str(store.read_starts(config.parent)[-1]["device"])


@pytest.mark.parametrize("device", ON_BOTH)
def test_thirty_steps_in_float64_equal_those_of_one_cpu_core(
    device: str, make_run: MakeRun
) -> None:
    """On a GPU, or on two cores, which sum in another order, too."""
    there, here = make_run("there", FLOAT64), make_run("here", FLOAT64)
    train(Job(there, device, threads=2), Job(here, "cpu"))
    assert trained_on(there).startswith(device) and trained_on(here).startswith("cpu")
    assert losses(there) == pytest.approx(losses(here), rel=CLOSE)
    assert far(there, here) < CLOSE


@pytest.mark.parametrize("device", ON_BOTH)
def test_a_stopped_run_resumes_bit_for_bit_with_deterministic_algorithms(
    device: str, make_run: MakeRun
) -> None:
    whole, cut = make_run("whole", SHORT), make_run("cut", SHORT)
    words = ["--deterministic"]
    train(Job(whole, device, words), Job(cut, device, [*words, "--stop-at=17"]))
    assert store.last_step(cut.parent) == 17
    train(Job(cut, device, words))
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)


@pytest.mark.parametrize("device", ON_BOTH)
def test_ddp_of_one_rank_is_training_without(device: str, make_run: MakeRun) -> None:
    """nccl on a GPU, with SyncBatchNorm in the norms' places; gloo on a CPU."""
    single, ranked = make_run("single", FLOAT64), make_run("ranked", FLOAT64)
    sync = ["--sync-batchnorm"] if device == "cuda" else []
    train(Job(single, device), Job(ranked, device, ["--one-rank", *sync]))
    assert losses(ranked) == pytest.approx(losses(single), rel=CLOSE)
    assert far(ranked, single) < CLOSE


@pytest.mark.parametrize("device", ON_BOTH)
def test_precisions_of_16_bits_and_tf32_learn_as_float32_does(
    device: str, make_run: MakeRun
) -> None:
    """The mean loss of the last ten of forty steps: 8 bits of a mantissa cost some hundredths."""
    names = ["32-true", "tf32", "bf16-mixed", "16-mixed"]
    runs = [make_run(name, {"precision": name}) for name in names]
    train(*[Job(run, device) for run in runs])
    means = [sum(losses(run)[-10:]) / 10 for run in runs]
    assert means == pytest.approx([means[0]] * len(names), abs=0.1)
    results = [store.read_result(run.parent) or {} for run in runs]
    assert [result["status"] for result in results] == ["done"] * len(names)


@pytest.fixture
def photographs(tmp_path: Path) -> dict[str, Any]:
    """A run on sixteen pictures of two classes that the test makes, with every augmentation that
    is drawn on the device."""
    for place in ("train/a", "train/b", "val/a", "val/b"):
        folder = tmp_path / "photos" / place
        folder.mkdir(parents=True)
        for shade in range(8):
            (folder / f"{shade}.png").write_bytes(encoded(gradient(shade=shade), "PNG"))
    recipe = {
        "name": "imagenette", "steps": 12, "batch_size": 8, "schedule.milestones": [6, 9],
        "photographs.size": 32, "photographs.shorter_side": [36, 60],
        "photographs.jitter": 0.4, "photographs.test_shorter_side": 36,
    }  # fmt: skip
    data = {"name": "imagefolder", "folder": str(tmp_path / "photos")}
    return {"data": data, "recipe": recipe, "precision": "64-true"}


@pytest.mark.parametrize("device", ON_BOTH)
def test_photographs_from_workers_and_pinned_memory_are_those_that_one_process_reads(
    device: str, make_run: MakeRun, photographs: dict[str, Any]
) -> None:
    there, here = make_run("there", photographs), make_run("here", photographs)
    train(Job(there, device, workers=2), Job(here, "cpu"))
    assert losses(there) == pytest.approx(losses(here), rel=1e-6)  # colours turn in float32


# ---- what a CPU has not -------------------------------------------------------------------------


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=ON_A_GPU)])
def test_memory_that_runs_out_names_the_batch_and_a_smaller_one(
    device: str, make_run: MakeRun
) -> None:
    """64 MiB are enough for the net and not for 1,024 of its images."""
    big = {**SHORT, "model": "resnet20", "recipe.batch_size": 1024}
    [printed] = train(Job(make_run("big", big), device, [f"--memory={64 << 20}"]))
    assert "out of memory with 1024 of the 1024 examples of a batch at once" in printed
    assert "MICRO_BATCH=512 (--micro-batch 512) needs less" in printed


@pytest.mark.parametrize("per_gpu", [pytest.param(4, marks=ON_A_GPU)])
def test_several_runs_on_one_gpu_at_once_are_those_that_are_alone(
    per_gpu: int, repository: Path, tmp_path: Path
) -> None:
    alone, packed = tmp_path / "alone", tmp_path / "packed"
    experiment(repository, alone, ["--seeds=1"])
    experiment(repository, packed, [f"--seeds={per_gpu}", f"--slots-per-gpu={per_gpu}"])
    runs = sorted(packed.glob("*/*/result.json"))
    assert len(runs) == per_gpu
    assert overlap(packed) > 0
    [first] = alone.glob("*/*/metrics.jsonl")
    [again] = packed.glob("*/*-s0-*/metrics.jsonl")
    assert losses(again) == pytest.approx(losses(first), rel=1e-6)


def experiment(repository: Path, runs: Path, words: Sequence[str]) -> None:
    """`make train` of a small net on digits; its runs in a folder of their own."""
    net = ["--model=resnet8_w8", "--data=digits", "--recipe=digits", "--set=precision=64-true"]
    subprocess.run(
        [sys.executable, "scripts/experiment.py", "train", *net, *words],
        cwd=repository,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": GPUS[0], "RESLAB_RUNS": str(runs)},
        check=True,
    )


def overlap(runs: Path) -> float:
    """Seconds in which all of them were under way."""
    begun = [store.read_starts(file.parent)[0]["time"] for file in runs.glob("*/*/env.json")]
    ended = [file.stat().st_mtime for file in runs.glob("*/*/result.json")]
    return min(ended) - max(datetime.fromisoformat(time).timestamp() for time in begun)
