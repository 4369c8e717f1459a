"""When a run saves, and how it stops: checkpoints, signals, and what several processes agree on."""

import signal
import time
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from reslab import store
from reslab.training.ranks import timeout
from reslab.training.record import in_mid_step

SAVE_EVERY = 60.0
"""Seconds after which a checkpoint is written even though no evaluation is due."""


class Interrupted(Exception):
    """SIGTERM or Ctrl-C; the run can be resumed."""


class Request(IntEnum):
    """What a process wants at the end of a step."""

    NOTHING = 0
    SAVE = 1
    STOP = 2


class Checkpoint(Callback):
    """Writes `last.ckpt` after every evaluation, at the end, when told to stop, and in between.

    Several processes do it at the same step: they tell one another, at every step, what they want.
    """

    def __init__(self, folder: Path, evaluation_interval: int) -> None:
        self.path = folder / store.CHECKPOINT
        self.evaluation_interval = evaluation_interval
        self.saved_step = -1
        self.saved_at = time.monotonic()
        self.stop_signal: int | None = None
        self.stopped_at = 0.0
        self.talk: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a signal to stop waits for the end of the step."""
        if trainer.world_size > 1:  # on CPU tensors, so that no GPU is waited for
            wait = timedelta(seconds=timeout())
            self.talk = torch.distributed.new_group(backend="gloo", timeout=wait)
        self._catch_signals()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As in training."""
        self._catch_signals()

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Save when time is up or when told to stop.

        Not where an evaluation is about to come: a run resumed from there would not make it.
        """
        if in_mid_step(trainer) or trainer.global_step % self.evaluation_interval == 0:
            return
        request = self._agreed(self._request())
        if request:
            self._save(trainer)
        if request == Request.STOP:
            raise Interrupted

    def _request(self) -> Request:
        if self.stop_signal is not None:
            return Request.STOP
        return Request(time.monotonic() - self.saved_at > SAVE_EVERY)

    def _agreed(self, request: Request) -> Request:
        """The most that any process wants."""
        if self.talk is None:
            return request
        words = torch.tensor(request)
        torch.distributed.all_reduce(words, torch.distributed.ReduceOp.MAX, self.talk)
        return Request(int(words))

    def on_validation_batch_end(self, trainer: Trainer, *batch: Any, **_: Any) -> None:
        """Stop when told to; the evaluation is done again."""
        if self.stop_signal is not None:
            raise Interrupted

    on_test_batch_end = on_validation_batch_end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the evaluation's row is written."""
        self._save(trainer)
        if self._agreed(self._request()) == Request.STOP:
            raise Interrupted

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final weights."""
        self._save(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say what the weights are; `checkpoint.read_weights` reads it."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        checkpoint["reslab"] = {
            "config": data.config.model_dump_json(),
            "normalization": data.normalization.state(),
            "class_names": list(data.class_names),
        }

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step != self.saved_step:
            store.flush_metrics(self.path.parent)
            trainer.save_checkpoint(self.path, weights_only=False)
            self.saved_step, self.saved_at = trainer.global_step, time.monotonic()

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _: Any) -> None:
        """A second signal does not wait; one that comes at once is the same, passed on twice."""
        if self.stop_signal is None:
            self.stop_signal, self.stopped_at = number, time.monotonic()
        elif time.monotonic() - self.stopped_at > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
