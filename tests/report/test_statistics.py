"""Statistics over seeds, and like with like beside a published number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab.papers.published import Published, cell
from reslab.report.statistics import Summary, compare, summarize

RESNET_110 = cell("he2015/table6", "ResNet 110")


def summarized(errors: list[float], diverged: int = 0) -> Summary:
    """Of the seeds 0, 1, …"""
    return summarize(dict(enumerate(errors)), diverged)


def printed(**fields: object) -> Published:
    """A published number like ResNet 110's, with other fields."""
    plain = {"best": None, "mean": None, "median": None, "std": None, "bound": None, "fail": False}
    return Published(**{**vars(RESNET_110), **plain, **fields})


def test_the_standard_deviation_is_the_samples() -> None:
    summary = summarized([1.0, 2.0, 6.0])
    assert (summary.mean, summary.best, summary.median) == (3.0, 1.0, 2.0)
    assert summary.std == pytest.approx(7**0.5)  # (4 + 1 + 9) / (3 - 1)


def test_one_run_has_no_standard_deviation() -> None:
    summary = summarized([5.0])
    assert (summary.mean, summary.std) == (5.0, None)


def test_no_run_has_no_statistics() -> None:
    summary = summarized([])
    assert (summary.mean, summary.std, summary.best, summary.median) == (None,) * 4


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(1, 5))
def test_survivors_of_divergence_have_no_mean(errors: list[float], diverged: int) -> None:
    summary = summarized(errors, diverged)
    assert summary.mean is None and summary.std is None
    assert summary.best == min(errors)


def test_a_diverged_run_counts_as_the_worst_in_the_median() -> None:
    assert summarized([5.0, 6.0, 7.0], diverged=2).median == 7.0
    assert summarized([5.0, 6.0], diverged=3).median is None
    assert summarized([5.0, 6.0], diverged=2).median is None


def test_a_mean_is_preferred_where_best_and_mean_are_printed() -> None:
    comparison = compare(summarized([6.5, 6.9]), RESNET_110)
    assert comparison is not None
    assert (comparison.statistic, comparison.published) == ("mean", 6.61)
    assert comparison.difference == pytest.approx(0.09)


@pytest.mark.parametrize("kind", ["best", "median", "mean"])
def test_like_stands_beside_like(kind: str) -> None:
    ours = summarized([6.0, 7.0, 9.5])
    comparison = compare(ours, printed(kind=kind, value=6.4, **{kind: 6.4}))
    assert comparison is not None
    assert (comparison.statistic, comparison.ours) == (kind, getattr(ours, kind))


@pytest.mark.parametrize("kind", ["single", "unstated"])
def test_a_single_run_or_an_unstated_statistic_stands_beside_our_mean(kind: str) -> None:
    comparison = compare(summarized([6.0, 8.0]), printed(kind=kind, value=6.5))
    assert comparison is not None
    assert (comparison.statistic, comparison.difference) == ("mean", 0.5)


def test_a_bound_and_a_failure_are_not_subtracted() -> None:
    ours = summarized([70.0])
    assert compare(ours, cell("he2015/figure6", "plain-110")) is None
    assert compare(ours, printed(kind="unstated", fail=True, value=None)) is None
