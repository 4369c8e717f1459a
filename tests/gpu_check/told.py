"""What has been found, as a table, and on what machine."""

import contextlib
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from tests.gpu_check.check import ROOT, Found

from reslab.machine import available_cores, processor_name
from reslab.text import markdown_table

RECORDED = ("torch", "torchvision", "triton", "lightning", "torchmetrics", "timm", "numpy")
"""Distributions whose versions are told."""


def is_bad(found: Found) -> bool:
    """Whether a part has failed, or one of its tests."""
    failed = {"failed", "error"} & set(found.get("tests", {}).values())
    return bool(failed) or found["state"] not in ("done", "stopped", "left out")


def summary(found: Found) -> str:
    """All of it in a few lines."""
    rows = [
        [name, part["state"], f"{part['seconds']:.0f} s", TOLD[name](part)]
        for name, part in found["parts"].items()
    ]
    return markdown_table(["part", "state", "time", "found"], rows)


def _told_of_tests(part: Found) -> str:
    outcomes = list(part["tests"].values())
    names = [name for name, outcome in part["tests"].items() if outcome in ("failed", "error")]
    counts = [f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes)]
    return ", ".join(counts) + "".join(f"; {name}" for name in names)


def _told_of_training(part: Found) -> str:
    return "; ".join(
        f"{name}: {row['images_per_second']:,} images/s"
        + (f", GPU idle {row['idle_share']:.0%}" if "idle_share" in row else "")
        for name, row in part["rates"].items()
    )


def _told_of_packing(part: Found) -> str:
    return "; ".join(
        f"{row['runs']} × {row['precision']}{' with MPS' * row['mps']}: "
        f"{row['steps_per_second'] or '?'} steps/s"
        for row in sorted(part["rows"], key=lambda row: (row["precision"], row["runs"]))
    )


def _told_of_protocol(part: Found) -> str:
    runs = part.get("runs", {})
    final = sum("status" in run for run in runs.values())
    steps = sum(run["step"] for run in runs.values())
    return part.get("why") or f"{final} of {len(runs)} runs final, {steps:,} steps in all"


TOLD: dict[str, Callable[[Found], str]] = {
    "tests": _told_of_tests,
    "training": _told_of_training,
    "packing": _told_of_packing,
    "protocol": _told_of_protocol,
}
"""What the last table says of each part."""


def machine(gpu: str | None) -> Found:
    """What it runs on."""
    query = "name,memory.total,driver_version"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader", f"--id={gpu}"]
    told = subprocess.run(command, capture_output=True, text=True).stdout if gpu else ""
    return {
        **(
            dict(zip(("card", "memory", "driver"), told.strip().split(", "), strict=True))
            if told
            else {}
        ),
        "processor": processor_name(),
        "cores": available_cores(),
        "python": platform.python_version(),
        **{name: _version(name) for name in RECORDED},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Of the checkout, where git is there and it is one."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() or None
    return None
