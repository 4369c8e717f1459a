"""How many runs a GPU takes at once: steps a second of ResNet-20, alone and packed."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.gpu_check.check import Check, Found, tail

LEAST = 10.0
"""Seconds in which no run would come to its first step."""


def packing(check: Check, until: float) -> Found:
    """Steps a second of ResNet-20, alone and so many at once."""
    rows: list[Found] = []
    found: Found = {"state": "running", "steps": check.form.steps, "rows": rows}
    check.found["parts"]["packing"] = found
    for wanted in to_measure(check):
        if until - time.monotonic() < LEAST:
            return found | {"state": "stopped"}
        rows.append(packed(check, wanted, until, f"packed-{len(rows)}"))
        check.write()
    failed = any(row["state"] not in ("done", "stopped") for row in rows if not row["mps"])
    return found | {"state": "failed" if failed else "done"}


def to_measure(check: Check) -> list[Found]:
    """What tells most comes first; with MPS, where it is at hand, beside each without."""
    first, *others = check.form.precisions
    shared = [False, True] if check.gpu and shutil.which(MPS) else [False]
    several = [
        {"runs": runs, "precision": first, "mps": mps}
        for runs in check.form.packs
        for mps in (shared if runs > 1 else [False])
    ]
    return several + [{"runs": 1, "precision": other, "mps": False} for other in others]


def packed(check: Check, wanted: Found, until: float, name: str) -> Found:
    """The rate of all of them from when all have begun to step until the first is at its end."""
    began, runs, count = time.monotonic(), check.scratch / name, wanted["runs"]
    recipe, whole = ("he2015_cifar", 64_000) if check.data == "cifar10" else ("digits", 400)
    pace = Pace(runs, count, check.form.steps)
    log = runs.with_suffix(".log")
    slots = [f"--slots-per-gpu={count}"] if check.gpu else []
    with mps(check, wanted["mps"]) as environment:
        state = check.run(
            ["scripts/experiment.py", "train", "--model=resnet20", f"--data={check.data}",
             f"--recipe={recipe}", f"--budget={check.form.steps / whole}", f"--seeds={count}",
             f"--set=precision={wanted['precision']}", *slots],
            until, log, pace, RESLAB_RUNS=str(runs), **environment,
        )  # fmt: skip
    failed = {} if state in ("done", "stopped") else {"printed": tail(log)}
    found = {"state": state, "form": form_in(runs), "steps_per_second": pace.rate}
    return {**wanted, **found, "seconds": round(time.monotonic() - began, 1), **failed}


def form_in(runs: Path) -> str | None:
    """How steps were computed, compiled or not, as the first of the runs says."""
    told = next(iter(sorted(runs.glob("*/*/env.json"))), None)
    return json.loads(told.read_text(encoding="utf-8"))[-1].get("form") if told else None


MPS = "nvidia-cuda-mps-control"
"""NVIDIA's Multi-Process Service: kernels of several processes side by side, not by turns."""


@contextlib.contextmanager
def mps(check: Check, wanted: bool) -> Iterator[dict[str, str]]:
    """The environment of processes that share the GPU through a daemon of their own, which runs
    meanwhile and is seen by them alone; an empty one where it is not wanted."""
    if not wanted:
        yield {}
        return
    own = {}
    for word in ("PIPE", "LOG"):
        folder = check.scratch / f"mps-{word.lower()}"
        folder.mkdir(exist_ok=True)
        own[f"CUDA_MPS_{word}_DIRECTORY"] = str(folder)
    environment = check.environment | own
    subprocess.run([MPS, "-d"], env=environment, capture_output=True, timeout=20)
    try:
        yield own
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([MPS], env=environment, input=b"quit\n", capture_output=True, timeout=20)


class Pace:
    """Looks at runs from outside: steps of their metrics, and when they were seen."""

    def __init__(self, runs: Path, count: int, steps: int) -> None:
        self.runs, self.count, self.steps = runs, count, steps
        self.first: tuple[float, int] | None = None
        self.last: tuple[float, int] | None = None

    def __call__(self) -> bool:
        """Look; whether one is at its end."""
        at = [last_step(file) for file in self.runs.glob("*/*/metrics.jsonl")]
        if len(at) < self.count or not min(at):
            return False
        seen = time.monotonic(), sum(at)
        if self.last is None or self.last[1] < seen[1]:  # when it came there, not when it stays
            self.first, self.last = self.first or seen, seen
        return max(at) >= self.steps

    @property
    def rate(self) -> float | None:
        """Steps a second of all together; None where they were not seen to go on together."""
        if self.first is None or self.last is None or self.first == self.last:
            return None
        (began, before), (ended, after) = self.first, self.last
        return round((after - before) / (ended - began), 2)


def last_step(metrics: Path) -> int:
    """Of the last whole row; 0 before there is one."""
    with metrics.open("rb") as file:
        file.seek(max(0, metrics.stat().st_size - 1000))
        rows = file.read().split(b"\n")[:-1]
    return int(json.loads(rows[-1])["step"]) if rows else 0


def best(packed: Found) -> Found | None:
    """The row with the highest rate in the protocol's precision."""
    rows = [row for row in packed.get("rows", []) if row["steps_per_second"]]
    first = [row for row in rows if row["precision"] == rows[0]["precision"]]
    return max(first, key=lambda row: float(row["steps_per_second"]), default=None)
