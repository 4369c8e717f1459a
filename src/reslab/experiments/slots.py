"""Where runs go: as many at once as there are GPUs, else CPU cores, each with its share.

Two processes that each take all cores are several times slower than two that share them.
"""

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass

from reslab.errors import UserError


@dataclass(frozen=True)
class Slot:
    """The devices and the CPU threads (per process) of one run at a time."""

    gpus: tuple[str, ...]
    threads: int

    def environment(self, threads: int | None = None) -> dict[str, str]:
        """What a process in this slot is started with; `threads` if not the slot's number."""
        shared = {"OMP_NUM_THREADS": str(threads or self.threads), "PYTHONUNBUFFERED": "1"}
        return shared | ({"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {})

    @property
    def device(self) -> str:
        """gpu or cpu."""
        return "gpu" if self.gpus else "cpu"


def make_slots(pending: int, devices: int) -> list[Slot]:
    """Slots for `pending` runs of `devices` processes each; `UserError` for too many devices."""
    gpus, cores = visible_gpus(), available_cores()
    if not gpus:
        count = max(1, min(cores // devices, pending))
        return [Slot((), max(1, cores // (count * devices)))] * count
    if devices > len(gpus):
        raise UserError(f"DEVICES={devices}, but this machine has {len(gpus)} GPU(s)")
    groups = [tuple(gpus[i : i + devices]) for i in range(0, len(gpus) - devices + 1, devices)]
    groups = groups[: max(1, pending)]
    return [Slot(group, max(1, cores // (len(groups) * devices))) for group in groups]


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """NVIDIA GPUs by the names that CUDA_VISIBLE_DEVICES takes; asks no torch.

    As CUDA does, that variable is read up to the first name that can be none.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = (name.strip() for name in chosen.split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
