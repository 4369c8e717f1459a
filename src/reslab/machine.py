"""What this machine has: CPU cores and GPUs. Asks no torch."""

import itertools
import os
import shutil
import subprocess


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """NVIDIA GPUs by the names that CUDA_VISIBLE_DEVICES takes.

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
