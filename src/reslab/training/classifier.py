"""The LightningModule: loss, metrics and optimiser around a plain net."""

from typing import Any, Self

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from reslab.config.data import facts_of
from reslab.config.run import RunConfig
from reslab.config.trains import ALL
from reslab.data.batches import Batch, TrainingBatch
from reslab.data.order import depths_seed, step_seed
from reslab.inference.metrics import Sums, Tally
from reslab.methods.stages import depth_of_each
from reslab.methods.trains import rest
from reslab.models.layers import draw_depths
from reslab.training.decay import starts_of
from reslab.training.group import in_order
from reslab.training.lesson import Lesson
from reslab.training.optimizers import build_optimizer, learning_rate


class Classifier(LightningModule):
    """Trains `net`, images (N, C, H, W) → logits (N, classes), as a run's recipe says."""

    beside: nn.Module | None
    """What trains with the net and is no part of it."""
    lesson: Lesson | None = None
    """What it learns from another net, which is no part of this module."""

    def __init__(self, net: nn.Module, config: RunConfig) -> None:
        super().__init__()
        self.net = net
        self.beside = None
        self.starts = starts_of(net, config)
        self.config = config
        self.recipe = config.scaled_recipe
        self.train_tally: Sums = Tally()
        facts = facts_of(config.data)
        top5 = facts.photographs and facts.classes > 5
        self.final_train_tally = Tally(top5)
        self.test_tally = Tally(top5)
        self.held_out_tally = Tally()
        self.tested: list[tuple[Tensor, Tensor, Tensor]] = []
        self.train()

    def attend(self, lesson: Lesson) -> None:
        """Learn from another net; what that learns itself trains, and is kept in checkpoints."""
        self.lesson, self.beside = lesson, lesson.regressor

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation; norms that do not train are in evaluation mode in both."""
        super().train(mode)
        if self.config.trains != ALL:
            rest(self.net)
        return self

    def on_train_batch_start(self, batch: TrainingBatch, batch_idx: int) -> None:
        """What a net draws is a function of (seed, step), dropout also of the examples' place."""
        seed, step = self.config.seed, self.global_step
        micro_batch = batch_idx % self.trainer.accumulate_grad_batches
        place = (self.global_rank, micro_batch) if micro_batch else (self.global_rank,)
        reseed(step_seed(seed, step, *place), self.device)
        draw_depths(self.net, (depths_seed(seed, step),))

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of a batch with its smoothed or mixed targets, and what is learned
        from a teacher.

        An example of a mixed batch counts as wrong against the target of the image that it is λ of,
        even where λ is below a half: the training error of a mixed batch is no error of the net.
        """
        images, targets = batch[:2]
        if self.lesson is None:
            logits = self.net(images)
            loss = self._cross_entropy(logits, batch)
        else:
            student, done = self.lesson.seen(self.net, images), self.global_step / self.recipe.steps
            logits, own = student.logits, self._cross_entropy(student.logits, batch)
            loss = self.lesson.taught(own, student, images, targets, done)
        self.train_tally.update(logits, targets, loss)
        return loss

    def _cross_entropy(self, logits: Tensor, batch: TrainingBatch) -> Tensor:
        # A mixed batch ends with probabilities, any other with its targets.
        return cross_entropy(logits, batch[-1], label_smoothing=self.recipe.label_smoothing)

    def on_fit_start(self) -> None:
        """Bring the teacher, which is no part of this module, to where the images are."""
        if self.lesson is not None:
            normalization = self.trainer.datamodule.normalization  # type: ignore[attr-defined]
            self.lesson.begin(normalization, next(self.net.parameters()))

    def share_buffers(self) -> None:
        """Let processes evaluate one net: with the running statistics of rank 0."""
        if self.trainer.world_size > 1:
            for buffer in self.net.buffers():
                torch.distributed.broadcast(buffer, src=0)

    on_validation_start = share_buffers

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what parameters decay to: where it came from may be gone."""
        if self.starts:
            checkpoint["starts"] = self.starts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let Lightning's counts of batches be those of this start's micro-batches."""
        self.starts = checkpoint.get("starts", {})
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        batches = checkpoint["global_step"] * self.trainer.accumulate_grad_batches
        for counts in (progress["total"], progress["current"]):
            counts.update(dict.fromkeys(counts, batches))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of the test split."""
        _count(self.net, batch, self.test_tally)

    def count_held_out(self, batch: Batch) -> None:
        """Count a batch of the held-out images that weights are chosen by."""
        _count(self.net, batch, self.held_out_tally)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count a batch of the final evaluation: loader 0 is the training split, 1 the test's."""
        logits = _count(self.net, batch, (self.final_train_tally, self.test_tally)[dataloader_idx])
        if dataloader_idx == 1:
            self.tested.append(answered(logits, batch[1]))

    def on_test_epoch_end(self) -> None:
        """Read both tallies while they are where processes can add them up: Lightning moves them to
        the CPU before `Trainer.test` returns. So with what each test image is taken for."""
        self.final = {"train": self.final_train_tally.score(), "test": self.test_tally.score()}
        kinds = (torch.int, torch.int, torch.float)
        none = (torch.zeros(0, dtype=kind, device=self.device) for kind in kinds)
        mine = map(torch.cat, zip(none, *self.tested, strict=True))  # none: fewer images than ranks
        images = self.final["test"].examples
        self.targets, self.predicted, self.confidence = (in_order(m, images).cpu() for m in mine)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """torch's optimiser and the recipe's schedule, per step."""
        described = self.recipe.optimizer
        layered = described.layer_decay != 1
        depths = depth_of_each(self.net, self.config.model) if layered else None
        optimizer = build_optimizer(self.net, described, depths, self.starts, self.beside)
        peak = self.recipe.optimizer.lr
        schedule = LambdaLR(optimizer, lambda step: learning_rate(self.recipe, step) / peak)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that a net on `device` draws from.

    torch.manual_seed seeds every kind of device; for those that are absent it formats a stack trace
    to be run later, which costs milliseconds in every step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def answered(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The classes of images, int32 (N,), what logits (N, classes) take them for, int32 (N,), and
    the softmax of that, float32 (N,)."""
    predicted = logits.argmax(1)
    confidence = logits.float().softmax(1).gather(1, predicted[:, None])[:, 0]
    return targets.int(), predicted.int(), confidence


def _count(net: nn.Module, batch: Batch, tally: Tally) -> Tensor:
    """Count a batch, and give its logits."""
    images, targets = batch
    logits: Tensor = net(images)
    tally.update(logits, targets, cross_entropy(logits, targets))
    return logits
