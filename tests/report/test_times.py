"""A time to an error: the first evaluation at it, over seeds, beside the published times."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.conftest import Lab

from reslab import store
from reslab.report.csv_text import table_csv
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.report.times import seconds_to
from reslab.store.plan import Plan
from reslab.store.times import write_times

ROWS = [
    {"step": 10, "train_loss": 1.0, "train_top1_error": 1.0},
    {"step": 10, "test_loss": 1.0, "test_top1_error": 6.01},
    {"step": 20, "test_loss": 1.0, "test_top1_error": 6.0},
    {"step": 30, "test_loss": 1.0, "test_top1_error": 7.0},
]
TIMES = {10: 1.5, 20: 3.0, 30: 4.5}


@pytest.mark.parametrize(("target", "seconds"), [(6.0, 3.0), (6.01, 1.5), (5.9, None)])
def test_it_is_that_of_the_first_test_evaluation_with_at_most_that_error(
    target: float, seconds: float | None
) -> None:
    assert seconds_to(ROWS, TIMES, target) == seconds


def test_a_run_without_times_has_none() -> None:
    assert seconds_to(ROWS, {}, 6.0) is None


def reaching(lab: Lab, run: Path, seconds: float, test: float = 5.0) -> None:
    """A run that is done with this error, its last step after so many seconds."""
    lab.done(run, 1.0, test)
    rows = {int(row["step"]): 1000.0 for row in store.read_metrics(run)}
    steps = [row["step"] for row in store.read_metrics(run) if row.get("test_top1_error", 99) <= 6]
    write_times(run, rows | ({int(steps[0]): seconds} if steps else {}))


def sought(lab: Lab) -> Plan:
    return replace(lab.plan(), target=6.0, times={"a net, 1 × A100 (somebody 2024)": 3.83})


def cell(plan: Plan, label: str) -> str:
    lines = [line for line in markdown(tabulate([plan])).splitlines() if line.startswith("|")]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    place = rows[0].index("s to 94 %")
    return next(row[place] for row in rows if row[0] == label)


def test_the_column_has_mean_and_spread_over_seeds(lab: Lab) -> None:
    two = lab.variant("two", {"model": "resnet20"}, seeds=2)
    for run, seconds in zip(two, (2.0, 4.0), strict=True):
        reaching(lab, run, seconds)
    [one] = lab.variant("one", {"model": "resnet32"})
    reaching(lab, one, 2.5)
    plan = sought(lab)
    assert cell(plan, "two") == "3.00 ± 1.41"  # √2
    assert cell(plan, "one") == "2.50 ± –"
    head, first, _ = table_csv(tabulate([plan])).splitlines()
    place = head.split(",").index("seconds_to_target_mean")
    assert first.split(",")[place] == "3.0"


def test_where_a_seed_does_not_get_there_is_no_mean(lab: Lab) -> None:
    runs = lab.variant("two of three", {"model": "resnet20"}, seeds=4)
    for run, error in zip(runs, (5.0, 5.0, 7.0), strict=False):
        reaching(lab, run, 2.0, error)
    lab.variant("not begun", {"model": "resnet32"})
    assert cell(sought(lab), "two of three") == "2 of 3 reached it"
    assert cell(sought(lab), "not begun") == "–"


def test_what_is_counted_and_the_published_times_stand_below(lab: Lab) -> None:
    [run] = lab.variant("one", {"model": "resnet20"})
    reaching(lab, run, 2.0)
    told = " ".join(markdown(tabulate([sought(lab)])).split())
    assert "s to 94 %: seconds of training, without start-up and evaluations" in told
    assert "- published, 3.83 s: a net, 1 × A100 (somebody 2024)" in told
    without = markdown(tabulate([lab.plan()]))
    assert "s to" not in without
    assert "seconds_to" not in table_csv(tabulate([lab.plan()]))


def test_a_plan_that_is_read_back_has_its_target(lab: Lab) -> None:
    lab.variant("one", {"model": "resnet20"})
    plan = sought(lab)
    store.write_plan(plan)
    found = store.read_plan(plan.experiment)
    assert (found.target, found.times) == (plan.target, plan.times)
    store.write_plan(lab.plan())
    assert not {"target", "times"} & {*(plan.home / store.PLAN).read_text().split('"')}
