"""What a precision means to torch."""

import pytest
import torch

from reslab.models.precision import MIXED, autocast, set_precision


@pytest.mark.parametrize("precision", ["32-true", "tf32", "bf16-mixed", "16-mixed", "64-true"])
def test_tf32_is_on_only_where_it_is_asked_for(precision: str) -> None:
    set_precision(precision)
    assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
    assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    set_precision("32-true")


@pytest.mark.parametrize("precision", ["32-true", "tf32", "bf16-mixed", "16-mixed", "64-true"])
def test_a_mixed_precision_computes_in_16_bits(precision: str) -> None:
    x = torch.ones(2, 2)
    with autocast(precision, "cpu"):
        assert (x @ x).dtype == MIXED.get(precision, torch.float32)
