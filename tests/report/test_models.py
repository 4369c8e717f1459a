"""scripts/models.py: the zoo as a table, as JSON, and against a recount."""

import json

import pytest

from reslab.config.costs import Complexity
from reslab.config.zoo import ZOO
from reslab.errors import UserError
from reslab.report import models
from reslab.text import width


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("resnet1202", ["resnet1202"]),
        ("resnet20", ["resnet20"]),  # a name is only itself, though resnet20_w8 contains it
        ("plain*_w8", ["plain8_w8", "plain20_w8", "plain32_w8"]),
        ("lain110", ["plain110"]),
    ],
)
def test_a_pattern_is_a_name_a_glob_or_a_part(pattern: str, names: list[str]) -> None:
    assert sorted(models.matching(pattern)) == sorted(names)


def test_a_pattern_without_a_match_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UserError, match="no net's name matches 'resnet65'; did you mean resnet"):
        models.show("resnet65", "table")


def test_json_is_a_list_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert models.show("resnet20", "json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "resnet20"
    assert (row["params"], row["multiply_adds"]) == (269_722, 40_551_040)
    assert row["published"]["params_m"] == 0.27  # He 2015, Table 6


def test_the_table_has_a_line_for_every_net(capsys: pytest.CaptureFixture[str]) -> None:
    models.show("*", "table")
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("| name")
    assert [line.split()[1] for line in lines] == list(ZOO)


@pytest.mark.parametrize(
    ("name", "paper", "printed_by"),
    [
        ("plain56", "He 2015, Sec. 4.2", "plain_net_replication, table of the write-up"),
        ("resnet101", "He 2015, Table 1", "torchvision, weights metadata"),
        ("plain110", "He 2015, Sec. 4.2", "–"),
    ],
)
def test_a_net_stands_beside_its_paper_whoever_printed_its_counts(
    name: str, paper: str, printed_by: str
) -> None:
    *_, row = models.as_table(name).splitlines()
    cells = [cell.strip().removesuffix(" (third party)") for cell in row.strip("|").split("|")]
    assert (cells[4], cells[7]) == (paper, printed_by)


@pytest.mark.parametrize("form", ["table", "json", "check"])
def test_another_librarys_net_is_answered_with_how_to_show_it(form: models.Form) -> None:
    with pytest.raises(UserError, match=r"models\.py torchvision:mobilenet_v2 --layers") as caught:
        models.show("torchvision:mobilenet_v2", form)
    assert len(str(caught.value)) < 200


def test_a_check_reports_differences_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "counted_by_torch", lambda nets: [Complexity(1, 2) for _ in nets])
    assert models.show("resnet20", "check") == 1
    assert (
        "resnet20: 269,722 parameters, 40,551,040 multiply-adds summed" in capsys.readouterr().out
    )


@pytest.mark.process
def test_a_net_is_printed_as_a_table_of_layers_that_adds_up() -> None:
    first, *_, last = models.as_layers("resnet8_w8").splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (first, last)]
    assert cells[0] == ["conv1", "Conv2d", "8 × 8 × 8", "72", "4,608"]
    assert cells[1] == ["sum", "", "", "19,074", "189,248"]  # the golden row's


def test_on_a_terminal_the_table_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    models.show("*", "table")
    assert max(map(width, capsys.readouterr().out.splitlines())) <= 80
