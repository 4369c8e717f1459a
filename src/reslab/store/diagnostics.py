"""`diagnostics.jsonl`: what a run with `diagnostics: true` has measured of its net, a row a time.

`{"step": 1, "gradients": {"conv1": 0.8, …}}`: norms, of about 20 steps of the training;
`{"step": 400, "responses": {"conv1": 1.2, …}}`: standard deviations, of the weights that were
tested. A number that is not finite is null.
"""

from pathlib import Path
from typing import Any

from reslab.disk import parse_json, room_for, to_json, write_text
from reslab.store import records
from reslab.store.folder import DIAGNOSTICS

Row = dict[str, Any]


def append_diagnostics(folder: Path, row: Row) -> None:
    """Append one row."""
    path = folder / DIAGNOSTICS
    with room_for(path), path.open("a", encoding="utf-8") as file:
        file.write(to_json(row) + "\n")


def read_diagnostics(folder: Path) -> list[Row]:
    """All rows, without lines that a kill or somebody else has damaged; none of a run that did not
    measure."""
    try:
        lines = (folder / DIAGNOSTICS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [row for line in lines if (row := _row(line)) is not None]


def _row(line: bytes) -> Row | None:
    try:
        row: Row = parse_json(line, records.DIAGNOSTICS)
    except ValueError:
        return None
    return row


def drop_diagnostics_after(folder: Path, step: int) -> None:
    """Keep the rows up to and including `step`, so that a resumed run writes none twice."""
    if (folder / DIAGNOSTICS).exists():
        rows = [row for row in read_diagnostics(folder) if row["step"] <= step]
        write_text(folder / DIAGNOSTICS, "".join(to_json(row) + "\n" for row in rows))
