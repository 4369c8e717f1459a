"""When a run saves, and how it stops: checkpoints, signals, and what several processes agree on."""

import signal
import time
from enum import IntEnum
from typing import Any

from lightning import Callback, LightningModule, Trainer

from reslab import store
from reslab.data.modules import data_of
from reslab.processes import STOPPING
from reslab.training.group import Talk

SAVE_EVERY = 60.0
"""Seconds after which a checkpoint is written even though no evaluation is due."""


class Interrupted(Exception):
    """A signal to stop; the run can be resumed."""


class Request(IntEnum):
    """What a process wants at the end of a chunk."""

    NOTHING = 0
    SAVE = 1
    STOP = 2


class Checkpoint(Callback):
    """Writes `last.ckpt` after every evaluation, at the end, when told to stop, and in between.

    Several processes do it at the same step: they tell one another, after every chunk of steps,
    what they want.
    """

    def __init__(self, claim: store.Claim, evaluation_interval: int, talk: Talk) -> None:
        self.path, self.claim = claim.folder / store.CHECKPOINT, claim
        self.evaluation_interval = evaluation_interval
        self.saved_step = -1
        self.saved_at = time.monotonic()
        self.stop_signal: int | None = None
        self.stopped_at = 0.0
        self.talk = talk

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a signal to stop waits for the end of the chunk."""
        self.talk.open(trainer.world_size)
        self._catch_signals()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As in training."""
        self._catch_signals()

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Save when time is up or when told to stop.

        Not where an evaluation is about to come: a run resumed from there would not make it.
        """
        if trainer.global_step % self.evaluation_interval == 0:
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
        return Request(int(self.talk.greatest(request)))

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
        """Say what the weights are; `weights.files.read_weights` reads it."""
        data = data_of(trainer)
        assert data.config is not None
        checkpoint["reslab"] = {
            "config": data.config.model_dump_json(),
            "normalization": data.normalization.state(),
            "class_names": list(data.class_names),
        }

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step != self.saved_step:
            store.flush_metrics(self.claim.folder)
            trainer.save_checkpoint(self.path, weights_only=False, storage_options=self.claim.check)
            self.saved_step, self.saved_at = trainer.global_step, time.monotonic()

    def _catch_signals(self) -> None:
        for number in STOPPING:
            signal.signal(number, self._remember)

    def _remember(self, number: int, _: Any) -> None:
        """A second SIGTERM or Ctrl-C does not wait; one that comes at once is the same, passed on
        twice."""
        if self.stop_signal is None:
            self.stop_signal, self.stopped_at = number, time.monotonic()
        elif number in (signal.SIGTERM, signal.SIGINT) and time.monotonic() - self.stopped_at > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
