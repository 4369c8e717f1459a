"""A data file that does not have the shape of a paper is refused with the place of the mistake."""

from typing import Any

import pytest
from pydantic import ValidationError

from reslab.config.trees import merge
from reslab.papers.schema import Cell, Paper

PAPER: dict[str, Any] = {
    "cite": "Doe 2020",
    "citation": {"title": "Nets"},
    "verified": "memory",
    "protocols": {"cifar": {"run": {"recipe.steps": 10}, "silent_on": ["data.holdout"]}},
    "tables": {
        "table1": {
            "label": "Table 1",
            "caption": "Errors.",
            "dataset": "cifar10",
            "columns": {"test_error": "%"},
            "protocol": "cifar",
            "rows": {"net": {"values": {"test_error": 5.0}}},
        }
    },
}


def paper(**changes: Any) -> Paper:
    """A small paper with changes at dotted paths."""
    return Paper.model_validate(merge(PAPER, changes), strict=False)


def test_a_number_is_short_for_a_cell_and_fail_is_a_word() -> None:
    rows = {"net": {"values": {"test_error": 5.0}}, "deep": {"values": {"test_error": "fail"}}}
    values = [
        line.values["test_error"]
        for line in paper(**{"tables.table1.rows": rows}).tables["table1"].rows.values()
    ]
    assert values == [Cell(value=5.0), Cell(fail=True)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocols.cifar.run": {"recipe.step": 10}}, "recipe.step'; did you mean recipe.steps"),
        ({"protocols.cifar.silent_on": ["batch norm"]}, "protocols.cifar: a run has no field"),
        ({"tables.table1.protocol": "cifer"}, "no protocol 'cifer'; did you mean cifar"),
        ({"tables.table1.rows.net.values.train_error": 1.0}, "no column 'train_error'"),
        (
            {"tables.table1.rows.net.protocol": "cifer"},
            "rows.net.protocol: there is no protocol 'ci",
        ),
        (
            {"protocols.cifar.differs": [{"says": "otherwise", "where": {"data.nam": "mnist"}}]},
            "protocols.cifar: a run has no field 'data.nam'",
        ),
        ({"tables.table1.rows.net.run": {"lr": 0.1}}, "rows.net: a run has no field 'lr'"),
        ({"tables.table1.rows.net.values.test_error": {"above": 5.0, "below": 6.0}}, "one of"),
        ({"tables.table1.rows.net.verified": "surely"}, "memory"),
        ({"tables.table1.rows.net.quoted": ["tst_error"]}, "no column 'tst_error'"),
        (
            {"tables.table1.columns.more": {"metric": "%", "run": {"data.nam": "mnist"}}},
            "columns.more: a run has no field",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        paper(**changes)


@pytest.mark.parametrize(
    ("citation", "message"),
    [
        ({"title": "Nets", "authors": "J. Doe", "booktitle": "Proceedings"}, "expected appeared"),
        ({"title": "Nets", "authors": "J. Doe", "appeared": 2020}, "expected appeared"),
        ({"title": "Nets", "journal": "Journal", "appeared": 2020}, "authors: is missing"),
    ],
)
def test_a_citation_of_proceedings_is_whole(citation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        paper(citation=citation)
