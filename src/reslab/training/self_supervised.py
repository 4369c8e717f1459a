"""The LightningModule of a net that is trained without labels; see config/objectives.py.

What trains beside the net (methods/simsiam.py) stands in the checkpoint under `beside.`, and no
export has it. The net's head does not train. The errors of the final evaluation are those of
nearest neighbours among the training images' features.
"""

from typing import Any

import torch
from torch import Tensor, nn

from reslab.config.nets import DenseNet, ResNet
from reslab.config.run import RunConfig
from reslab.data.batches import Batch, TrainingBatch, dtype_of
from reslab.data.modules import data_of
from reslab.data.order import Stream, seed_of
from reslab.inference.metrics import ViewsTally
from reslab.methods.neighbors import Bank
from reslab.methods.simsiam import SimSiam, features_of, views_loss
from reslab.training.classifier import Classifier, answered
from reslab.training.group import in_order
from reslab.weights.head import head_of


class SelfSupervised(Classifier):
    """Trains `net` on two views of each image, (2 N, C, H, W), the second ones after the first."""

    def __init__(self, net: nn.Module, config: RunConfig, *how: Any) -> None:
        super().__init__(net, config, *how)
        self.views_tally = self.train_tally = ViewsTally()
        self.objective = config.recipe.objective
        self.beside = beside(config)
        for name in head_of(net):
            net.get_parameter(name).requires_grad_(False)  # it has no gradient: DDP asks for it
        self.features: list[list[Batch]] = [[], []]
        """Of the training split and of the test split: features and targets, batch by batch."""

    def loss(
        self, images: Tensor, targets: Tensor, probabilities: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of a batch of views, and their spread; its targets are not read."""
        assert self.beside is not None
        return views_loss(self.beside, self.net, images)

    def count(self, batch: TrainingBatch, loss: Tensor, spread: Tensor) -> None:
        """Count a batch of images, each of which was seen twice."""
        self.views_tally.update(len(batch[0]) // 2, loss, spread)

    def on_test_start(self) -> None:
        """Evaluate the statistics of rank 0: no validation has shared them."""
        self.share_buffers()

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the features of a batch: loader 0 is the training split, 1 the test's."""
        images, targets = batch
        self.features[dataloader_idx].append((features_of(self.net, images), targets))

    def on_test_epoch_end(self) -> None:
        """Count what the nearest neighbours get wrong, in both splits."""
        (own, targets), (tested, answers) = map(_joined, self.features)
        count = len(data_of(self.trainer).train)
        bank = Bank(in_order(own, count), in_order(targets, count), self.config.model.classes)
        k, temperature = self.objective.neighbors, self.objective.temperature
        mine = range(self.global_rank, count, self.trainer.world_size)
        self.final_train_tally.update(bank.logits(own, k, temperature, mine), targets)
        logits = bank.logits(tested, k, temperature)
        self.test_tally.update(logits, answers)
        self.tested = [answered(logits, answers)]
        super().on_test_epoch_end()


def beside(config: RunConfig) -> nn.Module:
    """What trains beside a run's net, drawn from the run's seed, in its precision."""
    assert isinstance(config.model, ResNet | DenseNet)  # others are refused (`needs_labels`)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(Stream.OBJECTIVE, config.seed))
        made = SimSiam(config.model.features, config.recipe.objective)
    return made.to(dtype_of(config.precision))


def _joined(batches: list[Batch]) -> Batch:
    """Features (N, D) and targets (N,), in full precision."""
    features, targets = zip(*batches, strict=True)
    return torch.cat(features).float(), torch.cat(targets)
