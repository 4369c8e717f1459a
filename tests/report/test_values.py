"""What a table is made of."""

import pytest
from tests.report.conftest import Lab

from reslab.report.table import tabulate
from reslab.report.values import Cell, Column, Kind, Value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "resnet20", "resnet20"),
        ("count", 853_018, "853 k"),
        ("error", 8.456, "8.46"),
        ("difference", -0.5, "−0.50"),
        ("error", None, "–"),
    ],
)
def test_a_value_is_set_as_the_kind_of_its_column_says(kind: Kind, value: Value, text: str) -> None:
    assert Column("key", "head", kind).cell(value) == Cell(value, text)


def test_a_cell_that_says_how_it_reads_stays_as_it_is() -> None:
    said = Cell(3, "3/5, 1 running")
    assert Column("runs_done", "runs", "count").cell(said) is said


def test_notes_say_of_what_they_speak(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    lab.variant("a", {"model": "resnet20"})
    told = {note.kind: note for note in tabulate([lab.plan()]).notes}
    assert told["assumption"].of == "He 2015"
    assert told["options"].plan == f"{lab.name}@budget=0.02"
    assert told["caption"].plan == ""
