"""Every paper's data file has its shape, and its numbers are those of the collected sources."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from reslab.config import ZOO
from reslab.papers import paper_names, read_paper
from reslab.papers.schema import Cell, Line, Paper, run_fields

COLLECTED = Path(__file__).parents[2].parent / "shared" / "reference" / "published.yaml"
TABLES = {
    ("he2015", "table1"): "he2015_t1",
    ("he2015", "table2"): "he2015_t2",
    ("he2015", "table3"): "he2015_t3",
    ("he2015", "table4"): "he2015_t4",
    ("he2015", "table6"): "he2015_t6",
    ("he2015", "figure6"): "he2015_f6",
    ("plain_net_replication", "table"): "plain_replication",
}
COLUMNS = {"test_error_lower_bound": "test_error", "train_error_upper_bound": "train_error"}
"""Where the collection writes a bound as a column, we write it as a bound in the column."""


@pytest.mark.parametrize("name", paper_names())
def test_a_data_file_has_the_shape_of_a_paper(name: str) -> None:
    paper = read_paper(name)
    assert all(table.rows for table in paper.tables.values())


@pytest.mark.parametrize("name", paper_names())
def test_a_protocol_names_fields_of_a_run(name: str) -> None:
    for protocol in read_paper(name).protocols.values():
        assert {*protocol.run, *protocol.silent_on} <= run_fields()
        assert not set(protocol.run) & set(protocol.silent_on), "stated and silent at once"


@pytest.mark.parametrize("name", paper_names())
def test_the_cifar_nets_of_a_paper_are_in_the_zoo(name: str) -> None:
    ours = [
        line.model
        for table in read_paper(name).tables.values()
        for line in table.rows.values()
        if line.model and line.model.startswith(("resnet", "plain"))
    ]
    assert set(ours) <= set(ZOO)


@pytest.fixture(scope="module")
def collected() -> dict[str, Any]:
    """The collection's tables by their id; it lies beside the checkout where it is worked on."""
    if not COLLECTED.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{COLLECTED} is missing")
        pytest.skip("the collection of published numbers is not beside this checkout")
    tree = yaml.load(COLLECTED.read_text(encoding="utf-8"), yaml.CSafeLoader)  # large: the fast one
    groups = [*tree["papers"].values(), *tree["third_party_cifar"].values()]
    return {table["id"]: table for group in groups for table in group["tables"]}


@pytest.mark.parametrize("place", TABLES, ids="/".join)
def test_the_numbers_are_those_of_the_collected_sources(
    place: tuple[str, str], collected: dict[str, Any]
) -> None:
    paper, table = read_paper(place[0]), read_paper(place[0]).tables[place[1]]
    theirs = collected[TABLES[place]]
    assert {label: _numbers(line) for label, line in table.rows.items()} == {
        row["label"]: _collected_numbers(row) for row in theirs["rows"]
    }
    assert {label: _verified(paper, line) for label, line in table.rows.items()} == {
        row["label"]: row["verified"] for row in theirs["rows"]
    }
    assert table.label == theirs["label"] or paper.third_party


def _verified(paper: Paper, line: Line) -> str:
    return line.verified or paper.verified


def _numbers(line: Line) -> dict[str, Any]:
    cells = {column: _cell(cell) for column, cell in line.values.items() if cell is not None}
    if line.gmacs is not None:
        cells["gflops"] = {line.gmacs}
    return {"model": line.model, "params_m": line.params_m, **cells}


def _cell(cell: Cell) -> set[float]:
    fields = cell.model_dump(exclude={"fail", "n"}).values()
    return {number for number in fields if number is not None}


def _collected_numbers(row: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column, value in row["values"].items():
        stats = row.get("stats", {}).get(column, {})
        numbers = {value, *(stats.get(name) for name in ("best", "mean", "median", "std"))}
        if numbers != {None}:
            cells[COLUMNS.get(column, column)] = numbers - {None}
    return {"model": row["model"], "params_m": row["params_m"], **cells}
