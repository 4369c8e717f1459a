"""What torch says where memory is short, or a norm sees one value, in words for people."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning import Trainer
from torch import nn

from reslab.arguments import from_environment, whole
from reslab.config.run import RunConfig
from reslab.errors import UserError, first_line
from reslab.execution import RUNS_PER_GPU, Execution, place
from reslab.text import counted
from reslab.training.checkpointing import Checkpoint, Interrupted

OUT_OF_MEMORY = "out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed"
"""torch's messages have one: the driver's, the CPU's on Linux and Windows, cuBLAS's and cuDNN's."""

SINGLE_VALUE = "Expected more than 1 value per channel when training"
"""torch's words; nets of ours are refused before they are trained (`config.division`)."""


@contextmanager
def in_our_words(
    trainer: Trainer, net: nn.Module, config: RunConfig, execution: Execution
) -> Iterator[None]:
    """`UserError` with what to do for errors of torch, and `Interrupted` for one that comes of
    another process, which has stopped before this one."""
    try:
        yield
    except ValueError as error:
        if SINGLE_VALUE not in str(error):
            raise
        raise UserError(single_value(config, execution)) from error
    except RuntimeError as error:
        if is_told_to_stop(trainer):
            raise Interrupted from error
        if is_out_of_memory(error):
            raise UserError(advice(config, execution, error, not net.training)) from error
        raise


def is_told_to_stop(trainer: Trainer) -> bool:
    """Whether SIGTERM or Ctrl-C has come."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(c, Checkpoint) and c.stop_signal is not None for c in callbacks)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU or the CPU has no memory left."""
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(part in words for part in OUT_OF_MEMORY)


def advice(config: RunConfig, execution: Execution, error: RuntimeError, evaluates: bool) -> str:
    """What to do where memory is short, in training or in an evaluation."""
    found = first_line(error)
    if evaluates:
        return (
            "out of memory in an evaluation, which a smaller batch does not change: it needs a "
            f"device with more free memory, or a smaller net\n       {found}"
        )
    share = config.recipe.batch_size // place().ranks
    at_once = execution.micro_batch or share
    smaller = max((n for n in range(1, at_once) if share % n == 0), default=None)
    hint = f"MICRO_BATCH={smaller} (--micro-batch {smaller})" if smaller else "a smaller net"
    sharing = from_environment(RUNS_PER_GPU, whole) or 1
    fewer = f"; {sharing} runs share its GPU, fewer (SLOTS_PER_GPU) leave more" * (sharing > 1)
    return (
        f"out of memory with {at_once} of the {config.recipe.batch_size} examples of a batch at "
        f"once in each of "
        f"{counted(place().ranks, 'process', 'processes')}; {hint} needs less{fewer}\n"
        f"       {found}"
    )


def single_value(config: RunConfig, execution: Execution) -> str:
    """What to do where a norm of another library's net sees one value per channel."""
    together = execution.normalized_together(config.recipe.batch_size, place().ranks)
    return (
        f"a norm of the net sees one value per channel: {counted(together, 'example')} at a time, "
        "of 1 × 1 pixels, which cannot be normalised in training; take a larger recipe.batch_size "
        "or micro_batch, fewer devices, or larger images"
    )
