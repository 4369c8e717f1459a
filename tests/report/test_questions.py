"""Verdicts in a table: its column, the lines below it, its CSV; runs are made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.report.conftest import Lab, records, rendered, row

from reslab.report.markdown import markdown
from reslab.report.questions import timed
from reslab.report.table import tabulate
from reslab.store.plan import Plan

RESNET_20 = ("he2015/table6", "ResNet 20")
"""He 2015 prints 8.75, and not of how many."""


def variant(
    lab: Lab, label: str, test: Sequence[float], published: Any = None, **difference: Any
) -> None:
    folders = lab.variant(label, {"model": "resnet20", **difference}, len(test), published)
    lab.all_done(folders, 1.0, test)


def three(lab: Lab) -> Plan:
    variant(lab, "A", [9.9, 10.2, 9.7])
    variant(lab, "B", [8.7, 8.9, 8.6])
    variant(lab, "C", [9.0, 10.9, 9.6])
    return lab.plan()


def lines(plan: Plan) -> list[str]:
    """The notes that say what the seeds say."""
    return [note.text for note in tabulate([plan]).told("verdict", "question")]


def test_every_row_is_judged_beside_the_first() -> None:
    """B − A: −1.2, −1.3, −1.1; s = 0.1, half = 4.303 · 0.1 / √3 = 0.25."""
    assert lines(three(Lab())) == [
        "A → B: −1.2 points [−1.4, −0.95], n = 3, lower in 3 of 3 seeds: better",
        "A → C: −0.10 points [−2.1, +1.9], n = 3, lower in 2 of 3 seeds: "
        "too few seeds (no n up to 100 decides)",
    ]


def test_questions_say_what_is_judged() -> None:
    plan = replace(three(Lab()), questions=(("C", "B"),))
    assert [line[:6] for line in lines(plan)] == ["C → B:"]


def test_intervals_the_correction_and_the_margin_are_said_once(lab: Lab) -> None:
    plan = three(lab)
    told = markdown(tabulate([replace(plan, margin=0.5)])).replace("\n", " ")
    assert told.count("plain 95 %") == 1
    assert "p < 0.05 after Holm's correction for all 2 that have a p. Margin: ± 0.5 points." in told
    without = markdown(tabulate([plan])).replace("\n", " ")
    assert "Without a margin nothing agrees, and better or worse means not equal." in without


def test_without_an_interval_none_is_explained(lab: Lab) -> None:
    variant(lab, "A", [9.9])
    variant(lab, "B", [8.7])
    assert lines(lab.plan()) == [
        "A → B: −1.2 points, n = 1, lower in 1 of 1 seeds: too few seeds (one seed has no spread)"
    ]
    assert "95 %" not in rendered(lab)


def test_a_table_of_one_variant_without_a_published_number_compares_nothing(lab: Lab) -> None:
    variant(lab, "A", [9.9, 10.2])
    assert lines(lab.plan()) == []
    assert "95 %" not in rendered(lab)


def test_a_row_has_its_verdict_beside_the_published_number(lab: Lab) -> None:
    """8.65, 8.75, 8.85: difference 0, half = 4.303 · 0.1 / √3 = 0.25."""
    variant(lab, "ResNet 20", [8.65, 8.75, 8.85], RESNET_20)
    assert row(lab, "ResNet 20")["verdict"] == "too few seeds"
    plan = replace(lab.plan(), margin=0.5)
    assert lines(plan) == ["ResNet 20: +0.00 points [−0.25, +0.25], n = 3: agrees"]


def test_where_a_comparison_does_not_hold_there_is_no_difference(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    variant(lab, "ResNet 20", [48.0, 50.0], RESNET_20)
    variant(lab, "again", [48.0, 50.0], RESNET_20, **{"recipe.optimizer.lr": 0.05})
    assert (row(lab, "ResNet 20")["Δ"], row(lab, "ResNet 20")["verdict"]) == ("–", "not comparable")
    assert lines(lab.plan())[0] == "ResNet 20 and again: not comparable (budget)"
    assert records(lab)[0]["difference_to_published"] == ""


def test_variants_are_compared_whatever_their_budget(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    variant(lab, "A", [48.0, 50.0])
    variant(lab, "B", [40.0, 42.2])
    assert lines(lab.plan())[0].startswith("A → B: −7.9 points [−9.2, −6.6]")


def test_rows_tested_on_other_images_are_compared_only_where_that_is_asked(lab: Lab) -> None:
    variant(lab, "A", [9.0, 9.1])
    variant(lab, "two classes", [1.0, 1.1], **{"data.classes": ["dog", "frog"]})
    assert lines(lab.plan()) == []
    asked = replace(lab.plan(), questions=(("A", "two classes"),))
    assert lines(asked) == ["A → two classes: not comparable (tested on other images)"]


def test_a_diverged_run_leaves_nothing_to_compare(lab: Lab) -> None:
    variant(lab, "A", [9.0, 9.1])
    folders = lab.variant("B", {"model": "plain20"}, 2)
    lab.all_done(folders[:1], 1.0, [9.0])
    lab.diverged(folders[1])
    assert lines(lab.plan()) == ["A → B: not comparable (1 run diverged)"]
    assert records(lab)[1]["test_top1_error_low"] == ""


def test_runs_that_are_not_final_are_not_waited_for(lab: Lab) -> None:
    variant(lab, "A", [9.0, 9.1, 9.2])
    folders = lab.variant("B", {"model": "plain20"}, 3)
    assert lines(lab.plan()) == []
    lab.all_done(folders[:2], 1.0, [10.0, 10.3])
    assert lines(lab.plan())[0].startswith("A → B: +1.1 points [−0.17, +2.4], n = 2,")


def test_the_seeds_that_are_needed_are_told_with_what_they_take(lab: Lab) -> None:
    """The issue's example: −6.1 points, s = 4.34; TTestPower().solve_power(1.405, power=.8,
    alpha=.05) of statsmodels is 6.15."""
    variant(lab, "plain-20", [10.0, 12.0])
    variant(lab, "residual-20", [6.97, 2.83])
    table = timed(tabulate([lab.plan()]), lambda seeds: 43.0 * seeds)
    assert [note.text for note in table.told("question")] == [
        "plain-20 → residual-20: −6.1 points [−45, +33], n = 2, lower in 2 of 2 seeds: "
        "too few seeds (needs about 7); SEEDS=7 takes 5 more minutes"
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1.0, "1 more second"),
        (40.0, "40 more seconds"),
        (290.0, "5 more minutes"),
        (3 * 3600.0, "3 more hours"),
        (90 * 86_400.0, "90 more days"),
        (None, None),
    ],
)
def test_a_time_is_told_in_words(lab: Lab, seconds: float | None, told: str | None) -> None:
    variant(lab, "plain-20", [10.0, 12.0])
    variant(lab, "residual-20", [6.97, 2.83])
    found = [n.text for n in timed(tabulate([lab.plan()]), lambda seeds: seconds).notes]
    [line] = [text for text in found if text.startswith("plain-20 → ")]
    assert line.partition(" takes ")[2] == (told or "")


def test_seeds_that_are_planned_are_not_asked_for_again(lab: Lab) -> None:
    for label, errors in (("A", [10.0, 12.0]), ("B", [6.97, 2.83])):
        lab.all_done(lab.variant(label, {"model": "resnet20"}, 8)[:2], 1.0, errors)
    [note] = tabulate([lab.plan()]).told("question")
    assert "needs about 7" in note.text and note.seeds is None


def test_programs_read_verdicts_in_columns_of_their_own(lab: Lab) -> None:
    plan = three(lab)
    variant(lab, "ResNet 20", [8.65, 8.75, 8.85], RESNET_20)
    found = records(lab)
    assert len(plan.variants) == 3
    b, published = found[1], found[3]
    assert (b["baseline"], b["verdict_baseline"], b["baseline_seeds"]) == ("A", "better", "3")
    assert float(b["difference_to_baseline"]) == pytest.approx(-1.2)
    assert float(b["baseline_difference_low"]) == pytest.approx(-1.2 - 4.302653 * 0.1 / 3**0.5)
    assert (b["baseline_lower"], b["baseline_equal"]) == ("3", "0")
    assert float(b["test_top1_error_high"]) > float(b["test_top1_error_mean"])
    assert published["verdict_published"] == "too few seeds"
    assert published["published_reason"] == "no n up to 100 decides"
    assert found[0]["baseline"] == ""


def test_several_experiments_are_judged_each_by_itself() -> None:
    one, other = Lab("one"), Lab("other")
    plans = [three(one), replace(three(other), margin=0.5)]
    plans_of_notes = [note.plan for note in tabulate(plans).told("question")]
    assert plans_of_notes == ["one", "one", "other", "other"]
