"""How far a run is, for people: a bar on a terminal, lines elsewhere."""

import math
import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from tqdm import tqdm

from reslab.text import duration
from reslab.training.record import Record

EVERY = 45.0
"""Seconds after which a line is due; a step may take some more."""


class Progress(Callback):
    """A bar on a terminal; otherwise a line after each evaluation, and at least every minute."""

    def __init__(self, record: Record, batch_size: int) -> None:
        self.record = record
        self.batch_size = batch_size
        self.bar: tqdm[Any] | None = None
        self.began = (0, 0.0)
        self.told = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the resumed step."""
        self.began = (trainer.global_step, time.monotonic())
        self.told = self.began[1]
        if trainer.is_global_zero and sys.stderr.isatty():
            self.bar = tqdm(
                total=trainer.max_steps,
                initial=trainer.global_step,
                unit="step",
                dynamic_ncols=True,
            )

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Move the bar, or tell the step."""
        if self.bar is not None:
            self.bar.update(trainer.global_step - self.bar.n)
        self._tell_if_due(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Tell that the run is not hanging."""
        self._tell_if_due(trainer, "  evaluating")

    def on_test_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """The same, of the last evaluation."""
        self._tell_if_due(trainer, "  the last evaluation")

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
            self._tell(trainer, f"  {text}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def _tell_if_due(self, trainer: Trainer, text: str = "") -> None:
        if self.bar is None and trainer.is_global_zero and time.monotonic() - self.told >= EVERY:
            self._tell(trainer, text)

    def _tell(self, trainer: Trainer, text: str) -> None:
        self.told = time.monotonic()
        print(f"{self._position(trainer)}{text}", flush=True)

    def _position(self, trainer: Trainer) -> str:
        """Step, time left, rate; the last two once they are known."""
        (start, began), step, steps = self.began, trainer.global_step, trainer.max_steps
        elapsed, done = max(time.monotonic() - began, 1e-9), step - start
        place = f"step {step:,} of {steps:,}"
        if done <= 0 or step >= steps:
            return place
        left = duration(elapsed / done * (steps - step))
        return f"{place}  about {left} left  {done * self.batch_size / elapsed:,.0f} images/s"
