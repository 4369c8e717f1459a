"""What this machine has: CPU cores, GPUs, a compiler."""

import contextlib
import itertools
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reslab.processes import ending


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def processor_name() -> str:
    """What the processor calls itself, else which kind it is: `AMD EPYC`, `arm`."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as told:
        for line in told:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver tells of it."""

    name: str
    free: float
    """Bytes of its memory that nobody uses."""


def gpu(which: str) -> Gpu | None:
    """One of `visible_gpus`; None where the driver does not tell of it."""
    if shutil.which("nvidia-smi") is None:
        return None
    fields = "--query-gpu=name,memory.free"
    command = ["nvidia-smi", f"--id={which}", fields, "--format=csv,noheader,nounits"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.fullmatch(r"(.+), *(\d+)", told.stdout.strip())
    if told.returncode or found is None:
        return None
    return Gpu(found[1], int(found[2]) * 2**20)


def is_shared_by_mps() -> bool:
    """Whether NVIDIA's Multi-Process Service runs, which every process that uses a GPU joins by
    itself: its daemon answers a question."""
    command, question = "nvidia-cuda-mps-control", "get_default_active_thread_percentage\n"
    if shutil.which(command) is None:
        return False
    try:
        told = subprocess.run(
            [command], input=question, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0 and re.fullmatch(r"[\d.]+", told.stdout.strip()) is not None


def why_nothing_compiles() -> str | None:
    """Why torch.compile can make nothing for a CPU, None where it can: it needs a C++ compiler,
    which reads Python's header (torch/_inductor/codecache.py)."""
    default = "clang++" if sys.platform == "darwin" else "g++"
    return _why_not_with(os.environ.get("CXX") or default)


@cache
def _why_not_with(compiler: str) -> str | None:
    """The same of one compiler, which is asked once."""
    headers = "".join(f"#include <{name}>\n" for name in ("Python.h", "cmath"))
    command = [*shlex.split(compiler), "-fsyntax-only", f"-I{sysconfig.get_path('include')}"]
    try:
        done = subprocess.run(
            [*command, "-x", "c++", "-"], input=headers, capture_output=True, text=True, check=False
        )
    except OSError:
        return "torch.compile finds no C++ compiler (g++, or what CXX names)"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or [ending(done.returncode)])[0]
    return f"the C++ compiler does not work: {said}"
