"""The LightningModule: loss, metrics and optimiser around a plain net."""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from lightning import LightningModule
from torch import Tensor, nn, optim
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from reslab.config.data import facts_of
from reslab.config.run import RunConfig
from reslab.config.trains import ALL
from reslab.data.batches import Batch, TrainingBatch
from reslab.data.modules import data_of
from reslab.execution import Form
from reslab.inference.metrics import Sums, Tally
from reslab.methods.stages import depth_of_each
from reslab.methods.trains import rest
from reslab.training.chunks import Chunk, count_steps, restore_counts
from reslab.training.decay import starts_of
from reslab.training.draws import NetDraws
from reslab.training.form import FORMS
from reslab.training.group import in_order
from reslab.training.lesson import Lesson
from reslab.training.optimizers import build_optimizer, set_rates
from reslab.training.step import TrainingStep, batches_of, do_nothing


class Classifier(LightningModule):
    """Trains `net`, images (N, C, H, W) → logits (N, classes), as a run's recipe says."""

    beside: nn.Module | None
    """What trains with the net, is no part of it, and is kept in checkpoints."""
    lesson: Lesson | None
    """What it learns from another net, which is no part of this module."""
    step: TrainingStep | None = None
    """While it trains."""
    before_update: Callable[[int], None]
    """Sees the gradients of each step."""
    peaks: list[float]
    """The rate of each of the optimiser's groups where the recipe's is at its highest."""

    def __init__(
        self,
        net: nn.Module,
        config: RunConfig,
        form: Form = "eager",
        lesson: Lesson | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.lesson, self.beside = lesson, lesson.regressor if lesson else None
        self.before_update = do_nothing
        self.starts = starts_of(net, config)
        self.config = config
        self.recipe = config.scaled_recipe
        self.form = form
        self.train_tally: Sums = Tally()
        facts = facts_of(config.data)
        top5 = facts.photographs and facts.classes > 5
        self.final_train_tally = Tally(top5)
        self.test_tally = Tally(top5)
        self.held_out_tally = Tally()
        self.tested: list[tuple[Tensor, Tensor, Tensor]] = []
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation; norms that do not train are in evaluation mode in both."""
        super().train(mode)
        if self.config.trains != ALL:
            rest(self.net)
        return self

    def on_train_start(self) -> None:
        """Make this start's step, where the net and the images are now."""
        trainer, batches = self.trainer, data_of(self.trainer).train_batches()
        group, precision = trainer.strategy.model, trainer.precision_plugin
        nets = [self.net, *filter(None, [self.beside])]
        if self.lesson is not None:
            nets.append(self.lesson.teacher.net)
        self.draws = NetDraws(nets, self.config.seed, self.global_rank, self.device)
        self.step = TrainingStep(
            batches_of(batches),
            FORMS[self.form](self.loss, self.net),
            self.count,
            trainer.optimizers[0],
            partial(set_rates, trainer.optimizers[0], self.peaks, self.recipe),
            self.draw,
            batches.share.micro_batches,
            precision.forward_context,
            getattr(precision, "scaler", None),
            group if isinstance(group, DistributedDataParallel) else None,
            self.before_update,
        )

    def training_step(self, chunk: Chunk, batch_idx: int) -> None:
        """The steps of a chunk."""
        assert self.step is not None
        for number in range(*chunk):
            self.step(number)
        count_steps(self.trainer, chunk.end - chunk.first)

    def draw(self, number: int, micro_batch: int) -> None:
        """Decide what the net draws in a step, and tell the lesson how far it is."""
        self.draws(number, micro_batch)
        if self.lesson is not None:
            self.lesson.progress = number / self.recipe.steps

    def loss(
        self, images: Tensor, targets: Tensor, probabilities: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy of a batch with its smoothed or mixed targets, and what is learned
        from a teacher; and its logits (N, classes)."""
        expected = targets if probabilities is None else probabilities
        smoothing = self.recipe.label_smoothing
        if self.lesson is None:
            logits: Tensor = self.net(images)
            return cross_entropy(logits, expected, label_smoothing=smoothing), logits
        student = self.lesson.seen(self.net, images)
        own = cross_entropy(student.logits, expected, label_smoothing=smoothing)
        return self.lesson.taught(own, student, images, targets), student.logits

    def count(self, batch: TrainingBatch, loss: Tensor, logits: Tensor) -> None:
        """Count a batch that was trained on.

        An example of a mixed batch counts as wrong against the target of the image that it is λ of,
        even where λ is below a half: the training error of a mixed batch is no error of the net.
        """
        self.train_tally.update(logits, batch[1], loss)

    def on_fit_start(self) -> None:
        """Bring the teacher, which is no part of this module, to where the images are."""
        if self.lesson is not None:
            self.lesson.begin(data_of(self.trainer).normalization, next(self.net.parameters()))

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
        """Go on at the checkpoint's step, whatever has written it."""
        self.starts = checkpoint.get("starts", {})
        restore_counts(checkpoint)

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

    def configure_optimizers(self) -> optim.Optimizer:
        """torch's optimiser; a step sets its rates."""
        described = self.recipe.optimizer
        layered = described.layer_decay != 1
        depths = depth_of_each(self.net, self.config.model) if layered else None
        optimizer = build_optimizer(self.net, described, depths, self.starts, self.beside)
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        return optimizer


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
    tally.update(logits, targets)
    return logits
