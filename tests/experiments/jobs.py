"""Jobs of named nets, none of them started."""

from pathlib import Path

from reslab.config import resolve
from reslab.experiments.jobs import Job
from reslab.experiments.slots import Slot

SLOT = Slot((), 1)
COSTS = {"resnet20": 40_551_040, "resnet110": 252_887_680, "resnet8_w8": 189_248}
"""Multiply-adds."""


def job(folder: Path, model: str = "resnet20", seed: int = 0, **parts: str) -> Job:
    """A run under `folder`; its parts are ResNet-20's of He 2015 unless they are given."""
    parts = {"data": "cifar10", "recipe": "he2015_cifar", **parts}
    config = resolve({"model": model, "seed": seed, **parts}, "here")
    return Job(f"the {model}", folder / f"{model}-s{seed}", config, 0, COSTS[model])
