"""How many filters stay: rounded as in the published nets, whole where a layer is skipped."""

from typing import Any

import pytest

from reslab.config.pruning import kept_by_stage, kept_widths, parts_from, without_part
from reslab.config.zoo import cifar, describe
from reslab.errors import UserError


def test_parts_are_rounded_down_as_in_the_published_nets() -> None:
    """16, 32 and 64 filters without 10 %: Liu 2019's code has int(n (1 - p))."""
    assert kept_widths(cifar(8), (0.9, 0.9, 0.9)) == ((14,), (28,), (57,))
    assert kept_widths(cifar(8, 100), (0.29, 0.57, 1)) == ((29,), (114,), (400,))


def test_layers_are_numbered_from_the_stem_on() -> None:
    """Li 2017: ResNet-56's layers 20 and 38 are the first of the units where the shape changes."""
    first, second, third = kept_widths(cifar(56), (0.5, 0.5, 0.5), whole=(16, 20, 38, 54))
    assert [place for place, width in enumerate(first) if width == 16] == [7]
    assert [place for place, width in enumerate(second) if width == 32] == [0]
    assert [place for place, width in enumerate(third) if width == 64] == [0, 8]


def test_of_a_bottleneck_the_reduction_is_pruned() -> None:
    assert kept_by_stage(describe("resnet164"), 0.5)[0][:2] == (8, 8)


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        (0, "got 0; expected the part of the filters that stay, such as 0.7, or a list of one for"),
        (1.5, "got 1.5; expected the part"),
        (True, "got true; expected the part"),
        ("half", "got 'half'; expected the part"),
        ([0.5, 0.5], r"got \[0.5, 0.5\]; expected .* for each of the 3 stages"),
        (1, "1 leaves every filter where it is; write loads: all"),
        (0.01, "0.01 leaves a unit without filters"),
    ],
)
def test_what_is_no_part_is_refused(keep: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        kept_by_stage(describe("resnet20"), keep)


def test_one_stage_is_narrowed_from_what_it_has() -> None:
    half = without_part(cifar(8), 1, 0.5)
    assert half.inner_widths == ((16,), (16,), (64,))
    assert without_part(half, 1, 0.5).inner_widths == ((16,), (8,), (64,))
    assert without_part(cifar(8), 0, 0.99).inner_widths[0] == (1,)


def test_parts_on_a_command_line() -> None:
    assert parts_from("0.1,0.5") == (0.1, 0.5)
    for wrong in ("", "x", "0.1,1", "0", "nan"):
        with pytest.raises(UserError, match=r"expected parts between 0 and 1, such as 0\.1,0\.3"):
            parts_from(wrong)
