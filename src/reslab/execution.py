"""How a run is executed: what decides no more of its result than BatchNorm's statistics.

Not part of a run's description: a run that was begun in one way can go on in another.
"""

from argparse import ArgumentParser, BooleanOptionalAction
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal, Self

from reslab.arguments import MOST_PROCESSES, from_environment, whole
from reslab.errors import UserError
from reslab.machine import available_cores, visible_gpus
from reslab.text import counted

Form = Literal["eager", "compiled", "cuda graphs"]
"""How a step is computed: call by call, as compiled code, or as CUDA graphs that are replayed."""


@dataclass(frozen=True)
class Execution:
    """On how many devices, in what parts; also what `scripts/train.py` is told."""

    devices: int = 1
    """Processes on this machine, each with a GPU of its own, or a share of the CPU's cores."""
    micro_batch: int | None = None
    """Examples that a process takes through the net at once; None: its whole share of a batch."""
    sync_batchnorm: bool = False
    """Normalise over the examples of all processes; GPUs only."""
    compile: bool | None = None
    """Whether a step is compiled; None: as the device and the run's length say (`Form`)."""

    def __post_init__(self) -> None:
        for word, number in (("DEVICES", self.devices), ("MICRO_BATCH", self.micro_batch)):
            if number is not None and number < 1:
                raise UserError(f"{word}={number}: expected a whole number above 0")

    @classmethod
    def of(cls, said: object) -> Self:
        """What a command line says, or a plan's options; what these leave out is at its default."""
        names = (each.name for each in fields(cls))
        return cls(**{name: getattr(said, name) for name in names if hasattr(said, name)})

    def arguments(self) -> list[str]:
        """The arguments of scripts/train.py."""
        return [
            f"--devices={self.devices}",
            *([f"--micro-batch={self.micro_batch}"] if self.micro_batch else []),
            *(["--sync-batchnorm"] if self.sync_batchnorm else []),
            *([] if self.compile is None else ["--compile" if self.compile else "--no-compile"]),
        ]

    def micro_batches(self, batch_size: int, ranks: int) -> int:
        """Parts in which each of `ranks` processes takes its share of a batch through the net.

        `UserError` if the processes cannot share it equally, or a share has no such parts.
        """
        share = share_of(batch_size, ranks)
        if share % (self.micro_batch or share):
            raise UserError(
                f"recipe.batch_size is {batch_size}, {share} for each of "
                f"{counted(ranks, 'process', 'processes')}, "
                f"which has no parts of {self.micro_batch}: micro_batch can be {_divisors(share)}"
            )
        return share // (self.micro_batch or share)

    def normalized_together(self, batch_size: int, ranks: int) -> int:
        """Examples that a BatchNorm normalises over in training."""
        parts = 1 if self.sync_batchnorm else ranks
        return batch_size // (parts * self.micro_batches(batch_size, ranks))


def add_execution(
    command: ArgumentParser, devices: str = "--devices", micro_batch: str = "--micro-batch"
) -> None:
    """The options that are `Execution.arguments`; a mistake names an option by these words."""
    command.add_argument(
        "--devices",
        type=whole(devices, most=MOST_PROCESSES),
        default=1,
        metavar="N",
        help="processes (GPUs) per run",
    )
    command.add_argument(
        "--micro-batch",
        type=whole(micro_batch),
        metavar="N",
        help="examples that a process takes at once, where memory is short (accumulates gradients)",
    )
    command.add_argument(
        "--sync-batchnorm",
        action="store_true",
        help="normalise over the examples of all GPUs of a run, not of each",
    )
    command.add_argument(
        "--compile",
        action=BooleanOptionalAction,
        help="compile steps, or do not; otherwise GPUs do (CUDA graphs), and CPUs in long runs",
    )


def gpus_for(devices: int, asked: str = "DEVICES", cores_shared: bool = False) -> list[str]:
    """This machine's GPUs, if it has any; `UserError` for more devices than it has.

    `asked` is the word by which they were asked for. Without a GPU cores count, unless shared.
    """
    gpus, cores = visible_gpus(), available_cores()
    if devices > (len(gpus) or cores) and (gpus or not cores_shared):
        there = counted(len(gpus), "GPU")
        there += "" if gpus else f", and {counted(cores, 'CPU core')}"
        raise UserError(f"{asked}={devices}, but this machine has {there}")
    return gpus


def share_of(batch_size: int, ranks: int) -> int:
    """Examples per rank; `UserError` names the numbers of ranks that would divide the batch."""
    if batch_size % ranks:
        raise UserError(
            f"recipe.batch_size is {batch_size}, which {ranks} processes cannot share equally; "
            f"use {_divisors(batch_size)} processes, or another batch_size"
        )
    return batch_size // ranks


def _divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)


RUNS_PER_GPU = "RESLAB_RUNS_PER_GPU"
"""Set by the launcher: runs that share the GPUs of one, which is recorded (`env.json`)."""

TORCHRUN = "TORCHELASTIC_RUN_ID"
"""Set for processes that torchrun has started."""


@dataclass(frozen=True)
class Place:
    """Which process this is among those of its run."""

    rank: int
    ranks: int
    local_ranks: int
    """Processes on this machine."""

    @property
    def nodes(self) -> int:
        """Machines."""
        return self.ranks // self.local_ranks


def place() -> Place:
    """This process's place: the only one, if nobody has said anything else."""
    rank = from_environment("RANK", partial(whole, least=0)) or 0
    ranks = from_environment("WORLD_SIZE", whole) or 1
    return Place(rank, ranks, from_environment("LOCAL_WORLD_SIZE", whole) or ranks)
