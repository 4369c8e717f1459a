"""Whether two folders of the same runs hold the same results, bit for bit, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from reslab import store
from reslab.store.folder import ANSWERS
from reslab.store.plan import PLANS

OWN = re.compile(
    r"config\.yaml|tracking\.json|env\.json|metrics\.jsonl|last\.ckpt|lock|wrong\.bin|answers\.npz|result\.json|times\.json|log\.txt"
    "|wandb"
)
"""What a run folder holds when its run is done."""

PLANNED = re.compile(r"plan\.json|table\.md|table\.csv|runs\.csv")


def differences(one: list[Path], other: list[Path]) -> Iterator[str]:
    """What differs between two lists of run folders, in words."""
    if [run.name for run in one] != [run.name for run in other]:
        yield f"other runs: {[run.name for run in one]} and {[run.name for run in other]}"
        return
    for a, b in zip(one, other, strict=True):
        if _result(a) != _result(b):
            yield f"{b.name}: result.json: {_result(a)} and {_result(b)}"
        if (store.read_metrics(a), []) != store.checked_metrics(b):
            yield f"{b.name}: metrics.jsonl"
        if (a / ANSWERS).read_bytes() != (b / ANSWERS).read_bytes():
            yield f"{b.name}: {ANSWERS}"
        yield from (f"{b.name}: last.ckpt: {path}" for path in _unequal(_held(a), _held(b)))


def _result(run: Path) -> dict[str, Any]:
    """What is said of the training, not of the time that it took."""
    return {k: v for k, v in (store.read_result(run) or {}).items() if k != "seconds"}


def _held(run: Path) -> dict[str, Any]:
    """All but Lightning's counts of what was fetched, which begin anew at a resume, time, and
    the digest of all."""
    held = torch.load(run / store.CHECKPOINT, weights_only=True)
    others = ("loops", "training_seconds", "sha256")
    return {part: value for part, value in held.items() if part not in others}


def _unequal(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _unequal(one[key], other[key], f"{path}.{key}" if path else str(key))
    elif isinstance(one, list | tuple) and isinstance(other, type(one)) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _unequal(a, b, f"{path}.{i}")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield path
    elif one != other:
        yield path


def left_over(folder: Path) -> list[str]:
    """The files of finished runs' experiments that should not be there."""
    stray = []
    for experiment in folder.iterdir():
        for path in experiment.iterdir():
            if path.is_file():
                stray += [] if PLANNED.fullmatch(path.name) else [path]
            elif path.name == PLANS:
                stray += [held for held in path.glob("*/*") if not PLANNED.fullmatch(held.name)]
            else:
                stray += [held for held in path.iterdir() if not OWN.fullmatch(held.name)]
    return [str(path.relative_to(folder)) for path in stray]
