"""Adapters as values: each says what it needs, and nothing that another reads."""

from typing import Any

import pytest
from pydantic import ValidationError

from reslab.config.adapters import Adapter, does_not_adapt, is_spatial, largest_rank
from reslab.config.convolutions import Convolution

ONE_BY_ONE, DEPTHWISE = Convolution(64, 16, 1), Convolution(64, 64, 3, groups=64)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "lora"}, "name: lora needs rank, for example rank: 4"),
        ({"name": "prompt"}, "name: prompt needs width, for example width: 4"),
        ({"name": "mask"}, "name: mask needs keep, for example keep: 0.2"),
        ({"name": "lora", "rank": 0}, "greater than 0"),
        ({"name": "lora", "rank": 4, "alpha": 4.0}, "alpha: 4 is the rank, as without it"),
        ({"name": "mask", "keep": 1.0}, "less than 1"),
        ({"name": "mask", "keep": 0.0}, "greater than 0"),
        ({"name": "parallel", "rank": 4}, "rank: 4 is not read with name: 'parallel', but with"),
        ({"name": "series", "kernels": "spatial"}, "kernels: 'spatial' is not read with name"),
        ({"name": "mask", "keep": 0.5, "init": "randn"}, "init: 'randn' is not read with name"),
        ({"name": "lorra"}, "'lora', 'parallel', 'series', 'prompt' or 'mask'"),
    ],
    ids=str,
)
def test_an_adapter_reads_what_it_is_given(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Adapter(**fields)


@pytest.mark.parametrize(
    ("convolution", "rank"),
    [
        (ONE_BY_ONE, 16),
        (DEPTHWISE, 9),  # a row of 3 × 3 weights for each output
        (Convolution(64, 64, 3, groups=32), 18),
        (Convolution(3, 16, 3), 16),
        (Convolution(1, 16, 3), 9),
    ],
    ids=str,
)
def test_a_weight_is_a_matrix_with_a_row_for_each_output_channel(
    convolution: Convolution, rank: int
) -> None:
    assert largest_rank(convolution) == rank


def test_a_rank_is_at_most_that_of_every_weight_that_is_adapted() -> None:
    lora = Adapter(name="lora", rank=10)
    assert does_not_adapt(lora, (ONE_BY_ONE,), 32) is None
    assert does_not_adapt(lora, (), 32) is None
    assert does_not_adapt(lora, (ONE_BY_ONE, DEPTHWISE), 32) == (
        "rank: 10 is more than a convolution of the net has, whose weight is a matrix of rank 9; "
        "expected at most 9, or kernels: spatial, which leaves 1×1 alone"
    )
    spatial = Adapter(name="lora", rank=17, kernels="spatial")
    assert does_not_adapt(spatial, (ONE_BY_ONE,), 32) is None


def test_a_border_leaves_something_of_the_image() -> None:
    assert does_not_adapt(Adapter(name="prompt", width=15), (), 32) is None
    assert does_not_adapt(Adapter(name="prompt", width=16), (), 32) == (
        "width: a border of 16 leaves nothing of an image of 32 × 32 pixels; expected at most 15"
    )


def test_kernels_are_spatial_that_have_a_centre_and_more() -> None:
    assert [is_spatial(*k) for k in [(1, 1), (3, 3), (1, 7), (2, 2), (4, 4)]] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_all_but_the_mask_have_something_that_trains() -> None:
    assert Adapter(name="series").has_parameters
    assert not Adapter(name="mask", keep=0.5).has_parameters
