"""What a run measures of its net is kept row by row, and read back without what is damaged."""

from pathlib import Path

from reslab import store
from reslab.store.diagnostics import read_diagnostics

ROWS = [{"step": step, "gradients": {"conv1": step / 4, "fc": 1.0}} for step in (1, 20, 40)]


def kept(folder: Path) -> Path:
    for row in ROWS:
        store.append_metrics(folder, row, store.DIAGNOSTICS)
    return folder


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    assert read_diagnostics(tmp_path) == []
    assert read_diagnostics(kept(tmp_path)) == ROWS


def test_damaged_lines_are_no_rows(tmp_path: Path) -> None:
    """One of somebody's, one whose numbers are none, and the last, which a kill has torn."""
    with (kept(tmp_path) / store.DIAGNOSTICS).open("a") as file:
        file.write('a note\n{"step": 3, "gradients": "none"}\n{"step": 41, "gradi')
    assert read_diagnostics(tmp_path) == ROWS
