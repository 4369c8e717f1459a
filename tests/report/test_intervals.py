"""Intervals, p values, Holm and the number of runs that decides, beside scipy's and statsmodels'.

Numbers of statsmodels 0.15.0 stand here with the call that made them; it is no dependency.
"""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reslab.report.intervals import MOST, Interval, Spread, holm, mean_interval, needed, variance

OURS, THEIRS = [6.6, 6.9, 7.1, 6.8], [6.61, 6.4, 6.5]
"""Made up; errors of four runs and of three."""


def welch(ours: list[float], theirs: list[float]) -> Spread:
    freedom = len(theirs) - 1
    return Spread(
        statistics.variance(ours), statistics.variance(theirs) / len(theirs), freedom=freedom
    )


@pytest.mark.parametrize(("n", "factor"), [(2, 8.98), (3, 2.48), (4, 1.59), (5, 1.24), (10, 0.72)])
def test_half_of_a_means_interval_is_t_of_n_minus_1_times_s_over_root_n(
    n: int, factor: float
) -> None:
    """t(.975; 1, 2, 3, 4, 9) = 12.706, 4.303, 3.182, 2.776, 2.262 in every table."""
    interval = Spread(1.0).interval(0.0, n)
    assert (round(-interval.low, 2), round(interval.high, 2)) == (factor, factor)


def test_the_interval_of_a_mean_is_scipys() -> None:
    interval = mean_interval(OURS)
    low, high = stats.t.interval(0.95, 3, loc=statistics.fmean(OURS), scale=stats.sem(OURS))
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("errors", [[], [5.0], [5.0, 5.0], [100 * 7 / 360] * 3, [0.1 + 0.2, 0.3]])
def test_one_error_or_equal_ones_have_no_spread_and_no_interval(errors: list[float]) -> None:
    assert variance(errors) is None
    assert mean_interval(errors) is None


def test_welchs_interval_and_p_are_scipys() -> None:
    spread = welch(OURS, THEIRS)
    difference = statistics.fmean(OURS) - statistics.fmean(THEIRS)
    found = stats.ttest_ind(OURS, THEIRS, equal_var=False)
    assert spread.degrees(4) == pytest.approx(found.df)
    assert spread.p(difference, 4) == pytest.approx(found.pvalue)
    interval, expected = spread.interval(difference, 4), found.confidence_interval(0.95)
    assert (interval.low, interval.high) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
    )


def test_a_paired_p_is_scipys() -> None:
    baseline = [7.1, 7.4, 7.2, 7.3]
    pairs = [ours - base for ours, base in zip(OURS, baseline, strict=True)]
    p = Spread(statistics.variance(pairs)).p(statistics.fmean(pairs), 4)
    assert p == pytest.approx(stats.ttest_rel(OURS, baseline).pvalue)


def test_holms_p_values_are_statsmodels() -> None:
    """statsmodels.stats.multitest.multipletests([.01, .04, .03, .005], method="holm")[1]"""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_p_value_is_not_corrected_and_none_are_none() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lies_between_the_p_value_and_bonferronis(ps: list[float]) -> None:
    corrected = holm(ps)
    assert sorted(range(len(ps)), key=ps.__getitem__) == sorted(
        range(len(ps)), key=lambda i: (corrected[i], ps[i], i)
    )
    for p, after in zip(ps, corrected, strict=True):
        assert p <= after <= min(1.0, len(ps) * p)


@pytest.mark.parametrize(
    ("effect", "runs"), [(3.0, 3.14), (1.4, 6.18), (1.0, 9.94), (0.6, 23.79), (0.3, 89.15)]
)
def test_needed_runs_are_statsmodels_rounded_up(effect: float, runs: float) -> None:
    """statsmodels.stats.power.TTestPower().solve_power(effect_size=…, power=.8, alpha=.05)"""
    assert needed(effect, Spread(1.0), n=1) == int(runs) + 1


def test_needed_runs_at_the_level_that_holm_asks() -> None:
    """TTestPower().solve_power(effect_size=1.0, power=.8, alpha=.025) = 12.15"""
    assert needed(1.0, Spread(1.0), n=2, alpha=0.025) == 13


def test_where_a_hundred_runs_do_not_decide_there_is_no_number() -> None:
    """TTestPower().power(.25, 100, .05) is 0.70."""
    assert MOST == 100
    assert needed(0.25, Spread(1.0), n=2) is None
    assert needed(0.0, Spread(1.0), n=2) is None


def test_more_than_the_runs_that_there_are_are_needed() -> None:
    assert needed(3.0, Spread(1.0), n=8) == 9
    assert needed(3.0, Spread(1.0), n=100) is None


def test_a_spread_of_theirs_does_not_shrink_with_our_runs() -> None:
    assert needed(1.0, Spread(1.0, 0.01, freedom=4), n=2) is not None
    assert needed(1.0, Spread(1.0, 0.25, freedom=4), n=2) is None


def test_inside_the_margin_the_interval_has_to_come_inside() -> None:
    """Difference 0, s = 1, margin 1: with n runs the interval of the mean lies inside where
    |mean| < 1 − t·s/√n. With the normal approximation n = (1.960 + 1.282)² = 10.5 (both tails of a
    power of 0.8: z(.9)), and t with few degrees of freedom asks for some more."""
    found = needed(0.0, Spread(1.0), n=2, margin=1.0)
    assert found is not None and 11 <= found <= 14
    assert needed(1.0, Spread(1.0), n=2, margin=1.0) is None  # on the margin nothing decides


def test_what_lies_beyond_the_margin_has_to_be_found_beyond() -> None:
    """d = 1.5, s = 1: against 0 alone 6 runs are enough (solve_power(1.5, …) = 5.7). A mean beyond
    the margin in 80 % of tries takes (0.842 / 0.5)² = 2.8 runs beside 1, (0.842 / 0.1)² = 70.9
    beside 1.4; both at once a little more than the larger number."""
    assert needed(1.5, Spread(1.0), n=2) == 6
    assert needed(1.5, Spread(1.0), n=2, margin=1.0) == 7
    assert needed(1.5, Spread(1.0), n=2, margin=1.4) == 71


@pytest.mark.parametrize("margin", [0.31, 0.3])
def test_an_interval_lies_within_a_margin_by_both_ends(margin: float) -> None:
    assert Interval(-0.2, 0.3).within(margin) is (margin > 0.3)
    assert Interval(-0.3, 0.2).within(margin) is (margin > 0.3)
