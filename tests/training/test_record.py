"""Rows of metrics; a loss that is not finite ends a run."""

import math

import pytest
from tests.small_runs import MakeRun

from reslab import store
from reslab.training.start import start

pytestmark = pytest.mark.process


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(make_run: MakeRun) -> None:
    config = make_run("a", {"recipe.optimizer.lr": 1e30})
    assert start(config) == 0
    assert store.state(config.parent) == "diverged"
    result = store.read_result(config.parent)
    assert result is not None
    assert result["step"] < 40
    assert result["lr"] == 1e30
    assert not math.isfinite(float(result["loss"]))
    assert "test" not in result


def test_a_loss_that_is_not_finite_after_the_last_step_is_no_result_either(
    make_run: MakeRun,
) -> None:
    """Each step's loss is of the weights before it; the last ones are seen by the tests alone."""
    once = {"recipe.steps": 1, "recipe.schedule": {"name": "constant", "milestones": []}}
    config = make_run("a", {**once, "recipe.optimizer.lr": 1e30})
    assert start(config) == 0
    result = store.read_result(config.parent)
    assert result is not None
    assert (result["status"], result["step"], result["lr"]) == ("diverged", 1, 1e30)
