"""One record per run, as CSV beside the table and from Python; without torch."""

import csv
import io
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.report.conftest import Lab

import reslab
from reslab.errors import UserError
from reslab.report.results import results_of, runs_csv
from reslab.report.runs import outcomes_of
from reslab.report.table import show
from reslab.store.plans import write_plan


@pytest.fixture
def ran(lab: Lab) -> Lab:
    """One run that is done, one that diverged and one that has not begun; the plan is kept."""
    lab.options |= {"budget": 0.5, "seeds": 2}
    done, diverged = lab.variant("ResNet 20", {"model": "resnet20"}, 2)
    lab.done(done, 0.5, 8.0)
    lab.start(done, test=8.0, python="3.12.3", torch="2.14.1")
    lab.diverged(diverged)
    lab.variant("ResNet 32", {"model": "resnet32"})
    write_plan(lab.plan())
    return lab


def test_a_run_that_is_done_has_its_errors_and_what_it_was_made_with(ran: Lab) -> None:
    first, *_ = reslab.results(ran.name)
    assert asdict(first) == {
        "experiment": ran.name,
        "plan": f"{ran.name}@budget=0.5+seeds=2",
        "variant": "ResNet 20",
        "seed": 0,
        "options": "BUDGET=0.5 SEEDS=2",
        "state": "done",
        "train_top1_error": 0.5,
        "test_top1_error": 8.0,
        "test_loss": 0.5,
        "examples": 10_000,
        "wrong": 800,
        "steps": 32_000,
        "seconds": 12.3,
        "params": 853_018,
        "trainable": 853_018,
        "multiply_adds": 125_485_696,
        "code": "c0de",
        "device": "1 × cpu (x86_64)",
        "versions": "python 3.12.3, torch 2.14.1",
        "folder": str(next(ran.folder.glob("resnet-20-s0-*"))),
    }


def test_runs_without_errors_are_there_too(ran: Lab) -> None:
    _, diverged, pending = reslab.results(ran.name)
    assert (diverged.state, diverged.seed, diverged.steps) == ("diverged", 1, 1234)
    assert (diverged.test_top1_error, diverged.wrong) == (None, None)
    assert (pending.variant, pending.state) == ("ResNet 32", "pending")
    assert (pending.steps, pending.device, pending.versions) == (None, None, None)


def test_the_table_leaves_them_beside_it(ran: Lab) -> None:
    show(ran.plan())
    rows = list(csv.DictReader(io.StringIO((ran.plan().home / "runs.csv").read_text())))
    assert [row["state"] for row in rows] == ["done", "diverged", "pending"]
    assert rows == [
        {name: "" if value is None else str(value) for name, value in asdict(run).items()}
        for run in reslab.results(ran.name)
    ]


def test_an_experiment_may_be_named_by_its_folder_wherever_it_lies(
    ran: Lab, tmp_path: Path
) -> None:
    moved = tmp_path / "kept" / "elsewhere"
    moved.parent.mkdir()
    ran.folder.rename(moved)
    first, *_ = found = reslab.results(moved)
    assert found == reslab.results(str(moved))
    assert (first.experiment, first.test_top1_error) == ("elsewhere", 8.0)
    assert Path(first.folder).parent == moved


def test_what_was_not_run_is_said(ran: Lab, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"made_by_hnad.*has not been run.*made_by_hand"):
        reslab.results("made_by_hnad")
    with pytest.raises(UserError, match=r"has no plan\.json: expected the folder of an experiment"):
        reslab.results(tmp_path)


def test_nothing_in_the_csv_commands_a_terminal(lab: Lab) -> None:
    lab.variant("\x1b[2J20", {"model": "resnet20"})
    assert "\\x1b[2J20" in runs_csv(results_of(lab.plan(), outcomes_of(lab.plan())))


def test_results_need_no_torch(ran: Lab) -> None:
    program = (
        f"import sys, reslab; assert reslab.results({ran.name!r})[0].wrong == 800;"
        "assert not {'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)"
    )
    source = Path(reslab.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
