"""A row's clock: which steps are counted, and how it ends; with a time of its own."""

import multiprocessing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.clock import SETTLING, WARM_UP, Clock, Over, open_row

from benchmarks import clock as clocks
from reslab.errors import UserError


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`now.time` is the time."""
    told = SimpleNamespace(time=100.0)
    monkeypatch.setattr(clocks, "time", SimpleNamespace(perf_counter=lambda: told.time))
    return told


def asked(*orders: dict[str, Any] | None) -> tuple[Clock, Callable[[], list[dict[str, Any]]]]:
    """A clock that is asked this, and what it has answered since it was ready."""
    here, there = multiprocessing.Pipe()
    for order in orders:
        here.send(order)

    def answers() -> list[dict[str, Any]]:
        found = []
        while here.poll():
            found.append(here.recv())
        return found[1:]

    return Clock(there), answers


def test_a_slice_has_the_steps_of_its_time_and_none_before(now: SimpleNamespace) -> None:
    """Two seconds a step: what warms up and settles is not counted, what has begun is."""
    clock, answers = asked({"kind": "steps", "seconds": 5}, None)
    with pytest.raises(Over):
        for _ in range(WARM_UP + SETTLING + 3):
            now.time += 2
            clock.tick()
    (answer,) = answers()
    assert (answer["steps"], answer["seconds"]) == (3, 6)
    assert answer["memory"] > 10**7


def test_chunks_of_steps_end_a_slice_at_their_end(now: SimpleNamespace) -> None:
    clock, answers = asked({"kind": "steps", "seconds": 5}, None)
    with pytest.raises(Over):
        for _ in range(4):  # one warms up, one settles
            now.time += 3
            clock.tick(30)
    assert [(a["steps"], a["seconds"]) for a in answers()] == [(60, 6)]


def test_what_is_put_aside_is_no_time_of_steps(now: SimpleNamespace) -> None:
    clock, answers = asked({"kind": "steps", "seconds": 5}, None)
    clock.tick(WARM_UP)
    clock.tick(SETTLING)
    now.time += 4
    clock.tick()
    now.time += 100
    clock.aside += 100
    now.time += 1
    with pytest.raises(Over):
        clock.tick()
    assert [(a["steps"], a["seconds"]) for a in answers()] == [(2, 5)]


def test_an_evaluation_is_counted_from_its_second_batch(now: SimpleNamespace) -> None:
    def evaluate() -> Any:
        for images in (100, 100, 50):
            now.time += 1
            yield images

    order = {"kind": "evaluation", "seconds": 60}
    clock, answers = asked(order, None)
    clock.evaluate = evaluate
    with pytest.raises(Over):
        clock.tick(WARM_UP)
    assert [(a["images"], a["seconds"]) for a in answers()] == [(150, 2)]
    clock, answers = asked(order, None)
    with pytest.raises(Over):
        clock.tick(WARM_UP)
    assert "images" not in answers()[0]


def test_a_profile_says_what_takes_most_of_a_step(now: SimpleNamespace) -> None:
    """Ten seconds, two for each of five steps; the functions' own times are real ones."""
    clock, answers = asked({"kind": "profile", "seconds": 10}, None)
    clock.tick(WARM_UP)
    with pytest.raises(Over):
        for _ in range(5):
            now.time += 2
            sorted(range(1000))
            clock.tick()
    [answer] = answers()
    assert answer["step_ms"] == 2000
    assert any("sorted" in name for name in answer["functions"])


def fails(clock: Clock) -> None:
    raise ValueError("no compiler")


def counts(clock: Clock) -> None:
    while True:
        clock.tick()


@pytest.mark.process
def test_a_row_that_cannot_be_measured_says_why() -> None:
    with pytest.raises(UserError, match="ValueError: no compiler"):
        open_row(fails)


@pytest.mark.process
def test_a_row_is_a_process_that_answers_until_it_is_closed() -> None:
    row, memory = open_row(counts)
    assert memory["memory"] > 10**7
    first, second = row.steps(0.01), row.steps(0.01)
    assert min(first["steps"], second["steps"]) > 0
    row.close()
    assert row.process.exitcode == 0
