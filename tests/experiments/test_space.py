"""What is missing on a disk, photographs or room, is told before anything is written."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.jobs import job

from reslab import store
from reslab.errors import UserError
from reslab.experiments import space
from reslab.experiments.jobs import Job

Usage = namedtuple("Usage", "total used free")


def run(folder: Path, seed: int = 0, **config: str) -> Job:
    planned = job(folder, seed=seed, **config)
    return replace(planned, variant=replace(planned.variant, params=1_000_000))


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that are free."""
    free = [0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free[0]))
    return free


def test_a_checkpoint_has_the_weights_and_what_the_optimiser_keeps(tmp_path: Path) -> None:
    """SGD keeps a velocity, 4 bytes each; float64 takes twice as much."""
    assert space.checkpoint_bytes(run(tmp_path).config, 1_000_000) == 8_000_000
    double = run(tmp_path, precision="64-true").config
    assert space.checkpoint_bytes(double, 1_000_000) == 16_000_000


def test_every_run_needs_a_checkpoint_and_those_under_way_the_next_one_too(tmp_path: Path) -> None:
    jobs = [run(tmp_path, seed) for seed in range(3)]
    assert space.needed(jobs, 2) == 3 * (8_000_000 + space.OTHER) + 2 * 8_000_000
    jobs[0].folder.mkdir()
    (jobs[0].folder / store.CHECKPOINT).touch()
    assert space.needed(jobs, 2) == 2 * (8_000_000 + space.OTHER) + 2 * 8_000_000
    assert space.needed([], 2) == 0


def test_too_little_room_is_refused_with_both_numbers_and_the_remedy(
    tmp_path: Path, left: list[int]
) -> None:
    jobs = [run(tmp_path, seed) for seed in range(2)]
    left[0] = space.needed(jobs, 1)
    space.refuse_unready(jobs, 1)
    left[0] -= 1
    with pytest.raises(UserError) as caught:
        space.refuse_unready(jobs, 1)
    assert "has 28 MB left, and the 2 runs will write up to 28 MB" in str(caught.value)
    assert "RESLAB_RUNS=FOLDER" in str(caught.value)
    left[0] = 0
    space.refuse_unready([replace(planned, state="diverged") for planned in jobs], 1)
