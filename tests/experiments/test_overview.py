"""The progress of a whole experiment."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.jobs import SLOT, job
from tests.results import DONE

from reslab import disk, store
from reslab.experiments.jobs import Job
from reslab.experiments.overview import Overview
from reslab.text import duration


def test_the_time_left_is_weighed_by_time_not_by_multiply_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small nets cost layers and a start-up, which are no multiply-adds."""
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    costly = replace(small.variant, multiply_adds=189_248_000)
    large = replace(small, variant=costly, folder=tmp_path / "large")
    assert large.work.total == 1000 * small.work.total
    clock = iter([0.0, 100.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    overview = Overview([small, large], SLOT)
    small.folder.mkdir()
    disk.write_json(small.folder / store.RESULT, DONE)
    overview.say("small: done")
    left = 100 * large.work.seconds(SLOT) / small.work.seconds(SLOT)
    assert f"[1/2, about {duration(left)} left] small: done" in capsys.readouterr().out


def test_without_a_terminal_a_line_comes_at_least_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    runs = [job(tmp_path, "resnet8_w8", seed, data="digits", recipe="digits") for seed in (0, 1)]
    overview = Overview(runs, SLOT)
    running = runs[0]
    running.folder.mkdir()
    disk.write_text(running.folder / store.METRICS, '{"step": 100, "train_loss": 1.0}\n')
    for _ in range(12):
        now += 10
        overview.show([running], waiting=False)
    lines = capsys.readouterr().out.splitlines()
    done = running.fraction()
    left = duration(60 * (2 - done) / done)
    assert lines[0] == f"[0/2, about {left} left] running: {running.folder.name} {done:.0%}"
    assert len(lines) == 2, "at 60 s and 120 s"


def test_runs_whose_files_are_slow_to_read_are_looked_at_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of runs on a network's file system: 2 s for a look are one in 40 s, a twentieth."""
    now, looks = 0.0, list[float]()
    monkeypatch.setattr("time.monotonic", lambda: now)
    runs = [job(tmp_path, "resnet8_w8", data="digits", recipe="digits")]
    overview = Overview(runs, SLOT)

    def slow(_: Job) -> float:
        nonlocal now
        looks.append(now)
        now += 2
        return 0.0

    monkeypatch.setattr(Job, "fraction", slow)
    for _ in range(300):
        now += 0.2
        overview.show(runs, waiting=False)
    assert looks == pytest.approx([1.0, 41.0], abs=0.3)
