"""What a start of a run was made on and with, in words: what `env.json` has recorded of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reslab.report.runs import Run
from reslab.store.records import RECORDED

Start = Mapping[str, Any]


def tally(runs: Iterable[Run], tell: Callable[[Start], str]) -> "Counter[str]":
    """How many of the runs have a start of which this is told."""
    return Counter(told for run in runs for told in set(map(tell, run.starts)) if told)


def machine(start: Start) -> str:
    """`2 × cuda (NVIDIA H200) in micro-batches of 16`."""
    parts = f" in micro-batches of {start['micro_batch']}" if start.get("micro_batch") else ""
    synced = " with synchronised BatchNorm" if start.get("sync_batchnorm") else ""
    return f"{start.get('devices', 1)} × {start.get('device', 'unknown')}{parts}{synced}"


def form(start: Start) -> str:
    """The form of its steps; before it was recorded there was one."""
    return str(start.get("form") or "eager")


def versions(start: Start) -> str:
    """`python 3.12.3, torch 2.14.1, …`, as far as they were recorded."""
    return ", ".join(f"{name} {start[name]}" for name in ("python", *RECORDED) if start.get(name))


def code(start: Start) -> str:
    """Its version, and the commit where that is known."""
    commit = f", commit {start['commit']}" if start.get("commit") else ""
    return f"code {start.get('code', 'unknown')}{commit}"
