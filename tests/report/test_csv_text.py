"""CSV for programs: raw values, and nothing where there is none."""

from reslab.report.csv_text import table_csv, to_csv
from reslab.report.values import Cell, Column, Table


def test_values_are_written_as_they_are_and_none_is_empty() -> None:
    rows = [["a,b", 0.1 + 0.2], ["\x1b[2J", None], ["c", 3]]
    assert to_csv(["name", "x"], rows) == ('name,x\n"a,b",0.30000000000000004\n\\x1b[2J,\nc,3\n')


def test_a_table_gives_the_values_of_its_fields_in_their_order() -> None:
    none = Cell(None, "–")
    rows = ({"a": Cell(1, "one"), "b": none}, {"a": Cell(2, "two"), "b": none})
    table = Table((("x", "X"),), (Column("a", "A", "count"),), ("b", "a"), rows, ())
    assert table_csv(table) == "b,a\n,1\n,2\n"
