"""Counts are exact: examples, wrong ones, and the mean loss over unequal batches."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from reslab.inference.metrics import Tally


def count(tally: Tally, logits: torch.Tensor, targets: torch.Tensor) -> None:
    tally.update(logits, targets, cross_entropy(logits, targets))


def test_batches_of_any_size_add_up_to_the_whole() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(101, 10), torch.randint(10, (101,))
    tally = Tally()
    for part in torch.arange(101).split(16):
        count(tally, logits[part], targets[part])
    score = tally.score()
    assert score.examples == 101
    assert score.wrong == int((logits.argmax(1) != targets).sum())
    assert score.loss == pytest.approx(float(cross_entropy(logits, targets)), rel=1e-6)
    assert score.top1_error == pytest.approx(100 * score.wrong / 101)


def test_top5_counts_targets_that_are_not_among_five() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(101, 10), torch.randint(10, (101,))
    tally = Tally(top5=True)
    for part in torch.arange(101).split(16):
        count(tally, logits[part], targets[part])
    ranks = (logits > logits.gather(1, targets[:, None])).sum(1)
    score = tally.score()
    assert score.wrong5 == int((ranks >= 5).sum())
    assert score.as_dict()["top5_error"] == pytest.approx(100 * score.wrong5 / 101)


def test_what_is_not_counted_is_not_in_a_result() -> None:
    tally = Tally()
    count(tally, torch.eye(3), torch.tensor([0, 1, 0]))
    assert list(tally.score().as_dict()) == ["examples", "wrong", "loss", "top1_error"]


@pytest.mark.parametrize("top5", [False, True])
def test_sums_survive_a_checkpoint(top5: bool) -> None:
    tally, restored = Tally(top5), Tally(top5)
    count(tally, torch.eye(6), torch.tensor([0, 1, 0]).repeat(2))
    restored.restore(tally.sums())
    assert restored.score() == tally.score()


def test_reset_forgets() -> None:
    tally = Tally()
    count(tally, torch.eye(3), torch.tensor([0, 1, 0]))
    tally.reset()
    count(tally, torch.eye(3), torch.tensor([0, 1, 2]))
    assert (tally.score().examples, tally.score().wrong) == (3, 0)


def test_what_is_counted_in_training_keeps_no_graph() -> None:
    tally, logits = Tally(), torch.eye(3, requires_grad=True)
    count(tally, logits, torch.tensor([0, 1, 0]))
    assert not any(total.requires_grad for total in tally.compute())
