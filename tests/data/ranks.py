"""DataModules as one process of a run sees them, without a Trainer."""

from types import SimpleNamespace
from typing import Any, TypeVar

import torch

from reslab.data.modules import ImageData

Data = TypeVar("Data", bound=ImageData[Any])


def as_rank(
    data: Data, rank: int = 0, ranks: int = 1, step: int = 0, micro_batches: int = 1
) -> Data:
    """The data ready to be read by a rank, at a step."""
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank,
        world_size=ranks,
        num_devices=ranks,
        global_step=step,
        accumulate_grad_batches=micro_batches,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    data.prepare_data()
    data.setup("fit")
    return data
