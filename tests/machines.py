"""Other machines, as a run's lock sees them: another host's name, and flocks that nobody shares."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reslab import store
from reslab.store.owner import SILENCE


@contextmanager
def machine(name: str) -> Iterator[None]:
    """This process as one of another machine, whose flocks are its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("socket.gethostname", lambda: name)
        patched.setattr("fcntl.flock", lambda *_: None)
        yield


def be_silent(folder: Path, seconds: float = SILENCE + 1) -> None:
    """Let the owner of a run have been seen alive so long ago, by the file system's time."""
    lock = folder / store.LOCK
    times = lock.stat()
    os.utime(lock, (times.st_atime - seconds, times.st_mtime - seconds))


@contextmanager
def taken_over(folder: Path, by: str = "node8") -> Iterator[None]:
    """The run's owner has been silent, and a process of another machine has its lock."""
    be_silent(folder)
    with machine(by), store.lock(folder, 0):
        yield


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_a_process_of_before(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Of a version whose lock was a flock of this machine's, and an empty file."""
    command = [sys.executable, "-c", HOLD, str(folder / store.LOCK)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
