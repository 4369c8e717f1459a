"""What is kept of runs with the code: every run, table, figure and environment; nothing private."""

import csv
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.report.conftest import Lab

from reslab import store
from reslab.errors import UserError
from reslab.report import archive
from reslab.report.runs import outcomes_of

RESNET20 = {"model": "resnet20"}


def test_a_plan_is_kept_whole_and_no_more_than_that(lab: Lab, tmp_path: Path) -> None:
    first, second = lab.variant("ResNet 20", RESNET20, seeds=2)
    lab.done(first, 1.0, 8.0)
    (first / store.CHECKPOINT).write_bytes(b"weights")
    folder = archive.archive(lab.plan(), tmp_path)
    assert folder == tmp_path / "made_by_hand"
    kept = ["environment.json", "figure.svg", "runs.csv", "table.md"]
    assert sorted(file.name for file in folder.iterdir()) == kept
    assert (folder / "table.md").read_text().startswith("**Made by hand**\n")
    with (folder / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["folder"]) for row in rows] == [
        ("done", first.name),
        ("pending", second.name),
    ]
    lab.done(second, 1.0, 9.0)
    assert " 2/2 |" in (archive.archive(lab.plan(), tmp_path) / "table.md").read_text()


def test_of_a_start_stays_what_can_move_a_number(lab: Lab, tmp_path: Path) -> None:
    for run, form in zip(
        lab.variant("x", RESNET20, seeds=3), ("eager", "eager", "compiled"), strict=True
    ):
        lab.start(run, torch="2.14.1", commit="c0ffee", form=form, pid=7, host="mine", time=None)
    [outcome] = outcomes_of(lab.plan())
    alike = {"commit": "c0ffee", "code": "c0de", "torch": "2.14.1", "device": "cpu (x86_64)",
             "devices": 1}  # fmt: skip
    assert archive.made_with([outcome]) == [
        {"starts": 2, **alike, "form": "eager"},
        {"starts": 1, **alike, "form": "compiled"},
    ]


def test_a_plan_of_which_nothing_has_ended_is_refused(lab: Lab, tmp_path: Path) -> None:
    lab.variant("ResNet 20", RESNET20)
    with pytest.raises(UserError, match="no run of made_by_hand has ended"):
        archive.archive(lab.plan(), tmp_path)
    assert [*tmp_path.glob("made_by_hand/*")] == []


@pytest.mark.parametrize("path", ["/srv/me/x.safetensors", "~/x.safetensors"])
def test_a_path_of_this_machine_is_refused(lab: Lab, tmp_path: Path, path: str) -> None:
    lab.options["set"] = (f"start.file={path}",)
    [run] = lab.variant("ResNet 20", RESNET20)
    lab.done(run, 1.0, 8.0)
    with pytest.raises(UserError, match=rf"runs\.csv of .* would say '{path}'"):
        archive.archive(lab.plan(), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_what_is_kept_here_has_no_path_and_no_weights() -> None:
    files = [file for file in (REPOSITORY / "results").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".csv", ".md", ".svg", ".json"}
    texts = {file: file.read_text("utf-8") for file in files if file.suffix != ".svg"}
    assert [file for file, text in texts.items() if archive.PATH.search(text)] == []
    for plan in (file.parent for file in files if file.name == archive.RUNS):
        needs = (archive.TABLE, archive.FIGURE, archive.ENVIRONMENT, archive.REMARKS)
        assert [name for name in needs if not (plan / name).is_file()] == [], plan.name
