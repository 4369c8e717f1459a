"""Work in other processes: its order, its errors, its end."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
import torch
from tests.conftest import WORKERS

from reslab.data.workers import chunks, default_workers, in_workers, one_thread_beside
from reslab.errors import UserError

pytestmark = WORKERS


def slow_if_even(item: int) -> tuple[int, int]:
    time.sleep(0.01 * (item % 2 == 0))
    return item, os.getpid()


def refuse_three(item: int) -> int:
    if item == 3:
        raise UserError("three\nis not taken")
    return item


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_are_in_the_items_order(workers: int) -> None:
    results = list(in_workers(slow_if_even, range(12), workers))
    assert [item for item, _ in results] == list(range(12))
    others = {process for _, process in results} - {os.getpid()}
    assert len(others) == workers


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_for_people_comes_as_it_is_after_what_precedes_it(workers: int) -> None:
    results = in_workers(refuse_three, range(9), workers)
    assert list(islice(results, 3)) == [0, 1, 2]
    with pytest.raises(UserError, match=r"^three\nis not taken$"):
        next(results)


@pytest.mark.parametrize("workers", [0, 2])
def test_items_may_be_endless_and_are_taken_a_little_ahead(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in count():
            taken.append(item)
            yield item

    results = in_workers(refuse_three, items(), workers)
    assert next(results) == 0
    assert len(taken) <= 1 + 2 * workers + 1


def test_workers_are_one_fewer_than_the_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESLAB_WORKERS", raising=False)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    for threads, workers in {1: 0, 2: 1, 8: 7, 64: 16}.items():
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert default_workers() == workers
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")  # torchrun: OMP_NUM_THREADS is 1 for all
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(24)), raising=False)
    assert default_workers(processes=4) == 5
    monkeypatch.setenv("RESLAB_WORKERS", "0")
    assert default_workers() == 0


def test_torch_has_one_thread_beside_workers_for_a_while() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread_beside(0):
            assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), one_thread_beside(1):
            assert torch.get_num_threads() == 1
            raise RuntimeError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch ends them within seconds")
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import os, signal, time
from itertools import count
from pathlib import Path
from reslab.data.workers import chunks, in_workers

def note(item):
    Path({str(tmp_path)!r}, str(os.getpid())).touch()
    if item > 5:
        time.sleep(60)
    return item

for item in in_workers(note, count(), 2):
    if item == 4:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    workers = [Path("/proc", path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    deadline = time.monotonic() + 2
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(process: Path) -> bool:
    """Whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
def test_chunks_are_slices_that_have_every_item_once_in_order(count: int) -> None:
    parts = chunks(range(3, 3 + count), 4)
    assert [item for part in parts for item in part] == list(range(3, 3 + count))
    assert all(isinstance(part, range) and 0 < len(part) <= 4 for part in parts)
