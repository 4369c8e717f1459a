"""Numbers as people write them."""

import pytest

from reslab.report.text import listed, number, si


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (12, "12"),
        (269_722, "270 k"),
        (999_900, "1.00 M"),
        (1_727_962, "1.73 M"),
        (19_421_274, "19.4 M"),
        (125_485_696, "125 M"),
        (11_514_000_000, "11.5 G"),
    ],
)
def test_counts_have_three_significant_digits(count: int, text: str) -> None:
    assert si(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (64000, "64,000"),
        (0.1, "0.1"),
        (1e-4, "0.0001"),
        (False, "false"),
        ([32000, 48000], "[32,000, 48,000]"),
        ("at most 600,000", "at most 600,000"),
    ],
)
def test_values_read_as_people_write_them(value: object, text: str) -> None:
    assert number(value) == text


def test_a_list_ends_with_and() -> None:
    assert [listed(words) for words in ([], ["a"], ["a", "b", "c"])] == ["", "a", "a, b and c"]
