"""The LightningModule: loss, metrics and optimiser around a plain net."""

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from reslab.config import RunConfig
from reslab.data.order import step_seed
from reslab.training.metrics import Tally
from reslab.training.schedule import build_optimizer, learning_rate

Batch = tuple[Tensor, Tensor]


class Classifier(LightningModule):
    """Trains `net`, images (N, C, H, W) → logits (N, classes), as a run's recipe says."""

    def __init__(self, net: nn.Module, config: RunConfig) -> None:
        super().__init__()
        self.net = net
        self.config = config
        self.recipe = config.scaled_recipe
        self.train_tally = Tally()
        self.final_train_tally = Tally()
        self.test_tally = Tally()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Reseed torch: what a net draws (dropout) is a function of (seed, step, rank)."""
        torch.manual_seed(step_seed(self.config.seed, self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of a batch."""
        return self._count(batch, self.train_tally)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of the test split."""
        self._count(batch, self.test_tally)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count a batch of the final evaluation: loader 0 is the training split, 1 the test's."""
        self._count(batch, (self.final_train_tally, self.test_tally)[dataloader_idx])

    def _count(self, batch: Batch, tally: Tally) -> Tensor:
        images, targets = batch
        logits = self.net(images)
        loss = cross_entropy(logits, targets)
        tally.update(logits, targets, loss)
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """torch's optimiser and the recipe's schedule, per step."""
        optimizer = build_optimizer(self.net, self.recipe.optimizer)
        peak = self.recipe.optimizer.lr
        schedule = LambdaLR(optimizer, lambda step: learning_rate(self.recipe, step) / peak)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
