"""One call of `make gpu-check`: what is asked of the machine, what has been found, and processes
that end when their time is up."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

GRACE = 25.0
"""Seconds between TERM and KILL, at most: runs write their checkpoints."""

Found = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """What a GPU is asked, or a CPU in its place."""

    marked: str
    """Of the tests: an expression of pytest."""
    packs: tuple[int, ...]
    """Runs at once, in the order in which they are measured: what tells most comes first."""
    precisions: tuple[str, ...]
    """The first is that of packed runs and of the protocol; the others are measured alone."""
    steps: int
    """Of a run whose rate is measured."""
    variants: str
    """Of plain_vs_residual: He 2015's rows of up to 56 layers."""
    budget: float


GPU = Form(
    "gpu", (1, 8, 4, 16, 2), ("tf32", "bf16-mixed", "32-true"), 2000,
    "plain-20,plain-32,plain-44,plain-56,ResNet 20,ResNet 32,ResNet 44,ResNet 56", 1,
)  # fmt: skip
CPU = Form("gpu or slow", (1, 2), ("32-true",), 20, "plain-20,ResNet 20", 0.0005)


@dataclass(frozen=True)
class Check:
    """One call: what it works on, where it writes, and what it has found."""

    form: Form
    gpu: str | None
    """The GPU that is looked at, as CUDA_VISIBLE_DEVICES names it."""
    data: str
    out: Path
    runs: Path
    """Where the protocol's runs are, which a later call goes on with."""
    archive: Path | None
    scratch: Path
    environment: dict[str, str]
    found: Found

    def write(self) -> None:
        """Everything so far: a reader never sees half a file."""
        file = self.out / "check.json"
        text = json.dumps(self.found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        half = file.with_suffix(".part")
        half.write_text(text, encoding="utf-8")
        half.replace(file)

    def run(
        self,
        command: Sequence[str],
        until: float,
        log: Path,
        done: Callable[[], bool] = lambda: False,
        **environment: str,
    ) -> str:
        """Run this Python with these words until they have ended, `done` says so, or time is up,
        by `time.monotonic`: what became of them. What they print goes to `log`."""
        with log.open("wb") as printed:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return _watched(process, until, done)
            finally:
                _end(process, until)


def _watched(process: "subprocess.Popen[bytes]", until: float, done: Callable[[], bool]) -> str:
    grace = min(GRACE, max(0.0, until - time.monotonic()) / 4)
    while process.poll() is None:
        if done():
            return "done"
        if time.monotonic() > until - grace:
            return "stopped"
        time.sleep(0.05)
    return "done" if process.returncode == 0 else f"exit code {process.returncode}"


def _end(process: "subprocess.Popen[bytes]", until: float) -> None:
    """TERM to the process's group, KILL to what is left of it."""
    for number, wait in ((signal.SIGTERM, until - time.monotonic()), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(1.0, wait))


def tail(log: Path) -> str:
    """The end of what a process has printed."""
    return log.read_text(encoding="utf-8", errors="replace")[-4000:] if log.exists() else ""
