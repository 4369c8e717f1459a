"""Verdicts on cases whose calculation by hand stands here; every case's errors are made up.

t(.975) is 12.706, 4.303, 3.182, 2.776 with 1, 2, 3, 4 degrees of freedom, as tables have it.
"""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from reslab.papers.published import Published, cell
from reslab.report.statistics import summarize
from reslab.report.verdict import (
    Evidence,
    Improvement,
    Verdict,
    against_published,
    between,
    verdicts,
)

RESNET_110 = cell("he2015/table6", "ResNet 110")


def printed(value: float | None = None, **fields: Any) -> Published:
    """A published number: of one run, if nothing else is said of it."""
    plain: dict[str, Any] = {
        "value": value, "kind": "single", "n": None, "best": None, "mean": None, "median": None,
        "std": None, "bound": None, "fail": False, "verified": "paper_text",
    }  # fmt: skip
    kind = fields.get("kind")
    stated = {kind: value} if kind in ("best", "mean", "median") else {}
    return Published(**{**vars(RESNET_110), **plain, **stated, **fields})


def pairs(*differences: float, baseline: float = 10.0) -> Evidence:
    """Two variants whose errors differ by these, seed by seed; the baseline's scatter, too."""
    theirs = {seed: baseline + seed for seed in range(len(differences))}
    ours = {seed: theirs[seed] + difference for seed, difference in enumerate(differences)}
    evidence = between(ours, theirs)
    assert evidence is not None
    return evidence


def beside(errors: Sequence[float], published: Published, **more: Any) -> Evidence:
    summary = summarize(dict(enumerate(errors)), more.pop("diverged", 0))
    evidence = against_published(summary, published, **more)
    assert evidence is not None
    return evidence


def judged(evidence: Evidence, margin: float | None = None) -> Verdict:
    [verdict] = verdicts([evidence], margin)
    return verdict


def ends(verdict: Verdict) -> tuple[float, float]:
    assert verdict.interval is not None
    return round(verdict.interval.low, 2), round(verdict.interval.high, 2)


# ---- twenty cases -----------------------------------------------------------------------------

CASES: dict[str, tuple[Evidence, float | None, str, tuple[float, float] | None]] = {
    # mean −6.1, s = 4.342, half = 12.706 · 4.342 / √2 = 39.01. Effect 1.405: statsmodels'
    # TTestPower().solve_power(1.405, power=.8, alpha=.05) = 6.15
    "two far seeds": (pairs(-3.03, -9.17), None, "too few seeds (needs about 7)", (-45.11, 32.91)),
    # one pair
    "one seed": (pairs(-3.0), None, "too few seeds (one seed has no spread)", None),
    # s = 0
    "equal differences": (
        pairs(-0.5, -0.5), None, "too few seeds (all seeds are equal)", None,
    ),
    # mean −1.1, s = 0.1, half = 4.303 · 0.1 / √3 = 0.248
    "three seeds, lower": (pairs(-1.0, -1.2, -1.1), None, "better", (-1.35, -0.85)),
    "three seeds, higher": (pairs(1.0, 1.2, 1.1), None, "worse", (0.85, 1.35)),
    # the same beside a margin that the centre is not beyond: [−1.35, −0.85] is not inside ± 1.2.
    # It would be decided by the interval inside: 1.1 + half < 1.2, which takes
    # (1.960 + 0.842)² · (0.1 / 0.1)² = 7.9 runs with z for t, and about 10 with t
    "lower, centre within the margin": (
        pairs(-1.0, -1.2, -1.1), 1.2, "too few seeds (needs about 10)", (-1.35, -0.85),
    ),
    # [−1.35, −0.85] inside ± 1.5, though it excludes 0
    "lower within the margin": (pairs(-1.0, -1.2, -1.1), 1.5, "agrees", (-1.35, -0.85)),
    # centre 1.1 beyond 1.0; the interval reaches inside the margin and excludes 0
    "lower beyond the margin": (pairs(-1.0, -1.2, -1.1), 1.0, "better", (-1.35, -0.85)),
    # mean 0, s = 0.05, half = 4.303 · 0.05 / √3 = 0.124
    "no difference beside a margin": (pairs(0.05, -0.05, 0.0), 0.5, "agrees", (-0.12, 0.12)),
    # without a margin nothing agrees; a difference of 0 is never found
    "no difference, no margin": (
        pairs(0.05, -0.05, 0.0), None, "too few seeds (no n up to 100 decides)", (-0.12, 0.12),
    ),
    # ours 6.9, s² = 0.025, /5 = 0.005; theirs 0.16² / 5 = 0.00512; √0.01012 = 0.1006;
    # Welch's degrees 0.01012² / (0.005² / 4 + 0.00512² / 4) = 8.0, t(.975; 8) = 2.306; half = 0.232
    "mean ± std, higher": (
        beside([6.7, 6.8, 6.9, 7.0, 7.1], printed(6.61, kind="mean", std=0.16, n=5)),
        None, "worse", (0.06, 0.52),
    ),
    # the same beside a margin: 0.52 lies inside 0.6
    "mean ± std, within the margin": (
        beside([6.7, 6.8, 6.9, 7.0, 7.1], printed(6.61, kind="mean", std=0.16, n=5)),
        0.6, "agrees", (0.06, 0.52),
    ),
    # mean 6.65: 0.04 ± 0.232
    "mean ± std, the same": (
        beside([6.45, 6.55, 6.65, 6.75, 6.85], printed(6.61, kind="mean", std=0.16, n=5)),
        0.3, "agrees", (-0.19, 0.27),
    ),
    # ours 5.0, s = 0.1; the mean's half 2.776 · 0.1 / √5 = 0.124: 0.15 ± 0.124 inside ± 0.5. One
    # run of ours lies in 5.0 ± 2.776 · 0.1 · √(1 + 1/5) = ± 0.304, and so does 4.85
    "one run, in our range": (
        beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.85)), 0.5, "agrees", (0.03, 0.27),
    ),
    # 5.0 − 4.0: outside ± 0.304, beyond 0.5
    "one run, far below": (
        beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.0)), 0.5, "worse", (0.88, 1.12),
    ),
    "one run, far above, no margin": (
        beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(6.0)), None, "better", (-1.12, -0.88),
    ),
    # 5.0 − 4.6: outside our range, inside the margin: neither; more of our runs change nothing
    "one run, out of our range, within the margin": (
        beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.6)),
        1.0, "too few seeds (no n up to 100 decides)", (0.28, 0.52),
    ),
    # 5.0 − 4.85 is inside our range: no difference, and without a margin no agreement either
    "one run, in our range, no margin": (
        beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.85)),
        None, "too few seeds (no n up to 100 decides)", (0.03, 0.27),
    ),
    "best of five": (
        beside([4.9, 5.0], printed(4.8, kind="best", n=5)), 0.5, "not comparable (best of 5)", None,
    ),
    "from memory": (
        beside([4.9, 5.0], printed(4.8, verified="memory")),
        0.5, "not comparable (a number from memory)", None,
    ),
    "a bound": (
        beside([4.9, 5.0], printed(60.0, bound="above")),
        0.5, "not comparable (a bound is printed)", None,
    ),
    "a failure": (
        beside([4.9, 5.0], printed(None, fail=True)),
        0.5, "not comparable (a failure is printed)", None,
    ),
    "a run diverged": (
        beside([4.9, 5.0], printed(4.8), diverged=1),
        0.5, "not comparable (1 of 3 runs diverged)", None,
    ),
    "another budget": (
        beside([4.9, 5.0], printed(4.8), obstacle="budget"), 0.5, "not comparable (budget)", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_verdict_is_the_one_calculated_by_hand(case: str) -> None:
    evidence, margin, told, interval = CASES[case]
    verdict = judged(evidence, margin)
    assert str(verdict) == told
    assert (ends(verdict) if verdict.interval else None) == interval


def test_there_are_twenty_cases_and_every_word_is_among_them() -> None:
    words = {judged(evidence, margin).word for evidence, margin, _, _ in CASES.values()}
    assert len(CASES) >= 20
    assert words == {"not comparable", "agrees", "better", "worse", "too few seeds"}


# ---- what each stands on ----------------------------------------------------------------------


def test_variants_are_paired_by_the_seeds_that_they_share() -> None:
    evidence = between({0: 5.0, 1: 6.0, 3: 9.0}, {0: 7.0, 1: 7.0, 2: 1.0})
    assert evidence is not None
    assert (evidence.difference, evidence.n) == (-1.5, 2)
    assert between({0: 5.0}, {1: 5.0}) is None


def test_the_paired_p_is_scipys_however_far_the_seeds_scatter() -> None:
    ours, theirs = [5.0, 8.1, 2.9, 6.2], [5.5, 8.4, 3.6, 6.5]
    evidence = between(dict(enumerate(ours)), dict(enumerate(theirs)))
    assert evidence is not None
    assert evidence.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_a_published_mean_and_std_is_held_against_ours_by_welch_from_summaries() -> None:
    evidence = beside([6.7, 6.9, 7.1], printed(6.61, kind="mean", std=0.16, n=5))
    found = stats.ttest_ind_from_stats(6.9, 0.2, 3, 6.61, 0.16, 5, equal_var=False)
    assert evidence.p == pytest.approx(found.pvalue)


def test_a_mean_with_a_best_beside_it_is_compared_as_a_mean() -> None:
    """He 2015, Table 6: 6.43 is the best of five, 6.61 ± 0.16 their mean."""
    evidence = beside([6.5, 6.7], RESNET_110)
    assert evidence.obstacle == ""
    assert evidence.difference == pytest.approx(-0.01)
    assert evidence.predicted is None


def test_a_number_without_a_spread_is_one_run_of_our_prediction_interval() -> None:
    """p is that of t = 0.15 / (0.1 · √(1 + 1/5))."""
    evidence = beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.85))
    expected = 2 * stats.t.sf(0.15 / (0.1 * math.sqrt(1.2)), 4)
    assert evidence.p == pytest.approx(expected)


@pytest.mark.parametrize("std", [0.16, None])
def test_a_spread_of_unknown_n_is_none(std: float | None) -> None:
    evidence = beside([4.9, 5.1], printed(4.85, kind="mean", std=std))
    assert evidence.predicted is not None


def test_medians_scatter_by_half_pi_more_than_means() -> None:
    """s² = 0.01, ours of 5, theirs of 3: variance π/2 · 0.01 · (1/5 + 1/3)."""
    evidence = beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.85, kind="median", n=3))
    assert evidence.predicted is not None and evidence.spread is not None
    assert evidence.spread.error(5) ** 2 == pytest.approx(math.pi / 2 * 0.01 / 5)
    assert evidence.predicted.error(5) ** 2 == pytest.approx(math.pi / 2 * 0.01 * (1 / 5 + 1 / 3))


def test_a_mean_of_several_without_a_spread_scatters_as_a_mean_of_ours() -> None:
    evidence = beside([4.9, 4.9, 5.0, 5.1, 5.1], printed(4.85, kind="mean", n=10))
    assert evidence.predicted is not None
    assert evidence.predicted.error(5) ** 2 == pytest.approx(0.01 * (1 / 5 + 1 / 10))


def test_nothing_is_said_before_a_run_is_final() -> None:
    assert against_published(summarize({}), RESNET_110) is None
    assert judged(beside([], RESNET_110, diverged=2)).reason == "2 of 2 runs diverged"


def test_beside_another_protocol_there_is_no_difference() -> None:
    assert beside([4.9, 5.0], printed(4.8), obstacle="budget").difference is None
    assert beside([4.9, 5.0], printed(4.8, kind="best")).difference == pytest.approx(0.1)


def test_diverged_runs_of_either_variant_leave_nothing_to_compare() -> None:
    evidence = between({0: 5.0, 1: 5.5}, {0: 6.0}, diverged=1)
    assert evidence is not None
    assert str(judged(evidence)) == "not comparable (1 run diverged)"
    assert (evidence.difference, evidence.improvement) == (None, None)


def test_equal_errors_have_neither_interval_nor_p() -> None:
    evidence = beside([100 * 7 / 360] * 5, printed(1.5, kind="mean", std=0.1, n=5))
    verdict = judged(evidence, 5.0)
    assert (verdict.word, verdict.interval, verdict.p) == ("too few seeds", None, None)


# ---- judged together --------------------------------------------------------------------------


def test_better_and_worse_need_holms_p_over_all_that_is_judged_together() -> None:
    """Alone p = 0.030 is better: t = −0.5 / (0.15/√3) = −5.77, of 2 degrees of freedom."""
    near = pairs(-0.35, -0.5, -0.65)
    assert near.p == pytest.approx(2 * stats.t.sf(5.7735, 2), rel=1e-4)
    assert judged(near).word == "better"
    first, second = verdicts([near, pairs(0.5, -0.6, 0.3)])
    assert first.p == pytest.approx(2 * (near.p or 0))
    assert (first.word, second.word) == ("too few seeds", "too few seeds")
    assert first.interval is not None and first.interval.high < 0  # plain 95 %, as printed


def test_what_holm_does_not_accept_needs_the_runs_of_the_level_that_it_asks() -> None:
    """Effect 0.5 / 0.15 = 3.33; TTestPower().solve_power(3.33, power=.8, alpha=.025) = 3.60, and
    alpha=.05: 2.93, less than there are."""
    first, _ = verdicts([pairs(-0.35, -0.5, -0.65), pairs(0.5, -0.6, 0.3)])
    assert first.needs == 4


def test_agreement_is_not_corrected() -> None:
    agrees = pairs(0.05, -0.05, 0.0)
    assert [v.word for v in verdicts([agrees] * 30, margin=0.5)] == ["agrees"] * 30


def test_what_has_no_p_takes_none_from_the_others() -> None:
    near, none = pairs(-0.35, -0.5, -0.65), beside([5.0, 5.1], printed(4.8, verified="memory"))
    first, *others = verdicts([near, none, pairs(1.0), none])
    assert (first.word, first.p) == ("better", near.p)
    assert [other.p for other in others] == [None] * 3


# ---- probability of improvement ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "told"),
    [
        ((-1.0, -2.0), "2 of 2 seeds"),
        ((-1.0, 2.0, -0.5, 1.0), "2 of 4 seeds"),
        ((0.0, -1.0), "1 of 2 seeds, 1 equal"),
        ((-1.0, -1.0, -2.0, -3.0, 1.0), "0.80"),
        ((-1.0, 0.0, -2.0, -3.0, 1.0), "0.70"),  # 3 + 1/2 of 5
    ],
)
def test_improvement_is_a_count_of_seeds_below_five_and_then_a_probability(
    differences: tuple[float, ...], told: str
) -> None:
    assert str(pairs(*differences).improvement) == told


def test_a_count_of_few_seeds_is_no_probability() -> None:
    assert Improvement(4, 0, 4).probability is None
    assert Improvement(4, 0, 5).probability == 0.8
