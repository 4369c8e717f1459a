"""A run's processes as torch knows them: how they meet, what they share, and how they part."""

import os
from datetime import timedelta
from typing import Any, Literal

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.plugins import TorchSyncBatchNorm
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reslab.errors import UserError
from reslab.execution import place
from reslab.training.atomic import AtomicCheckpointIO
from reslab.training.ranks import MEETING, timeout


class Supervised(DDPStrategy):
    """DDP whose processes meet at the socket that their supervisor has opened for them."""

    def setup_distributed(self) -> None:
        """Meet; Lightning leaves a process group that is there as it is."""
        if MEETING in os.environ and not distributed.is_initialized():
            self._meet()
        super().setup_distributed()

    def _meet(self) -> None:
        here, wait = place(), timedelta(seconds=timeout())
        store = distributed.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            here.ranks,
            is_master=here.rank == 0,
            timeout=wait,
            master_listen_fd=int(os.environ[MEETING]) if here.rank == 0 else None,
        )
        distributed.init_process_group(
            self._get_process_group_backend(),
            store=store,
            rank=here.rank,
            world_size=here.ranks,
            timeout=wait,
            device_id=self.root_device if self.root_device.type == "cuda" else None,
        )


class SyncTrainingNorms(TorchSyncBatchNorm):
    """Lightning's, of the norms that are in training mode alone: the others normalise by statistics
    that all processes have, and may be more than a norm (`refuse_fused_norms`)."""

    def apply(self, model: nn.Module) -> nn.Module:
        """torch's SyncBatchNorm in the places of these norms, with their parameters."""
        for name, norm in [(n, m) for n, m in model.named_modules() if _normalises_by_batch(m)]:
            synced = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
            model.set_submodule(name, synced)
        return model


class Talk:
    """What a run's processes tell one another beside their gradients: on CPU tensors, so that no
    GPU is waited for. A process alone talks to nobody."""

    group: Any = None

    def open(self, ranks: int) -> None:
        """Join the others, once, as they do."""
        if ranks > 1 and self.group is None:
            wait = timedelta(seconds=timeout())
            self.group = distributed.new_group(backend="gloo", timeout=wait)

    def greatest(self, number: float) -> float:
        """The greatest of all processes' numbers."""
        if self.group is None:
            return number
        numbers = torch.tensor(float(number), dtype=torch.float64)
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX, self.group)
        return numbers.item()


def batch_norms(net: nn.Module) -> list[nn.Module]:
    """The net's BatchNorms that are in training mode: they normalise by the batch."""
    return [module for module in net.modules() if _normalises_by_batch(module)]


def _normalises_by_batch(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.training


def strategy(ranks: int) -> Strategy | Literal["auto"]:
    """DDP for several processes.

    Running statistics are not sent around at every step: nobody reads them before the next
    evaluation, which takes rank 0's (`Classifier.on_validation_start`).
    """
    if ranks == 1:
        return "auto"
    return Supervised(timeout=timedelta(seconds=timeout()), broadcast_buffers=False)


def plugins(sync_batchnorm: bool, ranks: int) -> list[Any]:
    """How checkpoints are written, where processes are told their places, what BatchNorm sees."""
    chosen: list[Any] = [AtomicCheckpointIO()]
    # Said, so that Lightning does not look for SLURM's words: they are the whole job's.
    chosen.append(TorchElasticEnvironment() if ranks > 1 else LightningEnvironment())
    if sync_batchnorm:
        if not torch.cuda.is_available():
            raise UserError("--sync-batchnorm needs GPUs: torch's SyncBatchNorm has no CPU form")
        chosen.append(SyncTrainingNorms())
    return chosen


def refuse_fused_norms(net: nn.Module) -> None:
    """`UserError` for BatchNorms of others, in training mode, that do more than normalise.

    torch's SyncBatchNorm would take their place and leave that out: timm's have an activation.
    """
    norms = {type(norm) for norm in batch_norms(net)}
    others = sorted(norm.__name__ for norm in norms if not norm.__module__.startswith("torch."))
    if others:
        raise UserError(
            f"--sync-batchnorm: torch's SyncBatchNorm does not replace the net's {others[0]}, "
            "which does more than normalise"
        )


def in_order(mine: Tensor, count: int) -> Tensor:
    """What all processes have of `count` examples, (count, …), in the order of these.

    `mine` is of this process's, rank, rank + ranks, … (`EvaluationBatches`); some have one less.
    """
    if not distributed.is_initialized():
        return mine
    ranks = distributed.get_world_size()
    padded = mine.new_zeros(-(-count // ranks), *mine.shape[1:])
    padded[: len(mine)] = mine
    parts = [torch.empty_like(padded) for _ in range(ranks)]
    distributed.all_gather(parts, padded)
    return torch.stack(parts, 1).flatten(0, 1)[:count]


def leave_together() -> None:
    """Leave when all are done: one that is gone may cut off another that still reads."""
    if distributed.is_initialized():
        distributed.barrier()
    leave()


def leave() -> None:
    """Leave the other processes of the run, whatever they do.

    Not after an error: with nccl it waits for what they are still computing together.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()
