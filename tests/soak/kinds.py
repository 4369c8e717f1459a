"""What the soak trains: two dozen tiny runs of many kinds, with a second or more of training each.

A kind is one command of scripts/experiment.py. It has cores of its own, as many as it has
processes, so that its runs have one thread each whatever else is trained: bit-equality on a CPU
needs equal thread counts.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DIGITS = ("--data=digits", "--recipe=digits", "--set=recipe.steps=80")
DIGITS += ("--set=recipe.schedule.milestones=[40, 60]",)
"""A row of metrics every step, an evaluation and a checkpoint every 19."""


@dataclass(frozen=True)
class Kind:
    """One command, and how many runs it trains."""

    name: str
    words: tuple[str, ...]
    seeds: int = 2
    processes: int = 1
    tracked: bool = False
    """Whether W&B's server is told of it."""

    def arguments(self) -> list[str]:
        """Of scripts/experiment.py."""
        return ["train", *self.words, f"--seeds={self.seeds}", f"--devices={self.processes}"]


def digits(
    name: str, *sets: str, seeds: int = 2, processes: int = 1, tracked: bool = False
) -> Kind:
    """A net on digits with these changes."""
    words = ("--model=resnet8_w8", *DIGITS, *(f"--set={one}" for one in sets))
    return Kind(name, words, seeds, processes, tracked)


def kinds(photographs: Path) -> list[Kind]:
    """All kinds, 26 runs; `photographs` is `make_photographs`' folder."""
    selected = ("holdout=300", "tested_on=test", "selected_on=holdout")
    lamb = ("name=lamb", "lr=0.01", "momentum=0", "weight_decay=0.02")
    return [
        digits("plain", seeds=4),
        digits("stochastic_depth", "model.survival=0.5"),
        digits("dropout", "model.dropout=0.3"),
        digits("mixup", "recipe.augmentation.mixup=0.2", "recipe.augmentation.cutmix=1.0"),
        digits("lamb", *(f"recipe.optimizer.{word}" for word in lamb)),
        digits("float64", "precision=64-true"),
        digits("bfloat16", "precision=bf16-mixed"),
        digits("float16", "precision=16-mixed"),
        digits("holdout", *(f"data.{word}" for word in selected)),
        digits("two_processes", "model.dropout=0.3", processes=2),
        digits("tracked", tracked=True),
        Kind("photographs", photograph_words(photographs)),
    ]


def photograph_words(folder: Path) -> tuple[str, ...]:
    """A net on the folder of photographs, each cropped and distorted in its own way."""
    sets = {
        "data.folder": str(folder),
        "data.test_fraction": "0.25",
        "recipe.steps": "40",
        "recipe.schedule.milestones": "[20, 30]",
        "recipe.batch_size": "16",
        "recipe.photographs.size": "16",
        "recipe.photographs.shorter_side": "[18, 30]",
        "recipe.photographs.jitter": "0.4",
        "recipe.photographs.test_shorter_side": "18",
    }
    words = (f"--set={path}={value}" for path, value in sets.items())
    return ("--model=resnet8_w8", "--data=imagefolder", "--recipe=imagenette", *words)


def make_photographs(folder: Path) -> Path:
    """A folder of 2 classes with 40 pictures of noise each, the same in every call."""
    draws = np.random.default_rng(0)
    for label in ("bright", "dark"):
        (folder / label).mkdir(parents=True)
        for i in range(40):
            noise = draws.integers(0, 128, (24, 32, 3)) + (127 if label == "bright" else 0)
            Image.fromarray(noise.astype(np.uint8)).save(folder / label / f"{i}.png")
    return folder
