"""Nets that shipped experiments describe without a name have golden costs, as named ones have."""

import pytest

from reslab.config.complexities import count, unnamed
from reslab.experiments.unnamed import nets


@pytest.mark.process
def test_nets_without_a_name_have_a_row_exactly_where_an_experiment_has_them() -> None:
    assert list(unnamed()) == nets()


@pytest.mark.slow
def test_golden_costs_of_nets_without_a_name_are_what_torch_counts() -> None:
    assert list(unnamed().values()) == count(list(unnamed()))
