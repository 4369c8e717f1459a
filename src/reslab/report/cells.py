"""What stands in the cells of a table that are more than one number: a row → its cell or text."""

from collections import Counter
from typing import Any

from reslab import store
from reslab.config.data import NULLS
from reslab.config.strict_yaml import dump_yaml
from reslab.papers.published import Published
from reslab.report.rows import Row
from reslab.report.runs import Outcome
from reslab.report.statistics import Comparison, Summary
from reslab.report.text import NOTHING, number, percent, points
from reslab.report.values import Cell
from reslab.report.verdict import Verdict

UNFINISHED: dict[str, tuple[store.State, ...]] = {
    "running": ("running",),
    "crashed": ("crashed",),
    "damaged": ("damaged",),
    "interrupted": ("interrupted",),
    "blocked": ("blocked",),
    "missing": ("waiting", "pending"),
}
"""What is said of runs that are not final, and in which states they are."""
BOUNDS = {"above": ">", "below": "<", "about": "≈"}


def difference(row: Row) -> Cell:
    """From the experiment's base: YAML in one line for programs, short for people."""
    changed = row.outcome.variant.difference
    written = dump_yaml(changed).strip().replace("\n", "; ") if changed else ""
    return Cell(written, short_difference(changed))


def short_difference(difference: dict[str, Any]) -> str:
    """`resnet110, warmup_steps=400`: each field by its last word, a net by its name alone, what has
    a name by what it is (adapter=lora)."""
    leaves = Counter(map(_last_word, difference))

    def field(path: str, value: Any) -> str:
        if path in ("model", "model.name"):
            return str(value)
        leaf = _last_word(path)
        told = NULLS.get(path, "none") if value is None else number(value)
        return f"{leaf if leaves[leaf] == 1 else path}={told}"

    return ", ".join(field(path, value) for path, value in difference.items()) or NOTHING


def _last_word(path: str) -> str:
    return path.removesuffix(".name").removesuffix(".variant").rpartition(".")[2]


def runs(row: Row) -> Cell:
    """How many are done: `2/5, 1 running, 2 missing`, or `3 of 5 trained` where runs diverged."""
    outcome = row.outcome
    done, diverged, planned = outcome.count("done"), outcome.count("diverged"), len(outcome.runs)
    final = f"{done} of {done + diverged} trained" if diverged else f"{done}/{planned}"
    if done + diverged == 0:
        return Cell(done, final)  # the columns of errors say what the runs are doing
    counts = {word: outcome.count(*states) for word, states in UNFINISHED.items()}
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return Cell(done, ", ".join([final, *told]))


def spread(row: Row, summary: Summary) -> Cell:
    """Mean ± standard deviation, or what there is instead."""
    return Cell(summary.mean, _spread(summary, row.outcome), tuple(summary.errors.items()))


def _spread(summary: Summary, outcome: Outcome) -> str:
    if summary.mean is not None:
        return f"{percent(summary.mean)} ± {percent(summary.std)}"
    if summary.diverged:
        return NOTHING if summary.errors else "diverged"
    return next((word for word, states in UNFINISHED.items() if outcome.count(*states)), NOTHING)


def seen(row: Row, summary: Summary | None) -> Cell:
    """As `spread`, of those runs that were evaluated on the views that it is of."""
    if summary is None:
        return Cell(None, NOTHING)
    if not summary.errors and row.outcome.count("done"):
        return Cell(None, "not evaluated")
    return spread(row, summary)


def published(found: Published | None) -> Cell:
    """A published number with its statistics, whose it is, and its source."""
    if found is None:
        return Cell(None, NOTHING)
    marks = [
        published_text(found),
        "third party" if found.third_party else "",
        "memory" if found.verified == "memory" else "",
    ]
    return Cell(found.value, ", ".join(filter(None, marks)), source=found.reference)


def published_text(published: Published) -> str:
    """A published number with its statistics: `6.61 ± 0.16, best 6.43 of 5`, `> 60`, `fail`."""
    if published.fail or published.value is None:
        return "fail"
    if published.bound:
        return f"{BOUNDS[published.bound]} {published.value:g}"

    def spread(value: float | None) -> str:
        text = percent(value, published.decimals)
        return text if published.std is None else f"{text} ± {published.std:.{published.decimals}f}"

    others = {"best": published.best, "median": published.median}
    if published.mean is not None and any(value is not None for value in others.values()):
        stated = [
            f"{name} {percent(value, published.decimals)}"
            for name, value in others.items()
            if value is not None
        ]
        of = f" of {published.n}" if published.n else ""
        return ", ".join([spread(published.mean), *stated]) + of
    statistic = "unstated" if published.kind == "unstated" else published.statistic
    return f"{spread(published.value)}, {statistic}"


def delta(comparison: Comparison | None, published: Published | None) -> Cell:
    """Ours minus published, and of which statistic where several are printed, not the mean."""
    if comparison is None or published is None:
        return Cell(None, NOTHING)
    several = published.mean is not None and comparison.statistic != "mean"
    statistic = f" ({comparison.statistic})" if several else ""
    return Cell(comparison.difference, points(comparison.difference) + statistic)


def verdict(found: Verdict | None) -> Cell:
    """Its word; what it stands on is told below the table."""
    return Cell(None, NOTHING) if found is None else Cell(found.word, found.word)
