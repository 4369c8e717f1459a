"""Cards: what their data sheets say, found by a word and by the name that a driver gives them."""

from typing import get_args

import pytest

from reslab.config.run import Precision
from reslab.errors import UserError
from reslab.experiments.cards import (
    CARDS,
    PEAK,
    REACHED,
    card_called,
    card_named,
    rate,
    same_card,
)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("Tesla T4", "t4"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA GeForce RTX 3090 Ti", "rtx3090"),
    ],
)
def test_a_card_is_found_by_its_drivers_name(name: str, word: str) -> None:
    """As nvidia-smi and torch print them."""
    assert card_called(name) == CARDS[word]


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA A1000",
        "NVIDIA T400",
        "",
    ],
)
def test_a_part_of_a_card_and_one_of_a_like_name_are_in_no_row(name: str) -> None:
    assert card_called(name) is None


def test_every_card_is_found_by_its_word_in_any_case() -> None:
    assert [card_named(word.upper()) for word in CARDS] == [*CARDS.values()]


def test_a_card_that_is_not_in_the_table_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"CARD='h10': expected a10, a100, h100, .*, v100$"):
        card_named("h10")


def test_names_are_of_one_card_where_they_are_equal_or_of_one_row() -> None:
    assert same_card("NVIDIA H100 80GB HBM3", "H100")
    assert same_card("NVIDIA GeForce GTX 1080", "NVIDIA GeForce GTX 1080")
    assert not same_card("NVIDIA GeForce GTX 1080", "NVIDIA GeForce GTX 1060")
    assert not same_card("NVIDIA H100 PCIe", "H100")


def test_a_rate_is_a_part_of_its_precisions_peak_in_multiply_adds() -> None:
    """An H100's data sheet: 67 TFLOP/s in float32, 494.5 dense in TF32; a V100 has no TF32."""
    assert rate(CARDS["h100"], "32-true") == 0.4 * 67e12 / 2
    assert rate(CARDS["h100"], "tf32") == pytest.approx(0.1 * 494.5e12 / 2)
    assert CARDS["v100"].tf32 == CARDS["v100"].fp32


def test_every_precision_has_a_peak_and_every_row_a_source() -> None:
    assert set(PEAK) == set(get_args(Precision))
    assert set(REACHED) == set(PEAK.values())
    for card in CARDS.values():
        assert card.source and card.memory
        assert 0 < card.fp64 <= card.fp32 <= card.tf32 <= 8 * card.fp32
        assert card.fp32 <= card.bf16 <= card.fp16
