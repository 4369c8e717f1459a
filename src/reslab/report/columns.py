"""The columns of a table that people read: which there are, and what of a row stands in them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reslab.config.views import called
from reslab.report import cells, times
from reslab.report.fields import record_of
from reslab.report.rows import Row, other_views
from reslab.report.times import right
from reslab.report.values import Cell, Column, Kind, Value

CellOf = Callable[[Row], Cell | Value]
Columns = list[tuple[Column, CellOf]]

LEAVE = (
    "multiply_adds", "params", "test_top1_error_median", "test_top1_error_best", "trainable",
    "runs_done", "train_top1_error_mean", "difference_to_published_top5", "published_top5_value",
    "views_top5_error_mean", "starts_from", "teacher",
)  # fmt: skip
"""Columns that a narrow terminal goes without, the first first."""


def columns_of(rows: Sequence[Row], names_plans: bool) -> Columns:
    """What people read, in their order: a column, and what of a row stands in it."""
    several = other_views(rows)
    tested = _tested_on(rows) + (", 1 crop" if several else "")
    adapted = any(row.is_adapted for row in rows)
    named: Columns = [_column("experiment", "experiment", "text", lambda row: row.plan)]
    return [
        *(named if names_plans else []),
        _column("variant", "variant", "text", lambda row: row.variant.label),
        _column("difference", "difference", "text", cells.difference),
        _column("params", "params", "count", lambda row: row.variant.params),
        _column("multiply_adds", "mult-adds", "count", lambda row: row.variant.multiply_adds),
        *(STARTS if adapted else []),
        *(TEACHERS if any(row.teacher for row in rows) else []),
        *(TRAINABLE if adapted else []),
        _column("runs_done", "runs", "count", cells.runs),
        _column(
            "train_top1_error_mean",
            "train error",
            "error",
            lambda row: cells.spread(row, row.train),
        ),
        _column("test_top1_error_mean", tested, "error", lambda row: cells.spread(row, row.test)),
        _column("test_top1_error_best", "best", "error", lambda row: row.test.best),
        _column("test_top1_error_median", "median", "error", lambda row: row.test.median),
        *_columns_of_times(rows),
        *(_column_of_views(views) for views in several),
        *(COMPARED if any(row.published for row in rows) else []),
        *(COMPARED_FIVE if any(row.published_five for row in rows) else []),
    ]


def _column(key: str, head: str, kind: Kind, cell: CellOf) -> tuple[Column, CellOf]:
    return Column(key, head, kind), cell


def _columns_of_times(rows: Sequence[Row]) -> Columns:
    """How long it took to the error that is asked for, where one is."""
    targets = {row.to_target.target for row in rows if row.to_target}
    told = right(min(targets)) if len(targets) == 1 else "target"
    column = _column(
        "seconds_to_target_mean", f"s to {told}", "time", lambda row: times.cell(row.to_target)
    )
    return [column] if targets else []


def _column_of_views(views: Any) -> tuple[Column, CellOf]:
    return _column(
        f"{views}_top1_error_mean",
        f"{called(views)} error",
        "error",
        lambda row: cells.seen(row, row.seen if row.views == views else None),
    )


STARTS: Columns = [_column("starts_from", "starts from", "text", lambda row: row.starts_from)]
TRAINABLE: Columns = [_column("trainable", "trainable", "count", lambda row: row.outcome.trainable)]
"""Where weights come from and how many train, if that is not from nowhere and all in each row."""
TEACHERS: Columns = [_column("teacher", "teacher", "text", lambda row: row.teacher)]
"""Whom each row is taught by, if any is."""

COMPARED: Columns = [
    _column("published_value", "published", "text", lambda row: cells.published(row.published)),
    _column(
        "difference_to_published",
        "Δ",
        "difference",
        lambda row: cells.delta(row.comparison, row.published),
    ),
    _column("verdict_published", "verdict", "text", lambda row: cells.verdict(row.verdict)),
]
COMPARED_FIVE: Columns = [
    _column("views_top5_error_mean", "top-5 error", "error", lambda row: cells.seen(row, row.five)),
    _column(
        "published_top5_value",
        "published top-5",
        "text",
        lambda row: cells.published(row.published_five),
    ),
    _column(
        "difference_to_published_top5",
        "Δ top-5",
        "difference",
        lambda row: cells.delta(row.comparison_five, row.published_five),
    ),
]


def filled(row: Row, columns: Columns) -> Mapping[str, Cell]:
    """A row's cells by their keys: of the columns, and of what only programs read."""
    alone = {key: Cell(value, "") for key, value in record_of(row).items()}
    return alone | {column.key: column.cell(cell(row)) for column, cell in columns}


def _tested_on(rows: Sequence[Row]) -> str:
    """The head of the column of test errors: some may be of training images set aside."""
    splits = {row.outcome.is_held_out for row in rows}
    if len(splits) > 1:
        return "test or held-out error"
    return "held-out error" if splits == {True} else "test error"
