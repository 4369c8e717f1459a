"""What is read of a plan's runs: what they ended with, and nothing of those that did not end."""

from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import Lab

from reslab import store
from reslab.report.runs import outcomes_of


def test_only_runs_that_trained_to_their_end_have_errors(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=5)
    lab.all_done(folders[:2], 0.5, [8.0, 9.0])
    lab.diverged(folders[2])
    lab.start(folders[3])
    for folder in folders:
        lab.evaluated(folder, "ten_crop", 7.0, 1.0)
    (folders[1] / store.evaluation("ten_crop")).unlink()
    [variant] = outcomes_of(lab.plan())
    assert variant.errors("test") == {0: 8.0, 1: 9.0}
    assert variant.errors("train") == {0: 0.5, 1: 0.5}
    assert variant.errors("test", "ten_crop") == {0: 7.0}
    assert variant.errors("test", metric="top5_error") == {}  # of one view they were not counted
    assert variant.count("done", "diverged") == 3
    assert [run.is_final for run in variant.runs] == [True, True, True, False, False]


def test_what_a_variants_runs_have_in_common_is_told_by_any_of_them(lab: Lab) -> None:
    first, second = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2)
    (first / store.CONFIG).unlink()
    [variant] = outcomes_of(lab.plan())
    assert variant.config is not None and variant.config.seed == 1
    (second / store.CONFIG).unlink()
    [variant] = outcomes_of(lab.plan())
    assert variant.config is None


def test_a_run_that_ends_while_it_is_read_is_not_both_running_and_final(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    [folder] = lab.variant("ResNet 20", {"model": "resnet20"})
    lab.start(folder)
    read_result = store.read_result

    def ends_just_then(folder: Path) -> dict[str, Any] | None:
        before = read_result(folder)
        lab.done(folder, 1.0, 9.0)
        return before

    monkeypatch.setattr("reslab.store.folder.read_result", ends_just_then)
    [variant] = outcomes_of(lab.plan())
    assert (variant.runs[0].state, variant.runs[0].is_final) == ("interrupted", False)


def test_a_config_that_is_damaged_is_named_and_the_others_are_read(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2)
    text = (first / store.CONFIG).read_text()
    (first / store.CONFIG).write_text(text.replace("steps:", "stepz:"))
    [variant] = outcomes_of(lab.plan())
    assert [run.config is None for run in variant.runs] == [True, False]
    warned = capsys.readouterr().err
    assert f"{first / store.CONFIG}: recipe.stepz: no such field" in warned
    assert second.name not in warned
