"""A disk that is full, or slow: nothing is lost, and signals are obeyed."""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.small_runs import MakeRun, same, weights

from reslab import store
from reslab.errors import UserError
from reslab.training.start import start

pytestmark = pytest.mark.process


def at_flush_of(name: str, number: int, act: Callable[[], None]) -> Callable[[int], None]:
    """`os.fsync` that does this before it flushes a file of such a name for the nth time, or its
    temporary one."""
    flush, seen = os.fsync, list[str]()

    def flushed(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if name in path.name:
            seen.append(name)
            if len(seen) == number:
                act()
        flush(descriptor)

    return flushed


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("name", "number"),
    [(store.CHECKPOINT, 1), (store.CHECKPOINT, 2), (store.METRICS, 2), (store.RESULT, 1)],
    ids=["the first checkpoint", "the next one", "metrics", "the result"],
)
def test_a_run_whose_disk_is_full_is_crashed_and_goes_on_exactly_when_there_is_room(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    whole, cut = make_run("whole"), make_run("cut")
    start(whole)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", at_flush_of(name, number, full))
        with pytest.raises(UserError, match=rf"{name} cannot be written: the disk is full"):
            start(cut)
    assert store.state(cut.parent) == "crashed"
    assert [*cut.parent.glob(".*")] == []
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)


def test_a_signal_that_comes_while_a_slow_disk_takes_a_checkpoint_waits_for_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds for a file; the checkpoint is whole, and the run goes on from it."""
    whole, cut = make_run("whole"), make_run("cut")
    start(whole)
    took = list[float]()

    def slow() -> None:
        began = time.monotonic()
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        time.sleep(5)
        took.append(time.monotonic() - began)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", at_flush_of(store.CHECKPOINT, 1, slow))
        assert start(cut) == 1
    assert took[0] >= 5
    assert store.state(cut.parent) == "interrupted"
    assert start(cut) == 0
    assert [entry["resumed"] for entry in store.read_starts(cut.parent)] == [False, True]
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
