"""What happens beside the training: records, checkpoints, interruption, progress.

The order of a step is fixed: its rows of metrics, its evaluation and that one's row, then the
checkpoint, so that no kill swallows a row that a resumed run would not write again.
"""

import math
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from tqdm import tqdm

from reslab import store
from reslab.inference.metrics import Score, Tally
from reslab.training.classifier import Classifier
from reslab.training.optimizers import learning_rate, log_interval
from reslab.training.ranks import timeout

SAVE_EVERY = 60.0
"""Seconds after which a checkpoint is written even though no evaluation is due."""


Outputs = Tensor | Mapping[str, Any] | None
"""What Lightning hands to a callback after a step."""


class Diverged(Exception):
    """A loss is not finite; carries what `result.json` says of it."""

    def __init__(self, step: int, lr: float, loss: float) -> None:
        super().__init__(f"the loss is {loss} at step {step:,} with learning rate {lr:g}")
        self.result = {"step": step, "lr": lr, "loss": str(loss)}


class Interrupted(Exception):
    """SIGTERM or Ctrl-C; the run can be resumed."""


class Record(Callback):
    """Appends rows to `metrics.jsonl` and sends them to the loggers.

    Training rows are sums since the row before; they survive a checkpoint between two rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.latest: store.Row = {}

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Outputs,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write a training row when one is due; `Diverged` if its loss is not finite."""
        module = classifier(pl_module)
        step, recipe = trainer.global_step, module.recipe
        if in_mid_step(trainer, batch_idx) or (
            step % log_interval(recipe) and step != recipe.steps
        ):
            return
        score = _read(module.train_tally)
        refuse_infinite(score, module, step)
        self._write(
            trainer,
            {
                "step": step,
                "lr": learning_rate(recipe, step - 1),
                "train_loss": score.loss,
                "train_top1_error": score.top1_error,
            },
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the row of an evaluation on the test split; `Diverged` if a loss is not finite."""
        module = classifier(pl_module)
        score = _read(module.test_tally)
        refuse_infinite(score, module, trainer.global_step)
        self._write_evaluation(trainer, score)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the final evaluation be the last row of its kind, if it is not there already."""
        module, step = classifier(pl_module), trainer.global_step
        for score in module.final.values():
            refuse_infinite(score, module, step)
        if module.config.data.selected_on == "holdout":
            return  # of other weights than this step's
        score = module.final["test"]
        rows = store.read_metrics(self.folder)
        if not any(row["step"] == step and "test_loss" in row for row in rows):
            self._write_evaluation(trainer, score)

    def write_held_out(self, trainer: Trainer, module: Classifier, score: Score) -> None:
        """Write the row of the held-out images; `Diverged` if the loss is not finite."""
        refuse_infinite(score, module, trainer.global_step)
        row = {"holdout_loss": score.loss, "holdout_top1_error": score.top1_error}
        self._write(trainer, {"step": trainer.global_step, **row})

    def _write_evaluation(self, trainer: Trainer, score: Score) -> None:
        row = {"test_loss": score.loss, "test_top1_error": score.top1_error}
        self._write(trainer, {"step": trainer.global_step, **row})

    def _write(self, trainer: Trainer, row: store.Row) -> None:
        self.latest.update(row)
        if trainer.is_global_zero:
            store.append_metrics(self.folder, row)
            log(trainer, {k: v for k, v in row.items() if k != "step"}, row["step"])

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the sums since the last row."""
        checkpoint["train_tally"] = classifier(pl_module).train_tally.sums()

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Continue them, all in rank 0, and drop the rows that will be written again."""
        sums = checkpoint["train_tally"]
        mine = sums if trainer.is_global_zero else dict.fromkeys(sums, 0)
        classifier(pl_module).train_tally.restore(mine)
        if trainer.is_global_zero:
            store.drop_metrics_after(self.folder, checkpoint["global_step"])


def refuse_infinite(score: Score, module: Classifier, step: int) -> None:
    """`Diverged` for a loss that is not finite."""
    if not math.isfinite(score.loss):
        raise Diverged(step, learning_rate(module.recipe, step - 1), score.loss)


def in_mid_step(trainer: Trainer, batch_idx: int) -> bool:
    """Whether more micro-batches follow before the weights are changed."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches != 0


def log(trainer: Trainer, numbers: dict[str, float], step: int) -> None:
    """Send numbers to the loggers; a logger that fails does not end the training."""
    for logger in trainer.loggers:
        try:
            logger.log_metrics(numbers, step)
        except Exception as error:
            print(f"{type(logger).__name__} failed at step {step}: {error}", file=sys.stderr)


def classifier(module: LightningModule) -> Classifier:
    """The one kind of module that is trained here."""
    assert isinstance(module, Classifier)
    return module


def _read(tally: Tally) -> Score:
    score = tally.score()
    tally.reset()
    return score


class Wish(IntEnum):
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

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Outputs,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save when time is up or when told to stop.

        Not where an evaluation is about to come: a run resumed from there would not make it.
        """
        if in_mid_step(trainer, batch_idx) or trainer.global_step % self.evaluation_interval == 0:
            return
        wish = self._agreed(self._wish())
        if wish:
            self._save(trainer)
        if wish == Wish.STOP:
            raise Interrupted

    def _wish(self) -> Wish:
        if self.stop_signal is not None:
            return Wish.STOP
        return Wish(time.monotonic() - self.saved_at > SAVE_EVERY)

    def _agreed(self, wish: Wish) -> Wish:
        """The most that any process wants."""
        if self.talk is None:
            return wish
        words = torch.tensor(wish)
        torch.distributed.all_reduce(words, torch.distributed.ReduceOp.MAX, self.talk)
        return Wish(int(words))

    def on_validation_batch_end(self, trainer: Trainer, *batch: Any, **_: Any) -> None:
        """Stop when told to; the evaluation is done again."""
        if self.stop_signal is not None:
            raise Interrupted

    on_test_batch_end = on_validation_batch_end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the evaluation's row is written."""
        self._save(trainer)
        if self._agreed(self._wish()) == Wish.STOP:
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

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Outputs,
        batch: Any,
        batch_idx: int,
    ) -> None:
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
