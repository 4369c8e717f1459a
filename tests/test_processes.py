"""How a process ended is told; it is as nice as its parent, and ends with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reslab.processes import AUTOGROUP, boot, ending, hand_on_niceness, process_start


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "ended with exit code 3"),
        (-9, "killed by signal 9 (SIGKILL: most likely memory ran out"),
        (-7, "(SIGBUS: most likely the disk or shared memory"),
        (-11, "(SIGSEGV: a fault in a library's own code"),
        (-28, "killed by signal 28 (SIGWINCH)"),
        (-99, "killed by signal 99"),
    ],
)
def test_a_signal_is_named_with_its_likely_cause(code: int, words: str) -> None:
    assert words in ending(code)


# ---- a session of its own is as nice as whoever starts it ---------------------------------------


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process in a session of its own."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.process
@pytest.mark.skipif(
    not Path(AUTOGROUP.format("self")).exists(), reason="this system has no autogroups"
)
@pytest.mark.parametrize("niceness", [0, 7])
def test_a_session_takes_over_niceness(
    sleeper: int, monkeypatch: pytest.MonkeyPatch, niceness: int
) -> None:
    monkeypatch.setattr(os, "getpriority", lambda *_: niceness)
    monkeypatch.setattr("reslab.processes._sessions_niceness", lambda: 0)
    hand_on_niceness(sleeper)
    assert Path(AUTOGROUP.format(sleeper)).read_text().split()[-2:] == ["nice", str(niceness)]


def test_the_kernel_takes_few_changes_a_second_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([BlockingIOError(), BlockingIOError(), None])
    written = list[str]()

    def write_text(path: Path, text: str) -> None:
        written.append(f"{path.parent.name} {text}")
        if error := next(answers):
            raise error

    monkeypatch.setattr(Path, "write_text", write_text)
    monkeypatch.setattr(os, "getpriority", lambda *_: 19)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hand_on_niceness(12)
    assert written == ["12 19"] * 3


@pytest.mark.parametrize(("own", "sessions", "niceness"), [(0, 5, "5"), (7, 5, "7"), (7, -3, "7")])
def test_the_nicer_of_a_process_and_its_session_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: int, sessions: int, niceness: str
) -> None:
    for process, told in (("self", f"/autogroup-25 nice {sessions}\n"), ("12", "")):
        (tmp_path / process).mkdir()
        (tmp_path / process / "autogroup").write_text(told)
    monkeypatch.setattr("reslab.processes.AUTOGROUP", f"{tmp_path}/{{}}/autogroup")
    monkeypatch.setattr(os, "getpriority", lambda *_: own)
    hand_on_niceness(12)
    assert (tmp_path / "12" / "autogroup").read_text() == niceness


def test_where_there_are_no_such_sessions_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.processes.AUTOGROUP", f"{tmp_path}/{{}}/autogroup")
    monkeypatch.setattr(os, "getpriority", lambda *_: 19)
    hand_on_niceness(12)
    assert list(tmp_path.iterdir()) == []


BEGIN = "import subprocess, sys, time; from reslab import processes;"
GRANDCHILD = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
READY = "print('ready', flush=True); time.sleep(600)"


@pytest.mark.process
@pytest.mark.parametrize(
    ("who", "does"),
    [("supervisor", ""), ("launcher", GRANDCHILD)],
    ids=["a process", "a group"],
)
def test_nobody_outlives_the_pipe_that_the_parent_holds(who: str, does: str) -> None:
    """Until it is closed nothing happens, whatever is written. All of a group hold its output,
    which ends with the last of them."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"{BEGIN} processes.follow_{who}(); {does} {READY}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("words")
        child.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.3)
        output, _ = child.communicate(timeout=30)  # and closes its input
        assert (child.returncode, output) == (-signal.SIGKILL, "")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    assert boot() == boot() and process_start(os.getpid()) == process_start(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as process:
        started = process_start(process.pid)
        assert started and started >= (process_start(os.getpid()) or 0)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_start(process.pid) is None  # a zombie, which holds nothing
    assert process_start(process.pid) is None
