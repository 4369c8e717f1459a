"""Weights chosen by the held-out images, where a run asks for it (`data.selected_on`).

They are evaluated once per epoch, after the step that reads its last image, and after the last
step; the weights of the first lowest error are kept, the norms' running statistics among them, and
travel in the checkpoint beside those that the training goes on with (Huang 2016, arXiv 1603.09382,
Sec. 4).
"""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from reslab.data.modules import ImageData, data_of
from reslab.inference.metrics import Score
from reslab.methods.trains import evaluating
from reslab.training.classifier import Classifier
from reslab.training.optimizers import ends_epoch
from reslab.training.record import Record, classifier


class Selection(Callback):
    """Keeps one copy of the weights; every process the same. Its rows are `holdout_…`."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.step = 0
        self.wrong: int | None = None
        self.weights: dict[str, Tensor] = {}

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Evaluate at the end of an epoch; `Diverged` if the loss is not finite."""
        module, data = classifier(trainer), data_of(trainer)
        step = trainer.global_step
        if not ends_epoch(module.recipe, step, len(data.train)):
            return
        score = _evaluated(trainer, module, data)
        self.record.write_evaluation(trainer, "holdout", score)
        if self.wrong is None or score.wrong < self.wrong:
            self.step, self.wrong = step, score.wrong
            self._keep(module.net)

    def _keep(self, net: nn.Module) -> None:
        """In the memory of the copy before, on the CPU."""
        for name, value in net.state_dict().items():
            if name in self.weights:
                self.weights[name].copy_(value)
            else:
                self.weights[name] = value.detach().to("cpu", copy=True)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep them through kills; `weights.files.read_weights` reads them."""
        if self.wrong is not None:
            chosen = {"step": self.step, "wrong": self.wrong, "weights": self.weights}
            checkpoint["selected"] = chosen

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on from them; before the first epoch's end there are none."""
        if "selected" in checkpoint:
            chosen = checkpoint["selected"]
            self.step, self.wrong = chosen["step"], chosen["wrong"]
            self.weights = dict(chosen["weights"])


def use_selected(trainer: Trainer, net: nn.Module) -> dict[str, int]:
    """Give a net that has trained to its end the weights that were chosen, where a run chooses.

    Returns what `result.json` says of it.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    for selection in (c for c in callbacks if isinstance(c, Selection)):
        net.load_state_dict(selection.weights)
        return {"selected_step": selection.step}
    return {}


@torch.no_grad()
def _evaluated(trainer: Trainer, module: Classifier, data: ImageData) -> Score:
    """Over all processes, with the running statistics of rank 0, as every other evaluation."""
    assert data.held is not None
    module.share_buffers()
    with evaluating(module.net), trainer.precision_plugin.val_step_context():
        for batch in data.evaluation(data.held):
            module.count_held_out(batch)
    score = module.held_out_tally.score()
    module.held_out_tally.reset()
    return score
