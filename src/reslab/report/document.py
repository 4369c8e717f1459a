"""Puts an experiment's table and figure into a document, between two marks.

<!-- quickstart:begin -->  …  <!-- quickstart:end -->, and the figure as an image beside it. A mark
may name columns by their keys in table.csv, `… :begin variant, test_top1_error_mean -->`: then
these stand there, with the verdicts and questions below and no other notes.
"""

import dataclasses
import re
from pathlib import Path

from reslab import disk, store
from reslab.errors import UserError
from reslab.report.figures.draw import draw
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.report.values import Table
from reslab.store.plan import Plan


def insert(document: Path, images: Path, plan: Plan) -> None:
    """Renew the table of a plan in `document` and its figure in `images`.

    `UserError` if the document has no place for it, or if a run of the plan is not final: what
    stands in a document is a whole result.
    """
    name = plan.name
    missing = [run.name for run in plan.folders() if store.state(run) not in store.FINAL]
    if missing:
        raise UserError(f"{name} is not finished: {', '.join(missing)}")
    mark = re.escape(name)
    marks = rf"(<!-- {mark}:begin ?(.*?) *-->\n).*?(<!-- {mark}:end -->)"
    text, table = document.read_text(encoding="utf-8"), tabulate([plan])
    renewed, places = re.subn(
        marks,
        lambda found: f"{found[1]}\n{markdown(_part(table, found[2]))}\n{found[3]}",
        text,
        flags=re.DOTALL,
    )
    if places != 1:
        raise UserError(f"{document} needs one place <!-- {name}:begin --> … <!-- {name}:end -->")
    images.mkdir(parents=True, exist_ok=True)
    [png] = draw(plan, ["curves"], kinds=["png"])
    disk.write_bytes(images / f"{name}.png", png.read_bytes())
    disk.write_text(document, renewed)


def _part(table: Table, keys: str) -> Table:
    """Of a table the columns with these keys, divided by commas; "" is all of it."""
    if not keys:
        return table
    columns = {column.key: column for column in table.columns}
    chosen = [key.strip() for key in keys.split(",")]
    if unknown := [key for key in chosen if key not in columns]:
        raise UserError(f"no column {', '.join(unknown)}; there are {', '.join(columns)}")
    notes = tuple(table.told("verdict", "question"))
    return dataclasses.replace(table, columns=tuple(columns[key] for key in chosen), notes=notes)
