"""A table as Markdown: the grid, its sources, and what stands below."""

from dataclasses import replace

import pytest
from tests.report.conftest import TABLE6, THIRD, Lab, rendered

from reslab.report.columns import LEAVE
from reslab.report.csv_text import table_csv
from reslab.report.markdown import fitted, markdown
from reslab.report.table import tabulate
from reslab.text import UNPRINTABLE, width


def test_the_citation_stands_under_the_table(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    assert "[1] He 2015, Table 6: K. He, X. Zhang, S. Ren, J. Sun" in rendered(lab)


def test_the_source_of_the_table_is_aligned(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    text = rendered(lab)
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))


def test_nothing_in_a_table_commands_a_terminal(lab: Lab) -> None:
    """Labels, titles, notes and options, as they are shown and as they are kept."""
    lab.variant("\x1b[2J20", {"model": "resnet20"}, note="\x9b1m\u202e")
    lab.options["only"] = "\x1b]0;x\x07"
    table = tabulate([replace(lab.plan(), title="\x1b[1m\nnext")])
    shown, kept = markdown(table), table_csv(table)
    for text in (shown, kept):
        assert UNPRINTABLE.sub("", text) == text.replace("\n", "")
    assert shown.startswith("**\\x1b[1m\\nnext**\n")
    assert "\\x1b[2J20" in kept


def test_on_a_terminal_the_table_and_its_notes_fit_and_the_file_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.all_done(lab.variant("plain", {"model": "plain20"}, 2, (THIRD, "Plain-20")), 1, [9, 8])
    lab.all_done(lab.variant("ours", {"model": "resnet20", "seed": 3}, 2), 1, [9, 8])
    table = tabulate([lab.plan()])
    assert fitted(table, "table.md") == markdown(table)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    text = fitted(table, "table.md")
    assert all(width(line) <= 80 for line in text.splitlines())
    assert "Left out in 80 columns: params, mult-adds" in text
    assert "\nAll columns: table.md\n" in text
    monkeypatch.setenv("COLUMNS", "300")
    assert fitted(table, "table.md") == markdown(table)


def test_every_column_that_is_left_out_is_one_of_the_table(lab: Lab) -> None:
    """Of adapted variants, of taught ones and of ten-crop numbers alone there are others."""
    lab.variant("plain", {"model": "plain20"})
    there = {column.key for column in tabulate([lab.plan()]).columns}
    of_some = {"starts_from", "teacher", "trainable", *(key for key in LEAVE if "top5" in key)}
    assert set(LEAVE) - of_some <= there
