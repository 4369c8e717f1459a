"""Seconds of training until each evaluation: what is counted, and over starts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun

from reslab import store
from reslab.store.times import TIMES, read_times
from reslab.training import clock
from reslab.training.clock import Clock
from reslab.training.start import start


class Ticking:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def trainer(step: int) -> Any:
    """A trainer, as far as it is looked at."""
    device = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(is_global_zero=True, global_step=step, strategy=device)


MODULE: Any = None


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    return Ticking(monkeypatch)


def test_evaluations_are_not_counted(ticking: Ticking, tmp_path: Path) -> None:
    counts = Clock(tmp_path)
    counts.on_train_start(trainer(0), MODULE)
    ticking.pass_by(2)
    counts.on_validation_start(trainer(10), MODULE)
    ticking.pass_by(50)
    counts.on_validation_end(trainer(10), MODULE)
    ticking.pass_by(3)
    counts.on_train_end(trainer(16), MODULE)
    ticking.pass_by(50)
    counts.on_test_start(trainer(16), MODULE)
    assert read_times(tmp_path) == {10: 2.0, 16: 5.0}


def test_a_start_goes_on_from_its_checkpoint(ticking: Ticking, tmp_path: Path) -> None:
    checkpoint: dict[str, Any] = {}
    first = Clock(tmp_path)
    first.on_train_start(trainer(0), MODULE)
    ticking.pass_by(2)
    first.on_validation_start(trainer(10), MODULE)
    first.on_validation_end(trainer(10), MODULE)
    ticking.pass_by(1)
    first.on_save_checkpoint(trainer(12), MODULE, checkpoint)
    ticking.pass_by(8)  # what a kill takes away
    first.on_validation_start(trainer(20), MODULE)
    second = Clock(tmp_path)
    second.on_load_checkpoint(trainer(12), MODULE, checkpoint)
    ticking.pass_by(1000)
    second.on_train_start(trainer(12), MODULE)
    assert read_times(tmp_path) == {10: 2.0}
    ticking.pass_by(4)
    second.on_validation_start(trainer(20), MODULE)
    assert read_times(tmp_path) == {10: 2.0, 20: 7.0}


def test_a_run_that_begins_anew_forgets_the_times_of_before(
    ticking: Ticking, tmp_path: Path
) -> None:
    for _ in range(2):
        counts = Clock(tmp_path)
        counts.on_train_start(trainer(0), MODULE)
        assert read_times(tmp_path) == {}
        ticking.pass_by(1)
        counts.on_validation_start(trainer(10), MODULE)


def test_of_a_run_begun_without_a_clock_nothing_is_claimed(
    ticking: Ticking, tmp_path: Path
) -> None:
    counts, checkpoint = Clock(tmp_path), dict[str, Any]()
    counts.on_load_checkpoint(trainer(12), MODULE, {})
    counts.on_train_start(trainer(12), MODULE)
    ticking.pass_by(1)
    counts.on_save_checkpoint(trainer(14), MODULE, checkpoint)
    counts.on_validation_start(trainer(20), MODULE)
    counts.on_test_start(trainer(20), MODULE)
    assert not (tmp_path / TIMES).exists() and checkpoint == {}


@pytest.mark.process
def test_every_evaluation_of_a_run_has_its_time(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    rows = store.read_metrics(config.parent)
    evaluated = [row["step"] for row in rows if "test_top1_error" in row]
    times = read_times(config.parent)
    assert [*times] == evaluated == [38, 40]
    result = store.read_result(config.parent)
    assert result is not None and 0 < times[38] <= times[40] < result["seconds"]
