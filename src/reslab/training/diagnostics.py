"""What a run with `diagnostics: true` measures of its net, into `diagnostics.jsonl`.

It reads, and changes nothing: metrics, results and checkpoints of a run with it and of one without
are equal bit for bit (the test of this file).
"""

import math
from dataclasses import replace
from functools import partial

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn

from reslab import store
from reslab.data.batches import EvaluationBatches, Share
from reslab.data.modules import data_of
from reslab.inference.responses import layer_responses
from reslab.methods.trains import evaluating
from reslab.store.owner import Claim
from reslab.training.classifier import Classifier
from reslab.training.optimizers import is_weight
from reslab.training.record import classifier

TIMES = 20
"""Steps of a run, about, of which gradients are measured."""

IMAGES = 1000
"""Test images, at most, whose layer responses are measured."""


class Diagnostics(Callback):
    """Writes the rows of `store.diagnostics`, in the first process."""

    def __init__(self, claim: Claim) -> None:
        self.folder, self.claim = claim.folder, claim

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop what is measured again, and look at every step."""
        if trainer.is_global_zero:
            store.drop_metrics_after(self.folder, trainer.global_step, store.DIAGNOSTICS)
            classifier(trainer).before_update = partial(self.before_update, classifier(trainer))

    def before_update(self, module: Classifier, number: int) -> None:
        """The gradients of a step, of all processes together, before they change a weight."""
        step = number + 1
        if is_due(step, module.recipe.steps):
            row = {"step": step, "gradients": gradient_norms(module.net)}
            self.claim.check()
            store.append_metrics(self.folder, row, store.DIAGNOSTICS)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The layer responses of the weights that were tested."""
        if not trainer.is_global_zero:
            return
        net, step = classifier(trainer).net, trainer.global_step
        with evaluating(net), trainer.precision_plugin.val_step_context():
            responses = layer_responses(net, _test_batches(trainer), IMAGES)
        store.drop_metrics_after(self.folder, step, store.DIAGNOSTICS)
        row = {"step": step, "responses": responses}
        store.append_metrics(self.folder, row, store.DIAGNOSTICS)


def is_due(step: int, steps: int) -> bool:
    """Whether the gradients of a step, counted from 1, are measured: the first's, the last's, and
    about 20 in between."""
    return step in (1, steps) or step % math.ceil(steps / TIMES) == 0


def gradient_norms(net: nn.Module) -> dict[str, float]:
    """‖∂L/∂W‖₂ of the weight of each convolution and linear layer that trains, by the layer's
    name, in the order of `named_parameters`."""
    gradients = {
        name.removesuffix(".weight"): parameter.grad
        for name, parameter in net.named_parameters()
        if parameter.grad is not None and is_weight(net, name)
    }
    if not gradients:  # norms, biases or an adapter alone train
        return {}
    norms = torch.stack([gradient.norm() for gradient in gradients.values()])
    return dict(zip(gradients, norms.tolist(), strict=True))


def _test_batches(trainer: Trainer) -> EvaluationBatches:
    """Of the whole test split, whatever part of it is this process's."""
    return replace(data_of(trainer).val_dataloader(), share=Share())
