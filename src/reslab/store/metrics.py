"""Rows that a run writes as it trains, a JSON object a line: `metrics.jsonl`, in the same form
`diagnostics.jsonl`.

A line without an end is one that a kill has torn, and is none. Lines that are damaged otherwise are
no rows, and are told.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from reslab.disk import Shape, parse_json, room_for, to_json, write_text
from reslab.store import records
from reslab.store.folder import DIAGNOSTICS, METRICS, Row

SHAPES: dict[str, Shape] = {METRICS: records.METRICS, DIAGNOSTICS: records.DIAGNOSTICS}


def append_metrics(folder: Path, row: Row, file: str = METRICS) -> None:
    """Append one row; `flush_metrics` waits until it is on the disk."""
    path = folder / file
    with room_for(path), path.open("a", encoding="utf-8") as opened:
        opened.write(to_json(row) + "\n")


def flush_metrics(folder: Path) -> None:
    """Put the metrics on the disk: before a checkpoint, which will not write them again, and before
    a result."""
    path = folder / METRICS
    if path.exists():
        with room_for(path), path.open("rb") as file:
            os.fsync(file.fileno())


def read_metrics(folder: Path, file: str = METRICS) -> list[Row]:
    """All rows, without lines that are damaged: `checked_metrics` names them."""
    return checked_metrics(folder, file)[0]


def checked_metrics(folder: Path, file: str = METRICS) -> tuple[list[Row], list[str]]:
    """The rows, and what is wrong with damaged lines."""
    lines = [*latest_metrics(folder, file)][::-1]
    return [row for row, _ in lines if row is not None], [wrong for _, wrong in lines if wrong]


def latest_metrics(folder: Path, file: str = METRICS) -> Iterator[tuple[Row | None, str]]:
    """The rows from the last to the first, each understood when it is asked for: there are
    hundreds, of which many readers want the last. For a damaged line comes what is wrong."""
    path = folder / file
    lines = _whole_lines(path)
    for place in range(len(lines), 0, -1):
        row, wrong = _row(lines[place - 1], file)
        yield row, f"{path}: line {place}: {wrong}" if wrong else ""


def last_step(folder: Path) -> int:
    """The step of the last whole row of metrics, 0 without any; reads the end of the file only."""
    rows = (_row(line, METRICS)[0] for line in reversed(_whole_lines(folder / METRICS, 4096)))
    return int(next(filter(None, rows), {"step": 0})["step"])


def _whole_lines(path: Path, most: int | None = None) -> list[bytes]:
    """Those of a file, or of its last bytes."""
    try:
        with path.open("rb") as file:
            if most is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _row(line: bytes, file: str) -> tuple[Row | None, str]:
    """The row of a line, or why it is none."""
    try:
        return parse_json(line, SHAPES[file]), ""
    except ValueError as error:
        return None, str(error).removeprefix("line 1: ")


def drop_metrics_after(folder: Path, step: int, file: str = METRICS) -> None:
    """Keep the rows up to and including `step`, so that a resumed run writes none twice.

    Damaged lines are told, and put aside in `metrics.jsonl.damaged`.
    """
    path = folder / file
    if not path.exists():
        return
    rows, damaged = checked_metrics(folder, file)
    if damaged:
        aside = path.with_name(f"{path.name}.damaged")
        print("\n".join([*damaged, f"what is damaged is kept in {aside}"]))
        with room_for(aside), aside.open("ab") as opened:
            lines = (line for line in _whole_lines(path) if _row(line, file)[0] is None)
            opened.write(b"".join(line + b"\n" for line in lines))
    write_text(path, "".join(to_json(row) + "\n" for row in rows if row["step"] <= step))
