"""What programs read of a row: the fields of table.csv, in their order."""

from collections.abc import Collection
from typing import Any

from reslab.papers.published import Published
from reslab.report import cells, times
from reslab.report.intervals import Interval, mean_interval
from reslab.report.rows import Row
from reslab.report.statistics import Summary
from reslab.report.values import Value
from reslab.report.verdict import Verdict

STATISTICS = ("mean", "std", "best", "median")
PUBLISHED = (
    "value", "bound", "fail", "kind", "n", "best", "mean", "median", "std", "citation",
    "third_party", "verified",
)  # fmt: skip
AT_TIMES = {"experiment", "starts_from", "teacher", "trainable", "seconds_to_target_mean"}
"""Those that are there only where people have a column of them."""


def record_of(row: Row) -> dict[str, Value]:
    """A row's raw numbers and full names; None where it has none."""
    variant, outcome, like, question = row.variant, row.outcome, row.comparison, row.question
    beside = question.verdict if question else None
    return {
        "experiment": row.plan,
        "variant": variant.label,
        "difference": cells.difference(row).value,
        "params": variant.params,
        "multiply_adds": variant.multiply_adds,
        "starts_from": row.starts_from,
        "teacher": row.teacher,
        "trainable": outcome.trainable,
        "seconds_to_target_mean": _of(times.cell(row.to_target), "value"),
        "runs_planned": len(outcome.runs),
        "runs_done": outcome.count("done"),
        "runs_diverged": outcome.count("diverged"),
        "runs_running": outcome.count("running"),
        "runs_crashed": outcome.count("crashed"),
        "runs_missing": outcome.count("pending", "waiting", "blocked", "interrupted", "damaged"),
        **_statistics("train_top1_error", row.train),
        **_statistics("test_top1_error", row.test),
        "views": row.views,
        **_statistics("views_top1_error", row.seen),
        **_statistics("views_top5_error", row.five),
        "test_split": "holdout" if outcome.is_held_out else "test",
        **_published(row.published),
        "compared_statistic": _of(like, "statistic"),
        "difference_to_published": _of(like, "difference"),
        **_interval("test_top1_error", _mean_interval(row.test)),
        **_judged("published", row.verdict),
        "verdict_published": _of(row.verdict, "word"),
        "baseline": _of(question, "baseline"),
        "difference_to_baseline": _of(beside, "evidence", "difference"),
        **_judged("baseline", beside),
        "baseline_lower": _of(beside, "evidence", "improvement", "better"),
        "baseline_equal": _of(beside, "evidence", "improvement", "equal"),
        "verdict_baseline": _of(beside, "word"),
    }


def fields_of(row: Row, shown: Collection[str]) -> tuple[str, ...]:
    """The names of those that a table of such rows has, of which people are shown these columns."""
    return tuple(name for name in record_of(row) if name not in AT_TIMES or name in shown)


def _of(whole: Any, *path: str) -> Value:
    """What stands there, None where a part of the path is None."""
    for name in path:
        whole = None if whole is None else getattr(whole, name)
    found: Value = whole
    return found


def _statistics(metric: str, summary: Summary | None) -> dict[str, Value]:
    return {f"{metric}_{name}": _of(summary, name) for name in STATISTICS}


def _published(published: Published | None) -> dict[str, Value]:
    return {f"published_{name}": _of(published, name) for name in PUBLISHED}


def _mean_interval(summary: Summary) -> Interval | None:
    """That of the mean, where there is one: none over the survivors of divergence."""
    if summary.mean is None:
        return None
    return mean_interval([*summary.errors.values()])


def _interval(name: str, interval: Interval | None) -> dict[str, Value]:
    return {f"{name}_{end}": _of(interval, end) for end in ("low", "high")}


def _judged(beside: str, verdict: Verdict | None) -> dict[str, Value]:
    """The interval of the difference, p after Holm's correction, the seeds that it stands on and
    about how many it needs, and why where it has none."""
    return {
        **_interval(f"{beside}_difference", verdict.interval if verdict else None),
        f"{beside}_p": _of(verdict, "p"),
        f"{beside}_seeds": _of(verdict, "evidence", "n"),
        f"{beside}_seeds_needed": _of(verdict, "needs"),
        f"{beside}_reason": _of(verdict, "reason"),
    }
