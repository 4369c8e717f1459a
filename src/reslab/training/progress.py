"""How far a run is, for people: a bar on a terminal, lines elsewhere."""

import math
import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from tqdm import tqdm

from reslab.training.record import Record


class Progress(Callback):
    """A bar on a terminal, a line after each evaluation otherwise."""

    def __init__(self, record: Record, batch_size: int) -> None:
        self.record = record
        self.batch_size = batch_size
        self.bar: tqdm[Any] | None = None
        self.began = (0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the resumed step."""
        self.began = (trainer.global_step, time.monotonic())
        if trainer.is_global_zero and sys.stderr.isatty():
            self.bar = tqdm(
                total=trainer.max_steps,
                initial=trainer.global_step,
                unit="step",
                dynamic_ncols=True,
            )

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(trainer.global_step - self.bar.n)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the newest numbers."""
        row = self.record.latest
        text = (
            f"train {row.get('train_top1_error', math.nan):.2f} % "
            f"test {row['test_top1_error']:.2f} % (top-1 error)"
        )
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif trainer.is_global_zero:
            print(f"{self._position(trainer)}  {text}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def _position(self, trainer: Trainer) -> str:
        start, began = self.began
        steps = trainer.global_step - start
        rate = steps * self.batch_size / max(time.monotonic() - began, 1e-9)
        return f"step {trainer.global_step:,} of {trainer.max_steps:,}  {rate:,.0f} images/s"
