"""Hostile tensors, and values with some of them as a file of torch."""

import io
from typing import Any

import torch

TENSORS = (
    torch.zeros(0),
    torch.zeros(3, 3),
    torch.full((16,), float("nan")),
    torch.tensor(float("inf")),
    torch.zeros(16, dtype=torch.int64),
    torch.zeros(16, dtype=torch.complex64),
    torch.zeros(16, dtype=torch.bfloat16),
    torch.zeros(1).expand(10**12),  # four bytes that claim to be four terabytes
    torch.sparse_coo_tensor(
        torch.tensor([[0]]), torch.tensor([1.0]), (10**12,), check_invariants=True
    ),
)


def saved(value: Any) -> bytes:
    """As `torch.save` writes it."""
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()
