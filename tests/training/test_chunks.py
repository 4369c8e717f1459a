"""Chunks of steps end where something is due and after about half a second; none is lost."""

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.small_runs import SMALL, MakeRun, same, stopped_at, weights

from reslab import store
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.execution import Execution
from reslab.training import chunks
from reslab.training.atomic import DIGEST
from reslab.training.chunks import Chunk, Chunks, Pace, Stopwatch, next_due_of
from reslab.training.classifier import Classifier
from reslab.training.group import Talk
from reslab.training.optimizers import ends_epoch, log_interval
from reslab.training.start import start

LONG = {"recipe.steps": 450, "recipe.schedule.milestones": [200, 300]}
"""A row every 3 steps, an evaluation every 38."""

CHOOSING = {
    "data": {"name": "digits", "holdout": 237, "tested_on": "test", "selected_on": "holdout"},
    "recipe.batch_size": 128,
}


def described(**override: Any) -> RunConfig:
    return resolve(merge(merge(SMALL, {}), override), "here")


def due(config: RunConfig, interval: int, examples: int) -> list[int]:
    """The steps after which something is due, one by one."""
    recipe = config.scaled_recipe
    chooses = config.data.selected_on == "holdout"
    return [
        step
        for step in range(1, recipe.steps + 1)
        if step % log_interval(recipe) == 0
        or step % interval == 0
        or step == recipe.steps
        or (chooses and ends_epoch(recipe, step, examples))
    ]


@pytest.mark.parametrize("override", [{}, LONG, {**LONG, **CHOOSING}], ids=str)
@pytest.mark.parametrize("interval", [38, 451])
@pytest.mark.parametrize("pace", [1, 2, 1000])
def test_a_chunk_ends_where_something_is_due_wherever_it_begins(
    override: dict[str, Any], interval: int, pace: int
) -> None:
    config = described(**override)
    steps, examples = config.recipe.steps, 1200
    expected = due(config, interval, examples)
    for first in (0, 1, 17, steps - 1):
        loader = Chunks(
            lambda done: next_due_of(config, interval, examples, done),
            SimpleNamespace(steps=pace),  # type: ignore[arg-type]
            lambda: first,  # noqa: B023
        )
        found = []
        for chunk in loader:
            if chunk.first >= steps:
                break
            found.append(chunk)
        assert found[0].first == first and found[-1].end == steps
        assert all(one.end == other.first for one, other in pairwise(found))
        assert all(0 < chunk.end - chunk.first <= pace for chunk in found)
        ends = {chunk.end for chunk in found}
        assert {step for step in expected if step > first} <= ends
        if pace == 1000:
            assert ends <= {*expected}


def paced(seconds: list[float], talk: Talk | None = None) -> list[int]:
    """Steps of chunks whose steps take that long."""
    pace = Pace(talk or Talk())
    told = iter(seconds)
    pace.stopwatch = SimpleNamespace(  # type: ignore[assignment]
        start=lambda: None, seconds_per_step=lambda steps: next(told)
    )
    found = []
    for _ in seconds:
        pace.on_train_batch_end(None, None, None, Chunk(0, pace.steps), 0)  # type: ignore[arg-type]
        found.append(pace.steps)
    return found


def test_chunks_grow_to_half_a_second_and_shrink_with_a_slower_machine() -> None:
    """The first step may compile; steps that suddenly take thrice as long are told in 1.5 s."""
    assert paced([60, *[0.01] * 8]) == [1, 2, 4, 8, 16, 32, 50, 50, 50]
    assert paced([0.001] * 10 + [0.003, 2.0])[-3:] == [500, 166, 1]


def test_all_processes_go_by_the_slowest_one() -> None:
    class Others(Talk):
        def greatest(self, number: float) -> float:
            return max(number, 0.1)

    assert paced([0.001] * 5, Others()) == [2, 4, 5, 5, 5]


def test_the_stopwatch_is_of_the_chunk_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stopwatch, now = Stopwatch(), 10.0
    stopwatch.start()
    now = 12.0
    assert stopwatch.seconds_per_step(4) == 0.5


@pytest.mark.process
def test_the_length_of_chunks_changes_no_bit_and_they_are_as_long_as_they_may(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here as long as from one row to the next, but for the first ones and evaluations."""
    long, short = make_run("long", LONG), make_run("short", LONG)
    lengths = list[int]()
    steps = Classifier.training_step

    def seen(self: Classifier, chunk: Chunk, batch_idx: int) -> None:
        assert self.trainer.global_step == chunk.first
        lengths.append(chunk.end - chunk.first)
        steps(self, chunk, batch_idx)
        assert self.trainer.global_step == chunk.end

    with monkeypatch.context() as patched:
        patched.setattr(Classifier, "training_step", seen)
        patched.setattr(chunks, "SECONDS", 100.0)
        assert start(long) == 0
    assert sum(lengths) == 450 and max(lengths) == 3 and len(lengths) < 180
    monkeypatch.setattr(chunks, "SECONDS", 0.0)
    assert start(short) == 0
    assert same(weights(long), weights(short))
    assert store.read_metrics(long.parent) == store.read_metrics(short.parent)


@pytest.mark.process
def test_a_checkpoint_of_automatic_optimisation_goes_on_at_its_step(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts are those of a last.ckpt that Lightning wrote at step 11, each of four
    micro-batches, when it stepped by itself and a LambdaLR set the rates."""
    old = json.loads(Path(__file__).with_name("automatic_optimization.json").read_text())
    whole, cut = make_run("whole"), make_run("cut")
    execution = Execution(micro_batch=8)
    assert start(whole, execution) == 0
    with stopped_at(11):
        assert start(cut, execution) == 1
    file = cut.with_name(store.CHECKPOINT)
    checkpoint = torch.load(file, weights_only=True)
    assert checkpoint["global_step"] == old["global_step"] == 11
    del checkpoint[DIGEST]  # those of then had none
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        group["initial_lr"] = 0.1
    torch.save({**checkpoint, **old}, file)
    seen = list[int]()
    steps = Classifier.training_step

    def watched(self: Classifier, chunk: Chunk, batch_idx: int) -> None:
        seen.extend(range(*chunk))
        steps(self, chunk, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", watched)
    assert start(cut, execution) == 0
    assert seen == list(range(11, 40))
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
