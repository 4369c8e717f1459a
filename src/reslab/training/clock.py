"""Seconds of training until each evaluation, in `times.json`: what a time to an error is read from.

Counted is what lies between evaluations: batches, steps, rows of metrics, checkpoints by the clock;
all starts of a run together. Start-up, evaluations, and the checkpoints behind these are not. What
is compiled in the first step is. A GPU is waited for at each evaluation alone.
"""

import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from reslab.store.times import Times, read_times, write_times


class Clock(Callback):
    """Stands last among the callbacks, so that what others do after an evaluation is not counted.

    A run that was begun by code without a clock has no times.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: float | None = 0.0
        """Of training until `since`; None where it is not known."""
        self.since: float | None = None
        """When the training went on; None while it does not."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count, behind the rows that a resumed run has from before its checkpoint."""
        if trainer.is_global_zero and self.seconds is not None:
            rows = read_times(self.folder) if trainer.global_step else {}
            write_times(self.folder, {k: v for k, v in rows.items() if k <= trainer.global_step})
        self.since = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop, and write down when the evaluation's step was reached."""
        self._stop(trainer)
        self._write(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on."""
        self.since = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop; the evaluation of the last step follows, if there was none."""
        self._stop(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write down when the last step was reached."""
        self._write(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what was counted."""
        if self.seconds is not None:
            checkpoint["training_seconds"] = self.seconds + self._running(trainer)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Count on from there."""
        self.seconds = checkpoint.get("training_seconds")

    def _stop(self, trainer: Trainer) -> None:
        if self.seconds is not None:
            self.seconds += self._running(trainer)
        self.since = None

    def _running(self, trainer: Trainer) -> float:
        """Seconds since the training went on; a GPU has then done what was asked of it."""
        if self.since is None:
            return 0.0
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize(trainer.strategy.root_device)
        return time.perf_counter() - self.since

    def _write(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero or self.seconds is None:
            return
        rows: Times = read_times(self.folder)
        rows.setdefault(trainer.global_step, round(self.seconds, 4))
        write_times(self.folder, rows)
