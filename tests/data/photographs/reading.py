"""A run on a folder of photographs, and the batches that it reads."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reslab.config.data import Data, Photographs
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.data.modules import ImageData
from reslab.data.photographs.opened import Pictures, open_photographs

RECIPE = {
    "steps": 100,
    "batch_size": 6,
    "optimizer": {"lr": 0.1},
    "schedule": {"name": "constant"},
    "normalization": "channel",
    "augmentation": {"flip": True},
    "photographs": {"size": 24, "crop": "area", "jitter": 0.3, "pca": 0.1, "test_shorter_side": 28},
}


def run(folder: Path, **fields: Any) -> RunConfig:
    """A run on a folder; fields of its data and its recipe are laid over those it has."""
    data = {"name": "imagefolder", "folder": str(folder), **fields.pop("data", {})}
    recipe = {**RECIPE, **fields.pop("recipe", {})}
    return resolve({"model": "resnet8_w8", "data": data, "recipe": recipe, **fields}, "test")


def open_pictures(data: Data) -> tuple[Pictures, Pictures, tuple[str, ...]]:
    """Both splits and the classes' names, to be read as they are."""
    opened = open_photographs(data, Photographs(crop="center"), workers=0)
    return opened.train, opened.test, opened.class_names


def first(data: ImageData, count: int) -> list[tuple[Tensor, ...]]:
    """The first batches to train on."""
    return [batch for batch, _ in zip(data.train_dataloader(), range(count), strict=False)]


def assert_equal(one: list[tuple[Tensor, ...]], other: list[tuple[Tensor, ...]]) -> None:
    """Bit for bit the same batches."""
    for before, after in zip(one, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
