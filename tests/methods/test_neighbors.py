"""Neighbours vote for their class by the angle to them; none is its own."""

import math

import pytest
import torch

from reslab.methods import neighbors
from reslab.methods.neighbors import Bank

POINTS = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
CLASSES = torch.tensor([0, 1, 1, 2])


def test_votes_are_the_exponentials_of_cosines_over_the_temperature() -> None:
    logits = Bank(POINTS, CLASSES, 3).logits(torch.tensor([[0.0, 5.0]]), k=2, temperature=0.5)
    # Nearest to (0, 1) are itself, cos 1, and (2, 0.1), cos 0.1 / sqrt(4.01); both of class 1.
    votes = math.exp(2) + math.exp(2 * 0.1 / math.sqrt(4.01))
    assert logits.exp().tolist()[0] == pytest.approx([1, 1 + votes, 1])


def test_a_training_image_is_not_its_own_neighbor(monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, too: each row's place is its own."""
    bank = Bank(POINTS, CLASSES, 3)
    whole = bank.logits(POINTS, 1, 0.1, range(4))
    assert whole.argmax(1).tolist() == [1, 0, 1, 1]
    monkeypatch.setattr(neighbors, "AT_ONCE", 3)
    assert torch.equal(bank.logits(POINTS, 1, 0.1, range(4)), whole)
    assert torch.equal(bank.logits(POINTS[1::2], 1, 0.1, range(1, 4, 2)), whole[1::2])


def test_more_neighbors_than_there_are_are_all() -> None:
    bank = Bank(POINTS, CLASSES, 3)
    few, many = (bank.logits(POINTS, k, 0.1) for k in (4, 500))
    assert torch.equal(few, many)
    assert bank.logits(POINTS, 500, 0.1, range(4)).shape == (4, 3)
