"""A unit is drawn as papers draw it."""

import pytest

from reslab.errors import UserError
from reslab.report.drawing import as_drawing


def test_a_unit_is_drawn_as_he_2016_fig_4_draws_it() -> None:
    assert as_drawing("resnet20").splitlines() == [
        "x",
        "├────────────┐",
        "conv 3×3     │",
        "batch norm   │",
        "relu         │",
        "conv 3×3     │",
        "batch norm   │",
        "addition ◀───┘  shortcut A",
        "relu",
        "y",
    ]
    assert as_drawing("preact_resnet20").splitlines()[2:4] == [
        "batch norm   │",
        "relu         │",
    ]
    assert "◀" not in as_drawing("plain20")


def test_what_is_left_of_a_norm_is_drawn_as_what_it_is() -> None:
    drawn = as_drawing("skipinit_wrn_16_4")
    assert "bias per channel" in drawn and "norm" not in drawn


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18"])
def test_other_libraries_nets_are_not_drawn(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is not built of units"):
        as_drawing(name)
