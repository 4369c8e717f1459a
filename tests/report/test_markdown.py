"""A table as Markdown: the grid, its sources, and what stands below."""

from dataclasses import replace

from tests.report.conftest import TABLE6, THIRD, Lab, rendered

from reslab.report.csv_text import table_csv
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.text import UNPRINTABLE


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
