"""The loss that a recipe asks for, and what is counted."""

from typing import Any

import pytest
import torch
from tests.small_runs import SMALL, MakeRun, same, stopped_at, weights
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from reslab import store
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.training.classifier import Classifier
from reslab.training.start import start


def classifier(net: nn.Module, **override: Any) -> Classifier:
    return Classifier(net, resolve(merge(merge(SMALL, {}), override), "here"))


def given_logits() -> tuple[Tensor, Tensor]:
    logits = torch.randn(16, 10, generator=torch.manual_seed(0))
    return logits, logits.argmax(1).roll(1)


def test_the_loss_is_torchs_cross_entropy() -> None:
    logits, targets = given_logits()
    loss, _ = classifier(nn.Identity()).loss(logits, targets)
    assert torch.equal(loss, cross_entropy(logits, targets))


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_torchs_and_of_the_training_loss_alone(smoothing: float) -> None:
    logits, targets = given_logits()
    module = classifier(nn.Identity(), **{"recipe.label_smoothing": smoothing})
    loss, _ = module.loss(logits, targets)
    assert torch.equal(loss, cross_entropy(logits, targets, label_smoothing=smoothing))
    module.validation_step((logits, targets), 0)
    plain = float(cross_entropy(logits, targets))
    assert module.test_tally.score().loss == pytest.approx(plain)


def test_a_mixed_batchs_loss_is_of_its_probabilities_and_its_errors_of_its_targets() -> None:
    """Zhang 2018: the loss of λ y + (1 - λ) y' is λ times that of y and 1 - λ times that of y'."""
    logits, targets = given_logits()
    others = logits.argmax(1)
    own, other = (one_hot(t, 10).float() for t in (targets, others))
    module = classifier(nn.Identity())
    batch = logits, targets, 0.3 * own + 0.7 * other
    loss, seen = module.loss(*batch)
    module.count(batch, loss, seen)
    expected = 0.3 * cross_entropy(logits, targets) + 0.7 * cross_entropy(logits, others)
    torch.testing.assert_close(loss, expected)
    assert module.train_tally.score().wrong == (others != targets).sum()


def test_top5_errors_are_counted_of_photographs_in_more_than_five_classes() -> None:
    module = classifier(nn.Identity())
    assert {"wrong5"} & {*module.test_tally.names, *module.train_tally.names} == set()
    tree = {"model": "resnet18", "data": "imagenette_mini", "recipe": "imagenette"}
    module = Classifier(nn.Identity(), resolve(tree, "here"))
    logits, targets = given_logits()
    module.validation_step((logits, targets), 0)
    module.test_step((logits, targets), 0, 0)
    for tally in (module.test_tally, module.final_train_tally):
        assert tally.score().wrong5 is not None
    assert "wrong5" not in module.train_tally.names


WITH_EVERYTHING = {
    "model.survival": 0.7,
    "recipe.steps": 8,
    "recipe.label_smoothing": 0.1,
    "recipe.normalization": "pixel_mean_global_std",
    "recipe.optimizer": {"name": "lamb", "momentum": 0.0, "scale_and_bias_lr_factor": 0.5},
    "recipe.schedule": {"name": "cosine", "milestones": [], "warmup": "linear", "warmup_steps": 3},
    "recipe.augmentation": {
        "fill": "reflect", "flip": True, "cutout": 2, "randaugment": 1, "mixup": 0.2, "cutmix": 1.0,
        "color_jitter": {"brightness": 0.4}, "rotation": 15, "shear": 5, "zoom": 0.2,
        "erasing": 0.5,
    },
}  # fmt: skip


@pytest.mark.process
def test_a_run_with_everything_resumes_bit_for_bit(make_run: MakeRun) -> None:
    whole, cut = make_run("whole", WITH_EVERYTHING), make_run("cut", WITH_EVERYTHING)
    assert start(whole) == 0
    with stopped_at(5):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "64-true"])
def test_mixed_targets_train_in_every_precision(make_run: MakeRun, precision: str) -> None:
    run = make_run("a", {**WITH_EVERYTHING, "precision": precision, "recipe.steps": 4})
    assert start(run) == 0
    assert store.state(run.parent) == "done"


def test_a_process_without_a_test_image_has_its_part_in_the_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of two test images the third of three processes: class, answer and confidence of none."""
    gathered: list[tuple[list[int], int]] = []

    def in_order(mine: Tensor, count: int) -> Tensor:
        gathered.append((mine.tolist(), count))
        return mine

    monkeypatch.setattr("reslab.training.classifier.in_order", in_order)
    module = classifier(nn.Identity())
    for tally in (module.test_tally, module.final_train_tally):
        tally.update(*given_logits(), torch.tensor(0.0))
    module.on_test_epoch_end()
    assert gathered == [([], 16)] * 3
