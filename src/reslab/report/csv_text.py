"""Tables for programs: CSV with raw numbers and full names; empty where there is none."""

import csv
import io
from collections.abc import Iterable, Sequence

from reslab.report.values import Table, Value
from reslab.text import printable


def table_csv(table: Table) -> str:
    """The fields of a table."""
    return to_csv(table.fields, ([row[key].value for key in table.fields] for row in table.rows))


def to_csv(names: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Columns of these names; nothing in them commands a terminal."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([printable(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()
