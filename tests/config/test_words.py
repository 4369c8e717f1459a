"""The tables of orders and of shortcuts."""

import pytest

from reslab.config.words import ORDERS, PROJECTIONS, SHORTCUTS


@pytest.mark.parametrize(
    ("order", "closing"),
    [
        ("original", ""),  # a unit ends with its activation already
        ("full_preactivation", "n a"),  # He 2016, appendix: BN and ReLU after the last unit
        ("no_first_activation", "n a"),  # Han 2017, Fig. 6: and a ReLU even where no unit has one
    ],
)
def test_a_net_is_closed_by_what_would_open_one_more_unit(order: str, closing: str) -> None:
    assert ORDERS[order].closing == closing


def test_a_shortcut_pads_or_projects_where_the_shape_changes() -> None:
    """Of x nothing but these two can come to another shape; "none" has no shortcut there."""
    assert {name for name, row in SHORTCUTS.items() if row.changes in PROJECTIONS} == set("BCD")
    pads = {name for name, row in SHORTCUTS.items() if row.pads}
    assert pads == {"A", "A_pooled", "scaled", "gated", "scalar_gated", "dropout"}
