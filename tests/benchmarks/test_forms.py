"""Xie 2017 (arXiv 1611.05431), Fig. 3: three forms of one block compute the same."""

import pytest
import torch
from benchmarks.forms import form_a, form_b, form_c
from torch import nn


@pytest.mark.parametrize(("paths", "width", "channels"), [(4, 3, 32), (32, 4, 256)])
def test_the_three_forms_of_a_block_are_equal(paths: int, width: int, channels: int) -> None:
    torch.manual_seed(0)
    block = form_c(paths, width, channels).double().eval()
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
    assert block.conv2.groups == paths
    assert block.conv2.weight.shape == (paths * width, width, 3, 3)
    x = torch.randn(2, channels, 7, 7, dtype=torch.float64)
    expected = block(x)
    for form in (form_a, form_b):
        torch.testing.assert_close(form(block, x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.process
def test_a_grouped_convolution_is_faster_than_paths_one_by_one() -> None:
    """By a multiple: form (a) calls 32 times as many functions for as many multiply-adds."""
    from benchmarks.photographs import forms_per_second

    rates = forms_per_second(seconds=0.5)
    assert rates["(c)"] > rates["(a)"]
    assert rates["(c)"] > rates["(b)"]
