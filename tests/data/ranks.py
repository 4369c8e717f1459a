"""A run's data as one of its processes sees them, without a Trainer."""

import hashlib
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.data.modules import ImageData, data_module


def digits(**fields: Any) -> RunConfig:
    """A run on the digits; fields are laid over those it has."""
    tree = {"model": "resnet8_w8", "data": "digits", "recipe": "digits", **fields}
    return resolve(tree, "test")


def at(
    config: RunConfig, rank: int = 0, ranks: int = 1, step: int = 0, micro_batches: int = 1
) -> ImageData:
    """The data ready to be read by a rank, at a step."""
    data = data_module(config, micro_batches=micro_batches)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank,
        world_size=ranks,
        num_devices=ranks,
        global_step=step,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    data.prepare_data()
    data.setup("fit")
    return data


def digest(batch: tuple[Tensor, ...]) -> str:
    """Of all its numbers."""
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in batch)).hexdigest()
