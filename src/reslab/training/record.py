"""The rows of `metrics.jsonl`, and runs that end because a loss is not finite.

The order of a step is fixed: its rows of metrics, its evaluation and that one's row, then the
checkpoint, so that no kill swallows a row that a resumed run would not write again.
"""

import math
import sys
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from reslab import store
from reslab.data.modules import data_of
from reslab.inference.metrics import Score, Tally, ViewsScore
from reslab.store.answers import Answers, write_answers
from reslab.store.wrong import write_wrong
from reslab.training.classifier import Classifier
from reslab.training.optimizers import learning_rate, log_interval


class Diverged(Exception):
    """A loss is not finite; carries what `result.json` says of it."""

    def __init__(self, step: int, lr: float, loss: float) -> None:
        super().__init__(f"the loss is {loss} at step {step:,} with learning rate {lr:g}")
        self.result = {"step": step, "lr": lr, "loss": str(loss)}


class Record(Callback):
    """Appends rows to `metrics.jsonl` and sends them to the loggers.

    Training rows are sums since the row before; they survive a checkpoint between two rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.latest: store.Row = {}

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Write a training row when one is due; `Diverged` if its loss is not finite."""
        module = classifier(trainer)
        step, recipe = trainer.global_step, module.recipe
        if step % log_interval(recipe) and step != recipe.steps:
            return
        score = module.train_tally.score()
        module.train_tally.reset()
        refuse_infinite_loss(score, module, step)
        rate = learning_rate(recipe, step - 1)
        self._write(trainer, {"step": step, "lr": rate, **score.training_row()})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the row of an evaluation on the test split; `Diverged` if a loss is not finite."""
        self.write_evaluation(trainer, "test", _read(classifier(trainer).test_tally))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what test images are taken for; let the final evaluation be the last row of its
        kind, if it is not there already."""
        module, step = classifier(trainer), trainer.global_step
        for score in module.final.values():
            refuse_infinite_loss(score, module, step)
        if trainer.is_global_zero:
            self._keep_answers(trainer, module)
        if module.config.data.selected_on == "holdout":
            return  # of other weights than this step's
        score = module.final["test"]
        rows = store.read_metrics(self.folder)
        if not any(row["step"] == step and "test_loss" in row for row in rows):
            self.write_evaluation(trainer, "test", score)

    def _keep_answers(self, trainer: Trainer, module: Classifier) -> None:
        answers = Answers(
            module.targets.numpy().astype("uint16"),
            module.predicted.numpy().astype("uint16"),
            module.confidence.numpy().astype("float16"),
            data_of(trainer).class_names,
        )
        write_answers(self.folder, answers)
        write_wrong(self.folder, answers.wrong)

    def write_evaluation(self, trainer: Trainer, split: str, score: Score) -> None:
        """Write the row of a split, test or holdout; `Diverged` if the loss is not finite."""
        refuse_infinite_loss(score, classifier(trainer), trainer.global_step)
        row = {f"{split}_loss": score.loss, f"{split}_top1_error": score.top1_error}
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
        checkpoint["train_tally"] = classifier(trainer).train_tally.sums()

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Continue them, all in rank 0, and drop the rows that will be written again."""
        sums = checkpoint["train_tally"]
        mine = sums if trainer.is_global_zero else dict.fromkeys(sums, 0)
        classifier(trainer).train_tally.restore(mine)
        if trainer.is_global_zero:
            store.drop_metrics_after(self.folder, checkpoint["global_step"])


def refuse_infinite_loss(score: Score | ViewsScore, module: Classifier, step: int) -> None:
    """`Diverged` for a loss that is not finite."""
    if not math.isfinite(score.loss):
        raise Diverged(step, learning_rate(module.recipe, step - 1), score.loss)


def log(trainer: Trainer, numbers: dict[str, float], step: int) -> None:
    """Send numbers to the loggers; a logger that fails does not end the training."""
    for logger in trainer.loggers:
        try:
            logger.log_metrics(numbers, step)
        except Exception as error:
            print(f"{type(logger).__name__} failed at step {step}: {error}", file=sys.stderr)


def classifier(trainer: Trainer) -> Classifier:
    """What it trains: the one kind of module that is trained here."""
    module = trainer.lightning_module
    assert isinstance(module, Classifier)
    return module


def _read(tally: Tally) -> Score:
    score = tally.score()
    tally.reset()
    return score
