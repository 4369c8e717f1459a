"""Several evaluations side by side, as people and as programs read them."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch

from reslab.errors import UserError
from reslab.inference import comparison
from reslab.inference.evaluate import Evaluation
from reslab.inference.metrics import Score


def evaluated(wrong: int, wrong5: int | None = None) -> Evaluation:
    """Of 200 images of two classes."""
    confusion = torch.tensor([[100 - wrong, wrong], [0, 100]])
    return Evaluation(
        "digits", "test", "center", Score(200, wrong, 0.5, wrong5), ("a", "b"), confusion
    )


def test_runs_are_called_by_what_tells_them_apart() -> None:
    one = evaluated(3)
    assert comparison.names({Path("r/x/a-s0"): one, Path("r/y/last.ckpt"): one}) == ["a-s0", "y"]
    twice = {Path("r/x/a-s0"): one, Path("r/y/a-s0"): one}
    assert comparison.names(twice) == ["r/x/a-s0", "r/y/a-s0"]


def test_the_table_has_a_row_for_each_and_top_5_where_it_was_counted() -> None:
    found = {Path("a"): evaluated(3), Path("b"): evaluated(4, 1)}
    rows = [[c.strip() for c in r.split("|")[1:-1]] for r in comparison.as_table(found).split("\n")]
    assert rows[0] == ["run", "data", "wrong", "of", "top-1 error", "top-5 error", "loss"]
    assert rows[2:] == [
        ["a", "digits test", "3", "200", "1.50", "–", "0.5000"],
        ["b", "digits test", "4", "200", "2.00", "0.50", "0.5000"],
    ]
    assert "top-5" not in comparison.as_table({Path("a"): evaluated(3)})


def test_programs_read_csv_and_json_by_the_end_of_the_files_name(tmp_path: Path) -> None:
    found = {Path("a"): evaluated(3), Path("b"): evaluated(4, 1)}
    comparison.save(found, tmp_path / "x.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text(encoding="utf-8"))))
    assert [(r["run"], r["wrong"], r["top1_error"], r["wrong5"]) for r in rows] == [
        ("a", "3", "1.5", ""),
        ("b", "4", "2.0", "1"),
    ]
    comparison.save(found, tmp_path / "x.json")
    read = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert [each["run"] for each in read] == ["a", "b"]
    assert read[0]["class_errors"] == {"a": 3.0, "b": 0.0}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("x.txt", "--save x.txt: expected a file that ends with .csv or .json"),
        ("nowhere/x.csv", "--save: there is no folder nowhere"),
    ],
)
def test_a_file_that_could_not_be_written_is_refused_before(file: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        comparison.refuse_no_file(Path(file))
    assert str(caught.value) == message
