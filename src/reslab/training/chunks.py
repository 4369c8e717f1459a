"""What Lightning sees of a training: chunks of steps, each of which draws its own batch.

A chunk ends where something is due: a row of metrics, an evaluation, the last step, and where
weights are chosen the end of an epoch; and after about `SECONDS`, so that a signal is soon obeyed.
What Lightning counts stays a number of steps (`count_steps`): its interval between evaluations and
checkpoints of any version mean the same.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer

from reslab.config.run import RunConfig
from reslab.training.group import Talk
from reslab.training.optimizers import log_interval

SECONDS = 0.5
"""Of a chunk, about: a machine may become slower, and a signal is to be obeyed within two."""


class Chunk(NamedTuple):
    """The steps first, …, end - 1. (Lightning would move what it takes for a range's tensors.)"""

    first: int
    end: int


class Pace(Callback):
    """How many steps take about `SECONDS`; all processes go by the slowest."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.steps = 1
        self.stopwatch: Stopwatch | DeviceStopwatch = Stopwatch()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with chunks of one step: the first may take longer than all that follow."""
        self.talk.open(trainer.world_size)
        is_on_gpu = trainer.strategy.root_device.type == "cuda"
        self.stopwatch = DeviceStopwatch() if is_on_gpu else Stopwatch()

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Begin to time it."""
        self.stopwatch.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how many steps the chunk after the next may have: that one is fetched already."""
        seconds = self.talk.greatest(self.stopwatch.seconds_per_step(batch.end - batch.first))
        self.steps = max(1, min(2 * self.steps, int(SECONDS / max(seconds, 1e-9))))


class Stopwatch:
    """The time of a chunk."""

    began = 0.0

    def start(self) -> None:
        """As it begins."""
        self.began = time.monotonic()

    def seconds_per_step(self, steps: int) -> float:
        """Of a chunk of so many steps, as it ends."""
        return (time.monotonic() - self.began) / steps


class DeviceStopwatch:
    """That of a chunk on a GPU, which is a chunk behind: it is given no more than two at once, and
    never waits for the next one."""

    def __init__(self) -> None:
        self.began = self._now()
        self.before: tuple[torch.cuda.Event, torch.cuda.Event, int] | None = None

    def start(self) -> None:
        """As a chunk is given to it."""
        self.began = self._now()

    def seconds_per_step(self, steps: int) -> float:
        """Of the chunk before this one, which is waited for."""
        this = self.began, self._now(), steps
        (began, ended, count), self.before = self.before or this, this
        ended.synchronize()
        return float(began.elapsed_time(ended)) / 1000 / count

    def _now(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


@dataclass(frozen=True, eq=False)
class Chunks:
    """Endless: the steps from `first_step()` on."""

    next_due: Callable[[int], int]
    """The first step after so many after which something is due."""
    pace: Pace
    first_step: Callable[[], int]

    def __iter__(self) -> Iterator[Chunk]:
        first = self.first_step()
        while True:
            end = min(self.next_due(first), first + self.pace.steps)
            yield Chunk(first, end)
            first = end


def chunks_of(trainer: Trainer, config: RunConfig, examples: int) -> Chunks:
    """Those of a run that trains on so many images."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    pace = next(c for c in callbacks if isinstance(c, Pace))
    interval = int(trainer.val_check_interval)

    def next_due(steps: int) -> int:
        return next_due_of(config, interval, examples, steps)

    return Chunks(next_due, pace, lambda: trainer.global_step)


def next_due_of(config: RunConfig, interval: int, examples: int, steps: int) -> int:
    """The first step after `steps`, counted from 1, after which a run has something to do."""
    recipe = config.scaled_recipe
    due = [multiple_after(steps, log_interval(recipe)), multiple_after(steps, interval)]
    if config.data.selected_on == "holdout":
        due.append(-(-multiple_after(steps * recipe.batch_size, examples) // recipe.batch_size))
    return min(due) if steps >= recipe.steps else min(*due, recipe.steps)


def multiple_after(number: int, of: int) -> int:
    """The next greater one."""
    return (number // of + 1) * of


def count_steps(trainer: Trainer, steps: int) -> None:
    """Let Lightning, which saw one batch, count so many, and as many optimiser steps."""
    loop = trainer.fit_loop.epoch_loop
    loop.batch_progress.increment_by(steps - 1)
    loop.manual_optimization.optim_step_progress.increment_by(steps)


def restore_counts(checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint's counts be those of its step, whatever counted them: micro-batches, or the
    optimiser steps of automatic optimisation."""
    loops = checkpoint["loops"]["fit_loop"]
    for name in ("batch_progress", "manual_optimization.optim_step_progress"):
        progress = loops[f"epoch_loop.{name}"]
        for counts in (progress["total"], progress["current"]):
            counts.update(dict.fromkeys(counts, checkpoint["global_step"]))
