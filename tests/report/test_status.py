"""The status has one line per run: its state, its step of all steps, its last error."""

from typing import Any

import pytest
from tests.listener import listening
from tests.machines import be_silent, machine
from tests.report.conftest import Lab

from reslab import store
from reslab.report.markdown import markdown
from reslab.report.status import overview, render
from reslab.report.table import tabulate
from reslab.store import metrics


def test_each_state_is_told_with_its_progress(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 6)
    lab.done(folders[0], 1.0, 9.5)
    lab.diverged(folders[1])
    for folder in folders[2:5]:
        lab.start(folder, until=0.5)
    store.write_error(folders[3], "no memory")
    with store.lock(folders[2]):
        text = render(lab.plan())
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:10]]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        ("done", "1,280", "1,280"),
        ("diverged", "1,234", "1,280"),
        ("running", "640", "1,280"),
        ("crashed", "640", "1,280"),
        ("interrupted", "640", "1,280"),
        ("pending", "0", "1,280"),
    ]
    assert lines[0][4:] == ["9.50", "12 s"]
    assert "6 runs: 1 done, 1 diverged, 1 running, 1 crashed, 1 interrupted, 1 pending" in text


def test_runs_of_other_machines_are_told_as_they_are(lab: Lab) -> None:
    """The one that is heard of is running, the silent one interrupted."""
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2)
    for folder in folders:
        lab.start(folder, until=0.5)
    with store.lock(folders[0]), store.lock(folders[1]), machine("login"):
        be_silent(folders[1])
        assert render(lab.plan()).endswith("2 runs: 1 running, 1 interrupted\n")


def test_one_run_is_one_run(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"})
    assert render(lab.plan()).endswith("\n1 run: 1 pending\n")


def test_a_damaged_file_is_named_and_the_other_runs_are_shown(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = lab.variant("plain", {"model": "plain20"}, seeds=3)
    lab.all_done(folders, 1.0, [10.0, 11.0, 12.0])
    damaged = {
        folders[0]: [store.RESULT, store.ENV],
        folders[1]: [store.ENV, store.CONFIG, store.METRICS, store.evaluation("ten_crop")],
    }
    for folder, names in damaged.items():
        for name in names:
            (folder / name).write_text("{torn\n")
    text = render(lab.plan())
    assert text.splitlines()[-1] == "3 runs: 1 damaged, 2 done"
    warned = capsys.readouterr().err
    assert f"warning: {folders[0] / store.RESULT} is damaged: line 1: " in warned
    assert f"warning: {folders[1] / store.METRICS}: line 1: " in warned
    assert f"warning: {folders[1] / store.CONFIG}" in warned
    table = markdown(tabulate([lab.plan()]))
    assert f"{folders[0].name} has a damaged result.json" in table
    assert "2/3, 1 damaged" in table
    assert f"warning: {folders[1] / store.ENV} is damaged" in capsys.readouterr().err


def test_on_a_terminal_long_names_are_broken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.variant(60 * "ab", {"model": "plain20"}, seeds=2)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    for text in (render(lab.plan()), overview([lab.plan()])):
        assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 80


def test_rows_are_understood_as_far_back_as_the_last_evaluation(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that is done the last alone: there may be a thousand runs, each of hundreds."""
    done, begun = lab.variant("plain", {"model": "plain20"}, seeds=2)
    lab.done(done, 1.0, 9.5)
    lab.start(begun, until=0.5)
    store.append_metrics(begun, {"step": 32_100, "train_loss": 1.0})
    understood, understand = list[bytes](), metrics._row

    def noted(line: bytes, file: str) -> Any:
        understood.append(line)
        return understand(line, file)

    monkeypatch.setattr(metrics, "_row", noted)
    assert " 32,100 " in render(lab.plan())
    ends = [(one / store.METRICS).read_bytes().splitlines() for one in (done, begun)]
    assert understood == [ends[0][-1], ends[1][-1], ends[1][-2]]


def test_a_finished_run_is_four_opened_files_and_no_listed_folder(lab: Lab) -> None:
    """Each once: of a thousand runs another is seconds."""
    folders = lab.variant("plain", {"model": "plain20"}, seeds=3)
    lab.all_done(folders, 1.0, [9.5, 9.6, 9.7])
    plan = lab.plan()
    with listening() as heard:
        render(plan)
    read = sorted([store.CONFIG, store.LOCK, store.METRICS, store.RESULT])
    for folder in folders:
        own = [(event, path) for event, path in heard if path.startswith(str(folder))]
        assert sorted(own) == [("open", str(folder / name)) for name in read]
