"""The table of an experiment: one row per variant beside the published number, deviations below.

Training and test error are those of the last step, in per cent; the training error is that of the
final weights in evaluation mode on the whole training split. Statistics are over seeds.
"""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import disk, store
from reslab.config.data import NULLS
from reslab.config.strict_yaml import dump_yaml
from reslab.config.trains import ALL
from reslab.config.views import called
from reslab.papers.published import Published, top5
from reslab.papers.schema import Views
from reslab.report.notes import notes, options_line
from reslab.report.runs import Outcome, outcomes_of
from reslab.report.statistics import Comparison, Summary, compare, summarize
from reslab.report.text import NOTHING, bullets, number, percent, si, wrap
from reslab.store.plan import Plan
from reslab.text import markdown_table, printable, printable_lines

STATE_WORDS: dict[store.State, str] = {
    "running": "running",
    "crashed": "crashed",
    "damaged": "damaged",
    "interrupted": "interrupted",
    "blocked": "blocked",
    "waiting": "missing",
    "pending": "missing",
}
BOUNDS = {"above": ">", "below": "<", "about": "≈"}


@dataclass(frozen=True)
class Table:
    """The same table for people and for programs; both end with a line break."""

    markdown: str
    csv: str

    @classmethod
    def of(cls, parts: Iterable[str], records: Sequence[dict[str, Any]]) -> "Table":
        """The table of paragraphs and of rows, in which nothing commands a terminal."""
        return cls(printable_lines(_joined(parts)), _csv(records))

    def keep(self, stem: Path) -> str:
        """Write it to STEM.md and STEM.csv; their names."""
        disk.write_text(stem.with_suffix(".md"), self.markdown)
        disk.write_text(stem.with_suffix(".csv"), self.csv)
        return f"{stem}.md, {stem}.csv"


@dataclass(frozen=True)
class Row:
    """A variant and its statistics.

    `seen` is the test error on the views that the published number is of, where these are several;
    `five` is the top-5 error on these, or on one, where one is published.
    """

    outcome: Outcome
    train: Summary
    test: Summary
    comparison: Comparison | None
    seen: Summary | None
    five: Summary | None
    published_five: Published | None
    comparison_five: Comparison | None
    starts_from: str | None
    trainable: int | None
    """Parameters that train; None where no run has told it yet."""

    @property
    def is_adapted(self) -> bool:
        """Whether its runs start from weights, or do not train the whole plain net."""
        return self.outcome.config is not None and self.outcome.config.is_adapted

    @property
    def views(self) -> Views:
        """The views that the published number is of."""
        return self.outcome.published.views if self.outcome.published else "single"


def show(plan: Plan) -> None:
    """Print the table of a plan, and leave it in table.md and table.csv."""
    table = render(plan)
    print(table.markdown)
    table.keep(plan.folder / "table")


def render(plan: Plan) -> Table:
    """The table of a plan; no file is written."""
    outcomes = outcomes_of(plan)
    rows = _rows(plan, outcomes)
    references = _references(outcomes)
    parts = [
        f"**{printable(plan.title)}**",
        _grid(_columns(rows, references)),
        wrap(_caption(rows)),
        *_unseen(rows, plan.folder),
        wrap(options_line(plan.options)),
        *_sources(outcomes, references),
        *notes(plan, outcomes),
    ]
    return Table.of(parts, _records(rows))


def render_together(plans: Sequence[Plan]) -> Table:
    """One table over several plans; the notes stand under it, plan by plan."""
    read = [(plan, _rows(plan, outcomes_of(plan))) for plan in plans]
    rows = [row for _, members in read for row in members]
    names = [plan.experiment for plan, members in read for _ in members]
    outcomes = [row.outcome for row in rows]
    references = _references(outcomes)
    parts = [
        _grid({"experiment": names, **_columns(rows, references)}),
        wrap(_caption(rows)),
        *_sources(outcomes, references),
    ]
    for plan, members in read:
        parts += [
            f"**{plan.experiment}: {printable(plan.title)}**",
            *_unseen(members, plan.folder),
            wrap(options_line(plan.options)),
            *notes(plan, [row.outcome for row in members]),
        ]
    together = zip(names, _records(rows), strict=True)
    records = [{"experiment": name, **record} for name, record in together]
    return Table.of(parts, records)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"


def _references(outcomes: Iterable[Outcome]) -> list[str]:
    """What the published numbers are from, in the order of their marks [1], [2], …"""
    return list(dict.fromkeys(o.published.reference for o in outcomes if o.published))


def _rows(plan: Plan, outcomes: Iterable[Outcome]) -> list[Row]:
    every = (*plan.variants, *plan.origins)
    labels = {run.run_id: variant.label for variant in every for run in variant.runs}
    return [_row(outcome, labels) for outcome in outcomes]


def _row(outcome: Outcome, labels: Mapping[str, str]) -> Row:
    published, held_out = outcome.published, _is_held_out(outcome)
    train, test = _summary(outcome, "train"), _summary(outcome, "test")
    seen = published_five = five = None
    if published and published.views != "single":
        seen = _summary(outcome, "test", published.views)
    if published and (published_five := top5(published)):
        five = _summary(outcome, "test", published_five.views, "top5_error")
    of_train = published is not None and published.column == "train_error"
    return Row(
        outcome,
        train,
        test,
        comparison=_like(train, published)
        if of_train
        else _like(seen or test, published, held_out),
        seen=seen,
        five=five,
        published_five=published_five,
        comparison_five=_like(five, published_five, held_out),
        starts_from=_starts_from(outcome, labels),
        trainable=_trainable(outcome),
    )


def _starts_from(outcome: Outcome, labels: Mapping[str, str]) -> str | None:
    """The origin of the weights that a variant starts from; another variant by its label."""
    start = outcome.config.start if outcome.config else None
    return None if start is None else labels.get(start.run or "", start.origin)


def _trainable(outcome: Outcome) -> int | None:
    """The parameters that train, as the runs have counted them; a plain net that trains as a whole
    has as many as it has."""
    config = outcome.config
    if config is not None and config.adapter is None and config.trains == ALL:
        return outcome.variant.params
    counts = (run.result.get("trainable") for run in outcome.runs if run.result is not None)
    return next((count for count in counts if count is not None), None)


def _summary(
    outcome: Outcome, split: str, views: Views = "single", metric: str = "top1_error"
) -> Summary:
    return summarize(outcome.errors(split, views, metric), outcome.count("diverged"))


def _like(
    ours: Summary | None, published: Published | None, held_out: bool = False
) -> Comparison | None:
    """Errors on held-out images are not compared with test errors."""
    return None if ours is None or published is None or held_out else compare(ours, published)


WORDS = ("experiment", "variant", "difference", "starts from")
"""Columns that are set as text, beside those of what is published."""


# ---- the grid ---------------------------------------------------------------------------------


def _grid(columns: Mapping[str, Sequence[str]]) -> str:
    words = (*WORDS, "published", "published top-5")
    numeric = [i for i, head in enumerate(columns) if head not in words]
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)), numeric)


def _columns(rows: Sequence[Row], references: Sequence[str]) -> dict[str, list[str]]:
    several = _other_views(rows)
    test_error = _tested_on(rows)
    columns = {
        "variant": [row.outcome.label for row in rows],
        "difference": [short_difference(row.outcome.variant.difference) for row in rows],
        "params": [si(row.outcome.variant.params) for row in rows],
        "mult-adds": [si(row.outcome.variant.multiply_adds) for row in rows],
        **_adaptation(rows),
        "runs": [_runs(row.outcome) for row in rows],
        "train error": [_spread(row.train, row.outcome) for row in rows],
        f"{test_error}, 1 crop" if several else test_error: [
            _spread(row.test, row.outcome) for row in rows
        ],
        "best": [percent(row.test.best) for row in rows],
        "median": [percent(row.test.median) for row in rows],
    }
    for views in several:
        columns[f"{called(views)} error"] = [_seen(row, row.seen, views) for row in rows]
    if references:
        columns["published"] = [_published(row.outcome.published, references) for row in rows]
        columns["Δ"] = [_delta(row.comparison, row.outcome.published) for row in rows]
    if any(row.published_five for row in rows):
        columns["top-5 error"] = [_seen(row, row.five, row.views) for row in rows]
        columns["published top-5"] = [_published(row.published_five, references) for row in rows]
        columns["Δ top-5"] = [_delta(row.comparison_five, row.published_five) for row in rows]
    return columns


def _adaptation(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Where weights come from and how many train, if that is not from nowhere and all in each."""
    if not any(row.is_adapted for row in rows):
        return {}
    trainable = (row.trainable for row in rows)
    return {
        "starts from": [row.starts_from or NOTHING for row in rows],
        "trainable": [NOTHING if count is None else si(count) for count in trainable],
    }


def _other_views(rows: Sequence[Row]) -> list[Views]:
    """The views that published numbers are of, but for the single crop of the training's size."""
    return sorted({row.views for row in rows} - {"single"})


def _tested_on(rows: Sequence[Row]) -> str:
    """The head of the column of test errors: some may be of training images set aside."""
    splits = {_is_held_out(row.outcome) for row in rows}
    if len(splits) > 1:
        return "test or held-out error"
    return "held-out error" if splits == {True} else "test error"


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


def _runs(outcome: Outcome) -> str:
    """`2/5, 1 running, 2 missing`, or `3 of 5 trained` where runs diverged."""
    done, diverged, planned = outcome.count("done"), outcome.count("diverged"), len(outcome.runs)
    final = f"{done} of {done + diverged} trained" if diverged else f"{done}/{planned}"
    if done + diverged == 0:
        return final  # the columns of errors say what the runs are doing
    waiting = [
        f"{outcome.count(state)} {word}"
        for state, word in STATE_WORDS.items()
        if outcome.count(state)
    ]
    return ", ".join([final, *waiting])


def _spread(summary: Summary, outcome: Outcome) -> str:
    """Mean ± standard deviation, or what there is instead."""
    if summary.mean is not None:
        return f"{percent(summary.mean)} ± {percent(summary.std)}"
    if summary.diverged:
        return NOTHING if summary.trained else "diverged"
    return next((word for state, word in STATE_WORDS.items() if outcome.count(state)), NOTHING)


def _seen(row: Row, summary: Summary | None, views: Views) -> str:
    """As `_spread`, of those runs that were evaluated on these views."""
    if summary is None or row.views != views:
        return NOTHING
    if not summary.trained and row.outcome.count("done"):
        return "not evaluated"
    return _spread(summary, row.outcome)


def _published(published: Published | None, references: Sequence[str]) -> str:
    if published is None:
        return NOTHING
    marks = [
        published_text(published),
        "third party" if published.third_party else "",
        "memory" if published.verified == "memory" else "",
    ]
    return ", ".join(filter(None, marks)) + f" [{references.index(published.reference) + 1}]"


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


def _delta(comparison: Comparison | None, published: Published | None) -> str:
    """Ours minus published, and of which statistic where several are printed, not the mean."""
    if comparison is None or published is None:
        return NOTHING
    difference = f"{comparison.difference:+.2f}".replace("-", "−")
    several = published.mean is not None and comparison.statistic != "mean"
    return f"{difference} ({comparison.statistic})" if several else difference


def _is_held_out(outcome: Outcome) -> bool:
    return outcome.config is not None and outcome.config.data.split == "holdout"


# ---- below the grid ---------------------------------------------------------------------------


def _caption(rows: Sequence[Row]) -> str:
    lines = [
        "Errors in per cent at the last step, training error with the final weights; mean ± "
        "standard deviation (n − 1), best and median over seeds."
    ]
    configs = [row.outcome.config for row in rows]
    if any(config and config.data.selected_on == "holdout" for config in configs):
        lines.append(
            "Where the held-out images choose (data.selected_on), errors are of the weights of "
            "the step that the notes name."
        )
    if any(row.outcome.count("diverged") for row in rows):
        lines.append(
            "Where a run diverged there is no mean; it counts as the worst in best and median."
        )
    if any(row.seen for row in rows):
        names = " and ".join(map(called, _other_views(rows)))
        lines.append(
            f"{names[0].upper()}{names[1:]} errors are of the same weights, on other views of each "
            "test image; the published ones beside them are of such views."
        )
    if any(row.comparison for row in rows):
        lines.append(
            "Δ is ours minus published, the same statistic of both; a single run and an unstated "
            "statistic (the source does not say whether best or mean, nor of how many) stand "
            "beside our mean."
        )
    return " ".join(lines)


def _unseen(rows: Sequence[Row], folder: Path) -> Iterator[str]:
    """How to get the errors on views that runs were not evaluated on."""
    for views in _other_views(rows):
        done = [
            run
            for row in rows
            if row.views == views
            for run in row.outcome.runs
            if run.state == "done"
        ]
        missing = sum(views not in run.evaluations for run in done)
        if missing:
            command = f"python scripts/evaluate.py {shlex.quote(str(folder))}/*/ --views {views}"
            yield f"No {called(views)} error yet of {missing} of {len(done)} runs:\n\n    {command}"


def _sources(outcomes: Sequence[Outcome], references: Sequence[str]) -> Iterator[str]:
    yield bullets("Published:", [f"[{i}] {text}" for i, text in enumerate(references, 1)])
    if any(o.published and o.published.verified == "memory" for o in outcomes):
        yield wrap("memory: a number from recollection, not checked against its source.")


# ---- CSV --------------------------------------------------------------------------------------


def _csv(records: Sequence[dict[str, Any]]) -> str:
    """Raw numbers with full names; empty where there is none."""
    text = io.StringIO()
    names = list(records[0]) if records else []
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for record in records:
        cells = ((k, printable(o) if isinstance(o, str) else o) for k, o in record.items())
        writer.writerow(dict(cells))
    return text.getvalue()


def _records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    adapted = any(row.is_adapted for row in rows)
    return [_record(row, adapted) for row in rows]


def _record(row: Row, adapted: bool) -> dict[str, Any]:
    outcome, like = row.outcome, row.comparison
    return {
        "variant": outcome.label,
        "difference": dump_yaml(outcome.variant.difference).strip().replace("\n", "; ")
        if outcome.variant.difference
        else "",
        "params": outcome.variant.params,
        "multiply_adds": outcome.variant.multiply_adds,
        **({"starts_from": row.starts_from, "trainable": row.trainable} if adapted else {}),
        "runs_planned": len(outcome.runs),
        "runs_done": outcome.count("done"),
        "runs_diverged": outcome.count("diverged"),
        "runs_running": outcome.count("running"),
        "runs_crashed": outcome.count("crashed"),
        "runs_missing": outcome.count("pending", "interrupted"),
        **_statistics("train", row.train),
        **_statistics("test", row.test),
        "views": row.views,
        **_statistics("views", row.seen),
        **_statistics("views", row.five, "top5_error"),
        "test_split": "holdout" if _is_held_out(outcome) else "test",
        **_published_record(outcome.published),
        "compared_statistic": like.statistic if like else "",
        "difference_to_published": like.difference if like else "",
    }


def _statistics(
    split: str, summary: Summary | None, metric: str = "top1_error"
) -> dict[str, float | None]:
    names = ("mean", "std", "best", "median")
    return {f"{split}_{metric}_{name}": getattr(summary, name, None) for name in names}


def _published_record(published: Published | None) -> dict[str, Any]:
    names = (
        "value",
        "bound",
        "fail",
        "kind",
        "n",
        "best",
        "mean",
        "median",
        "std",
        "citation",
        "third_party",
        "verified",
    )
    return {f"published_{name}": getattr(published, name, None) for name in names}
