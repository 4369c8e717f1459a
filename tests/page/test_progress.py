"""How far runs are and how long they will take, as their files say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.report.conftest import Lab

from reslab import disk, store
from reslab.config.resolve import resolve
from reslab.page import progress as module
from reslab.page.progress import changed, progress


def begun(folder: Path, seconds_ago: float) -> None:
    """Its only start was so long ago."""
    [start] = store.read_starts(folder)
    start["time"] = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    disk.write_json(folder / store.ENV, [start])


def told(lab: Lab) -> tuple[str, dict[str, str]]:
    found = progress([lab.plan()])
    return found["summary"], {run["name"]: run["told"] for run in found["runs"]}


def test_a_run_that_goes_on_is_told_with_its_step_and_its_own_pace(lab: Lab) -> None:
    """A half in 100 seconds: 100 seconds are left."""
    [folder] = lab.variant("a", {"model": "resnet20"})
    lab.start(folder, until=0.5)
    begun(folder, 100)
    with store.lock(folder):
        summary, runs = told(lab)
    assert summary == "0 of 1 run done, 1 running, about 2 min left"
    assert runs[folder.name].startswith("running, step 32,000 of 64,000, about")


def test_runs_to_come_take_what_other_seeds_took_as_many_at_once_as_run(lab: Lab) -> None:
    """Two to come of 12.3 s each and one at its half with 6.15 s left, one at a time."""
    folders = lab.variant("a", {"model": "resnet20"}, 4)
    lab.done(folders[0], 0.5, 8.0)
    lab.start(folders[1], until=0.5)
    disk.write_json(folders[1] / store.ENV, store.read_starts(folders[1]) * 2)  # resumed: no pace
    with store.lock(folders[1]):
        summary, _ = told(lab)
    assert summary == "1 of 4 runs done, 1 running, about 31 s left"


def test_without_another_seed_the_model_of_costs_says_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 2)
    lab.start(folders[0], until=0.04, threads=2)
    monkeypatch.setattr(module, "_correction", lambda device: 1.0)
    monkeypatch.setattr(module.estimate.Work, "seconds", lambda *_: 60.0)
    with store.lock(folders[0]):
        summary, runs = told(lab)
    assert summary.endswith("1 running, about 2 min left"), "58 s and 60 s, one at a time"
    assert runs[folders[0].name].endswith("about 60 s left")


def test_a_run_in_its_experiments_folder_itself_is_seen_to_begin() -> None:
    folder, tree = store.experiment_folder("mine"), {"model": "resnet8_w8", "data": "digits"}
    store.make_folder(folder, resolve({**tree, "recipe": "digits"}, "here"), {})
    plan = store.read_plan("mine")
    before = changed([plan])
    with store.lock(folder):
        assert changed([plan]) != before


def test_where_nothing_runs_that_is_said_and_no_time(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 3)
    lab.done(folders[0], 0.5, 8.0)
    store.write_error(folders[1], "out of memory")
    summary, runs = told(lab)
    assert summary == "1 of 3 runs done, 1 failed, nothing runs"
    assert [*runs.values()] == ["done, 64,000 steps", "crashed", "pending"]


def test_what_is_done_is_whole_and_what_runs_never_is(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 2)
    lab.done(folders[0], 0.5, 8.0)
    lab.start(folders[1])
    done = progress([lab.plan()])["done"]
    assert 0.99 < done < 1, "the last evaluation is still to come"
    lab.done(folders[1], 0.5, 8.0)
    assert progress([lab.plan()])["done"] == 1


def test_damaged_files_cost_no_more_than_what_they_held(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 3)
    (folders[0] / store.RESULT).write_text("{")
    (folders[1] / store.CONFIG).write_text("{")
    lab.start(folders[2], until=0.5)
    (folders[2] / store.ENV).write_text("[")
    summary, runs = told(lab)
    assert summary == "0 of 3 runs done, 1 failed, nothing runs"
    assert [*runs.values()][:2] == ["damaged", "pending"]


def test_a_change_of_any_file_that_is_told_changes_the_word(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 2)
    words = [changed([lab.plan()])]
    lab.start(folders[0], until=0.5)
    words.append(changed([lab.plan()]))
    lab.done(folders[0], 0.5, 8.0)
    words.append(changed([lab.plan()]))
    (lab.folder / "figures").mkdir()
    (lab.folder / "figures" / "curves.png").write_bytes(b"")
    words.append(changed([lab.plan()]))
    with store.lock(folders[1]):
        words.append(changed([lab.plan()]))
    assert len(set(words)) == 5
    assert changed([lab.plan()]) == words[3]
