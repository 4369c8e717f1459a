"""Rows of metrics: read as they were appended, without what a kill or somebody else has damaged."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from reslab import store


def rows(*steps: int) -> list[dict[str, Any]]:
    return [{"step": step, "train_loss": 1 / (step + 1)} for step in steps]


def write_rows(folder: Path, *steps: int) -> None:
    for row in rows(*steps):
        store.append_metrics(folder, row)


def tear(folder: Path) -> None:
    """What a kill leaves of a row that was being written."""
    with (folder / store.METRICS).open("a") as file:
        file.write('{"step": 400, "train_lo')


def test_without_metrics_there_are_no_rows_and_no_step(tmp_path: Path) -> None:
    assert store.read_metrics(tmp_path) == []
    assert store.last_step(tmp_path) == 0
    store.drop_metrics_after(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_read_as_they_were_appended(tmp_path: Path) -> None:
    write_rows(tmp_path, 100, 200, 300)
    assert store.read_metrics(tmp_path) == rows(100, 200, 300)
    assert store.last_step(tmp_path) == 300


def test_a_torn_last_row_is_left_out(tmp_path: Path) -> None:
    write_rows(tmp_path, 100, 200)
    tear(tmp_path)
    assert store.read_metrics(tmp_path) == rows(100, 200)
    assert store.last_step(tmp_path) == 200


def test_a_torn_first_row_is_no_row(tmp_path: Path) -> None:
    tear(tmp_path)
    assert store.read_metrics(tmp_path) == []
    assert store.last_step(tmp_path) == 0


def test_rows_after_the_resumed_step_are_dropped_and_the_torn_one_too(tmp_path: Path) -> None:
    write_rows(tmp_path, 100, 200, 300)
    tear(tmp_path)
    store.drop_metrics_after(tmp_path, 200)
    write_rows(tmp_path, 300, 400)
    assert store.read_metrics(tmp_path) == rows(100, 200, 300, 400)


def test_the_last_step_is_read_from_the_end_of_a_long_file(tmp_path: Path) -> None:
    lines = [json.dumps(row) + "\n" for row in rows(*range(2000))]
    (tmp_path / store.METRICS).write_text("".join(lines))
    assert store.last_step(tmp_path) == 1999


def test_rows_are_understood_from_the_last_as_far_as_they_are_asked_for(tmp_path: Path) -> None:
    """A damaged line has its number, and the torn last one is none."""
    lines = [json.dumps(row) for row in rows(*range(6))]
    lines[2] = "{torn"
    (tmp_path / store.METRICS).write_text("\n".join([*lines, '{"step": 6']))
    latest = store.latest_metrics(tmp_path)
    assert next(latest) == (rows(5)[0], "")
    [*others] = latest
    assert [row and row["step"] for row, _ in others] == [4, 3, None, 1, 0]
    assert others[2][1].startswith(f"{tmp_path / store.METRICS}: line 3: Expecting")
    assert [*store.latest_metrics(tmp_path / "nowhere")] == []


@pytest.mark.parametrize(
    "line", ["not a row", '{"step": "x"}', "[]", "", '{"step": -1}', '{"step": 1, "a": []}', "\x00"]
)
def test_a_stray_line_of_metrics_is_named_left_out_and_put_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """It used to make a run unfinishable."""
    write_rows(tmp_path, 100)
    with (tmp_path / store.METRICS).open("a") as file:
        file.write(f"{line}\n")
    assert store.last_step(tmp_path) == 100
    write_rows(tmp_path, 200, 300)
    assert store.read_metrics(tmp_path) == rows(100, 200, 300)
    [found] = store.checked_metrics(tmp_path)[1]
    assert found.startswith(f"{tmp_path / store.METRICS}: line 2: ")
    store.drop_metrics_after(tmp_path, 200)
    aside = tmp_path / "metrics.jsonl.damaged"
    assert capsys.readouterr().out == f"{found}\nwhat is damaged is kept in {aside}\n"
    assert aside.read_text() == f"{line}\n"
    assert store.checked_metrics(tmp_path) == (rows(100, 200), [])


def test_a_line_of_metrics_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / store.METRICS).write_bytes(b'{"step": 1}\n\xff\xfe\n{"step": 2}\n')
    assert [row["step"] for row in store.read_metrics(tmp_path)] == [1, 2]
    assert store.last_step(tmp_path) == 2


def test_metrics_are_flushed_where_there_are_any(tmp_path: Path) -> None:
    store.flush_metrics(tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_rows(tmp_path, 1)
    store.flush_metrics(tmp_path)
    assert store.read_metrics(tmp_path) == rows(1)


def test_rows_of_metrics_have_null_for_what_is_no_number(tmp_path: Path) -> None:
    row = {"step": 1, "lr": 0.1 + 0.2, "train_loss": math.nan}
    store.append_metrics(tmp_path, row)
    assert "NaN" not in (tmp_path / store.METRICS).read_text()
    assert store.read_metrics(tmp_path) == [{**row, "train_loss": None}]
    store.drop_metrics_after(tmp_path, 1)
    assert store.read_metrics(tmp_path) == [{**row, "train_loss": None}]
