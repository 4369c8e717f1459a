"""What commit 73a3278 wrote is read, resumed and tabled; tests/before/make.py says how it was made.

Numbers in tables are those that the old code printed.
"""

import shutil
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DECODING, WORKERS
from tests.test_commands import arguments, cells

from reslab import commands, disk, store
from reslab.config.resolve import read_run
from reslab.errors import UserError

BEFORE = Path(__file__).with_name("before")
RESOLVE = import_module("reslab.config.resolve")

ROWS = {
    "plain": ["2/2", "74.88 ± 9.45", "75.14 ± 9.62", "68.33", "75.14"],
    "residual": ["1/2, 1 interrupted", "74.11 ± –", "74.17 ± –", "74.17", "74.17"],
    "too fast": ["0 of 2 trained", "diverged", "diverged", "–", "–"],
}
UNREAD = "recipe.schedule.gamma: 0.5 is not read with name: 'cosine'"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old runs, with the experiments that they are of, in a folder of its own."""
    experiments = tmp_path / "configs" / "experiments"
    experiments.mkdir(parents=True)
    for file in BEFORE.glob("*.yaml"):
        shutil.copy(file, experiments)
    shutil.copytree(RESOLVE.CONFIGS / "recipes", tmp_path / "configs" / "recipes")
    for folder in ("runs", "photographs"):
        shutil.copytree(BEFORE / folder, tmp_path / folder)
    monkeypatch.setattr(RESOLVE, "CONFIGS", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path / "runs"


def only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def same_command(name: str) -> Namespace:
    return arguments(name=name, seeds=2)


# ---- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", ["before", "before_photographs"])
def test_a_run_has_the_id_that_it_was_begun_with(runs: Path, experiment: str) -> None:
    folders = [path.parent for path in (runs / experiment).glob("*/config.yaml")]
    ids = {folder.name: read_run(folder / store.CONFIG).run_id for folder in folders}
    assert {name: name.rpartition("-")[2] for name in ids} == ids


def test_its_status_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.read("status", ["before"]) == 0
    printed = capsys.readouterr().out
    assert "6 runs: 3 done, 1 interrupted, 2 diverged" in printed
    assert cells(printed, "plain-s0-b309811eeb")[1:5] == ["done", "40", "40", "81.94"]
    assert cells(printed, "residual-s1-596f755147")[1:5] == ["interrupted", "25", "40", "–"]
    assert cells(printed, "too-fast-s0-b446ef60c3")[1:5] == ["diverged", "4", "40", "–"]


def test_its_table_is_the_one_that_was_printed(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.read("table", ["before"]) == 0
    printed, warned = capsys.readouterr()
    assert {label: cells(printed, label)[4:] for label in ROWS} == ROWS
    assert cells(printed, "plain")[1:4] == ["shortcut=none", "1.32 k", "12.8 k"]
    assert "too-fast-s1-bc463e0089 diverged at step 4 with learning rate 1e+09" in printed
    assert "Options: SEEDS=2" in printed
    assert warned == ""


def test_its_figure_is_drawn(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.read("figure", ["before"]) == 0
    assert (runs / "before" / "figures" / "curves.svg").exists()
    assert capsys.readouterr().err == ""


def test_an_evaluation_on_other_views_is_read(runs: Path) -> None:
    from reslab.report.runs import outcomes_of

    [outcome] = outcomes_of(store.read_plan("before_photographs"))
    assert outcome.errors("test", "ten_crop") == {0: 50.0}


def test_the_same_command_finds_its_final_runs_final(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = same_command("before")
    asked.dry = True
    assert commands.run(asked) == 0
    printed = capsys.readouterr().out
    states = {label: cells(printed, label)[6] for label in ROWS}
    assert states == {
        "plain": "2 done",
        "residual": "1 done, 1 interrupted",
        "too fast": "2 diverged",
    }
    assert "1 of 6 runs to do" in printed


# ---- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["residual.safetensors", "before/residual-s0-7059002837"])
def test_weights_give_the_logits_that_they_gave(runs: Path, weights: str) -> None:
    import torch

    from reslab import load

    held = torch.load(runs / "logits.pt", weights_only=True)
    with torch.no_grad():
        logits = load(runs / weights)(held["images"])
    torch.testing.assert_close(logits, held["logits"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", ["residual.safetensors", "before/residual-s0-7059002837"])
def test_weights_make_the_errors_that_they_made(runs: Path, weights: str) -> None:
    """267 of 360, and the last digit of a logit may decide one or two."""
    from reslab.inference.evaluate import evaluate_file

    assert evaluate_file(runs / weights).score.wrong == pytest.approx(267, abs=2)


# ---- going on -----------------------------------------------------------------------------------


def resume(runs: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """Let the same command finish the interrupted run; its folder and its result."""
    folder = only(runs / name, "residual-s1-*")
    begun = (folder / store.METRICS).read_bytes()
    assert commands.run(same_command(name)) == 0
    first, second = store.read_starts(folder)
    assert (first["commit"], first["resumed"], second["resumed"]) == ("73a327833b", False, True)
    assert (folder / store.METRICS).read_bytes().startswith(begun)
    result = store.read_result(folder)
    assert result is not None and result["status"] == "done"
    return folder, result


@pytest.mark.process
def test_an_interrupted_run_goes_on_from_its_step_to_where_it_would_have_come(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit where the old code made it; processors round otherwise."""
    _, result = resume(runs, "before")
    finished = disk.read_json(runs / "finished.json")
    assert result["step"] == finished["step"] == 40
    assert result["code"] != finished["code"]
    for split in ("train", "test"):
        assert result[split]["examples"] == finished[split]["examples"]
        assert result[split]["loss"] == pytest.approx(finished[split]["loss"], rel=0.01)
    printed, warned = capsys.readouterr()
    assert cells(printed, "plain")[4:] == ROWS["plain"]
    assert cells(printed, "residual")[4] == "2/2"
    assert "5 of the final runs were made by another version of the code" in warned

    both = ["before", "before_photographs"]  # a new plan and an old one
    assert commands.read("compare", both) == 0
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if "|" in line]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [
        *(["before@seeds=2", label] for label in ROWS),
        ["before_photographs@seeds=2", "residual"],
    ]


@pytest.mark.process
@DECODING
@WORKERS
def test_an_interrupted_run_on_photographs_goes_on_wherever_they_lie_now(runs: Path) -> None:
    folder, result = resume(runs, "before_photographs")
    assert result["step"] == 6
    assert str(runs.with_name("photographs")) in (folder / store.CONFIG).read_text("utf-8")


# ---- what is refused today ----------------------------------------------------------------------


def test_runs_with_a_set_field_that_nothing_read_are_tabled_with_a_warning(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.read("table", ["before_unread"]) == 0
    printed, warned = capsys.readouterr()
    assert cells(printed, "residual")[4:7] == ["1/2, 1 interrupted", "73.49 ± –", "73.89 ± –"]
    assert f"config.yaml: {UNREAD}" in warned


def test_they_are_not_resumed_and_it_is_said_what_to_write_instead(runs: Path) -> None:
    from reslab.training.start import start

    told = f"{UNREAD}.*; leave it out, or write gamma: 0.1"
    with pytest.raises(UserError, match=f"experiments/before_unread.yaml: base.{told}"):
        commands.run(same_command("before_unread"))
    with pytest.raises(UserError, match=told):
        start(only(runs / "before_unread", "residual-s1-*") / store.CONFIG)


def test_without_that_field_it_is_another_run_beside_the_old_one(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = RESOLVE.CONFIGS / "experiments" / "before_unread.yaml"
    file.write_text(file.read_text("utf-8").replace(", gamma: 0.5", ""), "utf-8")
    asked = same_command("before_unread")
    asked.dry = True
    assert commands.run(asked) == 0
    assert cells(capsys.readouterr().out, "residual")[6] == "2 pending"
