"""Jobs of named nets, and how they are launched on this machine."""

from dataclasses import replace
from pathlib import Path

from reslab.config.resolve import resolve
from reslab.execution import Execution
from reslab.experiments.jobs import Job
from reslab.experiments.launch import Failures, launch
from reslab.experiments.local import Local
from reslab.experiments.slots import Slot
from reslab.store.plan import Variant

SLOT = Slot((), 1)
COSTS = {"resnet20": 40_551_040, "resnet110": 252_887_680, "resnet8_w8": 189_248}
"""Multiply-adds."""


def job(folder: Path, model: str = "resnet20", seed: int = 0, **parts: str) -> Job:
    """A run under `folder`; its parts are ResNet-20's of He 2015 unless they are given."""
    parts = {"data": "cifar10", "recipe": "he2015_cifar", **parts}
    config = resolve({"model": model, "seed": seed, **parts}, "here")
    variant = Variant(f"the {model}", model, {}, None, None, 0, COSTS[model], ())
    return Job(variant, folder / f"{model}-s{seed}", config, "pending")


def digits(folder: Path) -> Job:
    """A short run in `folder`."""
    small = job(folder, "resnet8_w8", data="digits", recipe="digits")
    return replace(small, folder=folder)


def launched(jobs: list[Job], slots: list[Slot], execution: Execution) -> Failures:
    """Train them in slots of this machine; those that failed."""
    return launch(jobs, Local(slots, execution), slots[0])
