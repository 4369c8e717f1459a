"""The table of experiments: one row per variant beside the published number, deviations below.

Training and test error are those of the last step, in per cent; the training error is that of the
final weights in evaluation mode on the whole training split. Statistics are over seeds.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from reslab import disk
from reslab.config.views import called
from reslab.report.columns import columns_of, filled
from reslab.report.csv_text import table_csv
from reslab.report.fields import fields_of
from reslab.report.markdown import fitted, markdown
from reslab.report.notes import notes
from reslab.report.questions import Seconds, judge, judged_notes, timed
from reslab.report.results import results_of, runs_csv
from reslab.report.rows import Row, other_views, rows_of
from reslab.report.runs import Outcome, outcomes_of
from reslab.report.times import target_notes
from reslab.report.values import Note, Table
from reslab.report.verdict import Question
from reslab.store import names
from reslab.store.plan import Plan


def show(plan: Plan, seconds: Seconds | None = None) -> None:
    """Print the table of a plan, and leave it in table.md and table.csv, its runs in runs.csv.

    `seconds` is what so many seeds would take beyond those of the plan; only the print has it.
    """
    outcomes = outcomes_of(plan)
    table = tabulated([(plan, outcomes)])
    print(fitted(timed(table, seconds) if seconds else table, str(plan.home / "table.md")))
    keep(table, plan.home / "table")
    disk.write_text(plan.home / "runs.csv", runs_csv(results_of(plan, outcomes)))


def keep(table: Table, stem: Path) -> str:
    """Write it to STEM.md and STEM.csv; their names."""
    disk.write_text(stem.with_suffix(".md"), markdown(table))
    disk.write_text(stem.with_suffix(".csv"), table_csv(table))
    return f"{stem}.md, {stem}.csv"


def tabulate(plans: Sequence[Plan]) -> Table:
    """One table over one plan or several; no file is written."""
    return tabulated([(plan, outcomes_of(plan)) for plan in plans])


def tabulated(found: Sequence[tuple[Plan, Sequence[Outcome]]]) -> Table:
    """The same of plans whose runs have been read."""
    read = [(plan, *judge(plan, rows_of(plan, outcomes))) for plan, outcomes in found]
    rows = [row for _, members, _ in read for row in members]
    columns = columns_of(rows, names_plans=len(read) > 1)
    return Table(
        plans=tuple((plan.name, plan.title) for plan, _, _ in read),
        columns=tuple(column for column, _ in columns),
        fields=fields_of(rows[0], {column.key for column, _ in columns}),
        rows=tuple(filled(row, columns) for row in rows),
        notes=(
            *_caption(rows),
            *(note for each in read for note in _before_sources(*each)),
            *_sources(rows),
            *(note for plan, members, _ in read for note in _after_sources(plan, members)),
        ),
    )


def _before_sources(
    plan: Plan, rows: Sequence[Row], questions: Sequence[Question]
) -> Iterator[Note]:
    """What the seeds say, what is not there yet of a plan's errors, and what its options are."""
    told = judged_notes(plan, rows, questions)
    for note in (*told, *target_notes(plan), *_unseen(rows, plan.folder), *_options(plan)):
        yield replace(note, plan=plan.name)


def _options(plan: Plan) -> Iterator[Note]:
    if words := names.all_given(plan.options):
        yield Note("options", f"Options: {words}")


def _after_sources(plan: Plan, rows: Sequence[Row]) -> Iterator[Note]:
    for note in notes(plan, [row.outcome for row in rows]):
        yield replace(note, plan=plan.name)


def _caption(rows: Sequence[Row]) -> Iterator[Note]:
    """How the errors are to be read, a sentence each."""
    configs = [row.outcome.config for row in rows]
    yield Note(
        "caption",
        "Errors in per cent at the last step, training error with the final weights; mean ± "
        "standard deviation (n − 1), best and median over seeds.",
    )
    if any(config and config.data.selected_on == "holdout" for config in configs):
        yield Note(
            "caption",
            "Where the held-out images choose (data.selected_on), errors are of the weights of "
            "the step that the notes name.",
        )
    if any(row.outcome.count("diverged") for row in rows):
        yield Note(
            "caption",
            "Where a run diverged there is no mean; it counts as the worst in best and median.",
        )
    if any(row.seen for row in rows):
        names = " and ".join(map(called, other_views(rows)))
        yield Note(
            "caption",
            f"{names[0].upper()}{names[1:]} errors are of the same weights, on other views of each "
            "test image; the published ones beside them are of such views.",
        )
    if any(row.comparison for row in rows):
        yield Note(
            "caption",
            "Δ is ours minus published, the same statistic of both; a single run and an unstated "
            "statistic (the source does not say whether best or mean, nor of how many) stand "
            "beside our mean.",
        )


def _unseen(rows: Sequence[Row], folder: Path) -> Iterator[Note]:
    """How to get the errors on views that runs were not evaluated on."""
    for views in other_views(rows):
        of_these = [row for row in rows if row.views == views]
        done = [run for row in of_these for run in row.outcome.runs if run.state == "done"]
        missing = sum(views not in run.evaluations for run in done)
        if missing:
            text = f"No {called(views)} error yet of {missing} of {len(done)} runs"
            command = f"python scripts/evaluate.py {shlex.quote(str(folder))}/*-s*/ --views {views}"
            yield Note("missing", text, command=command)


def _sources(rows: Sequence[Row]) -> Iterator[Note]:
    """What the published numbers are from, in the order of their marks [1], [2], …"""
    published = [row.published for row in rows if row.published]
    tables: dict[str, str] = {}
    for number in published:
        tables.setdefault(number.reference, number.table)
    yield from (Note("source", reference, of=table) for reference, table in tables.items())
    if any(number.verified == "memory" for number in published):
        yield Note("memory", "memory: a number from recollection, not checked against its source.")
