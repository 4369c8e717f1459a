"""Checkpoints and interruption: a run that is cut anywhere ends as the undisturbed one."""

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import disk, store
from reslab.execution import Execution
from reslab.training import checkpointing
from reslab.training.start import start

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("step", "execution"),
    [
        (100, Execution()),
        (100, Execution(micro_batch=8)),
        pytest.param(150, Execution(), marks=pytest.mark.slow),
        pytest.param(342, Execution(), marks=pytest.mark.slow),
        pytest.param(342, Execution(micro_batch=8), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_run_stopped_anywhere_resumes_bit_for_bit(
    make_run: MakeRun, step: int, execution: Execution
) -> None:
    """Between two rows, whose sums a checkpoint keeps; at a row; and where an evaluation is due."""
    steps = {"recipe.steps": 450, "recipe.schedule.milestones": [200, 300]}  # a row every 3 steps
    whole, cut = make_run("whole", steps), make_run("cut", steps)
    start(whole, execution)
    with stopped_at(step):
        assert start(cut, execution) == 1
    assert store.state(cut.parent) == "interrupted"
    assert start(cut, execution) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    starts = disk.read_json(cut.with_name(store.ENV))
    assert [entry["resumed"] for entry in starts] == [False, True]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_batch_systems_signal_stops_a_run_as_sigterm_does_and_may_come_again(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    saved = checkpointing.Checkpoint.on_train_batch_end

    def told_twice(self: Any, trainer: Any, *more: Any, **named: Any) -> None:
        if trainer.global_step >= 5 and self.stop_signal is None:
            signal.raise_signal(number)
            self.stopped_at -= 2
            signal.raise_signal(number)
        saved(self, trainer, *more, **named)

    monkeypatch.setattr(checkpointing.Checkpoint, "on_train_batch_end", told_twice)
    run = make_run("told")
    assert start(run) == 1
    assert store.state(run.parent) == "interrupted"
    assert run.with_name(store.CHECKPOINT).exists()


def test_rows_are_on_the_disk_before_what_stands_for_them(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run resumed from a checkpoint writes only the rows after it."""
    on_disk, promised = list[int](), list[int]()

    def rows(folder: Path) -> int:
        return len(store.read_metrics(folder))

    def replaced(path: Path, target: Path) -> Path:
        if target.name in (store.CHECKPOINT, store.RESULT):
            assert on_disk[-1] == rows(target.parent), target.name
            promised.append(on_disk[-1])
        return replace(path, target)

    replace = Path.replace
    monkeypatch.setattr(store, "flush_metrics", lambda folder: on_disk.append(rows(folder)))
    monkeypatch.setattr(Path, "replace", replaced)
    assert start(make_run("a")) == 0
    assert promised == [39, 41, 42]  # at step 38 with an evaluation, at 40, and with the last one


def test_a_run_that_is_killed_in_its_last_evaluation_does_that_again(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_run("a")
    with monkeypatch.context() as patched:
        patched.setattr(store, "RESULT", "nowhere/result.json")
        with pytest.raises(FileNotFoundError):
            start(config)
    rows = store.read_metrics(config.parent)
    assert rows[-1]["step"] == 40
    assert start(config) == 0
    assert store.read_metrics(config.parent) == rows
