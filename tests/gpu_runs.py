"""Runs on a device of one's choice, each in a process of its own: conftest.py hides the GPUs from
the tests' own process.

python -m tests.gpu_runs RUN.yaml [--stop-at N] [--deterministic] [--memory BYTES] [--one-rank] …
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from reslab.machine import visible_gpus

REPOSITORY = Path(__file__).resolve().parents[1]

GPUS = visible_gpus()
"""Read before conftest.py hides them."""

ON_A_GPU = [
    pytest.mark.gpu,
    pytest.mark.process,
    pytest.mark.skipif(not GPUS, reason="no GPU: nvidia-smi lists none that may be used"),
]
ON_BOTH = [
    pytest.param("cuda", marks=ON_A_GPU),
    pytest.param("cpu", marks=[pytest.mark.slow, pytest.mark.process]),
]
"""A test's devices: a GPU, or its form for machines that have none."""


@dataclass(frozen=True)
class Job:
    """A run's config.yaml, where it is trained, and what is said to `python -m tests.gpu_runs`."""

    config: Path
    device: str
    words: Sequence[str] = ()
    threads: int = 1
    workers: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """Of its process. cuBLAS needs a workspace of a fixed size to be deterministic; threads
        that spin while they wait for one another starve on a busy machine."""
        return {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": GPUS[0] if self.device == "cuda" else "",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "OMP_NUM_THREADS": str(self.threads),
            "OMP_WAIT_POLICY": "passive",
            "RESLAB_WORKERS": str(self.workers),
        }


def train(*jobs: Job) -> list[str]:
    """Train side by side; what each printed. A code that is not 0 is a failure of the test."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.gpu_runs", str(job.config), *job.words],
            cwd=REPOSITORY,
            env=job.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for job in jobs
    ]
    printed = [process.communicate()[0] for process in processes]
    for job, process, text in zip(jobs, processes, printed, strict=True):
        assert process.returncode == 0, f"{job}: exit code {process.returncode}\n{text}"
    return printed


def main() -> int:
    """Train one run; 0 where it came to the end that its words announce."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--stop-at", type=int, help="stop after this step, which is no failure")
    parser.add_argument("--deterministic", action="store_true", help="torch refuses what is not")
    parser.add_argument("--memory", type=int, help="bytes of the GPU's memory; to run out is right")
    parser.add_argument("--one-rank", action="store_true", help="DDP, of one process")
    parser.add_argument("--sync-batchnorm", action="store_true")
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction)
    return _train(parser.parse_args())


def _train(words: argparse.Namespace) -> int:
    import torch
    from tests.small_runs import stopped_at

    from reslab.errors import UserError
    from reslab.execution import Execution
    from reslab.training.start import start

    torch.use_deterministic_algorithms(words.deterministic)
    if words.one_rank:
        _have_one_rank()
    execution = Execution(1, words.micro_batch, words.sync_batchnorm, words.compile)
    if words.stop_at:
        with stopped_at(words.stop_at):
            return int(start(words.config, execution) != 1)
    if words.memory is None:
        return start(words.config, execution)
    _, there = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(words.memory / there)
    try:
        start(words.config, execution)
    except UserError as error:
        print(error)
        return 0
    return 1


def _have_one_rank() -> None:
    """A run in one process has DDP's strategy, as if there were more."""
    from reslab.training import group, run

    def of_one(ranks: int) -> group.Supervised:
        return group.Supervised(broadcast_buffers=False)

    run.strategy = of_one


if __name__ == "__main__":
    sys.exit(main())
