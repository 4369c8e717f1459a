"""Cores and GPUs are counted as a run will see them; a process ends with its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from reslab.machine import (
    AUTOGROUP,
    Gpu,
    available_cores,
    boot,
    ending,
    gpu,
    hand_on_niceness,
    is_shared_by_mps,
    process_start,
    processor_name,
    visible_gpus,
    why_nothing_compiles,
)


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("0", ["0"]),
        ("2,0", ["2", "0"]),
        (" 0 , 1 ", ["0", "1"]),
        ("GPU-8932f937,MIG-3", ["GPU-8932f937", "MIG-3"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_gpus_are_named_as_cuda_reads_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, names: list[str]
) -> None:
    """CUDA ignores what stands after the first name that is none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("code", "output", "names"),
    [(0, "0\n1\n", ["0", "1"]), (9, "NVIDIA-SMI has failed\n", []), (6, "No devices\n", [])],
)
def test_without_that_variable_the_driver_is_asked(
    monkeypatch: pytest.MonkeyPatch, code: int, output: str, names: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    answer = SimpleNamespace(returncode=code, stdout=output)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert visible_gpus() == names


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert visible_gpus() == []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`programs(name, script)`: the only ones on the PATH, but for the shell's own."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return write


SMI = """
case "$*" in
  "--query-gpu=index --format=csv,noheader") echo 0; echo 1;;
  "--id=1 --query-gpu=name,memory.free --format=csv,noheader,nounits") echo "NVIDIA A10, 22000";;
  *) echo "No devices were found"; exit 6;;
esac"""


@pytest.mark.process
def test_a_driver_tells_a_gpus_name_and_free_memory(
    programs: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu("1") is None, "without a driver"
    programs("nvidia-smi", SMI)
    assert visible_gpus() == ["0", "1"]
    assert gpu("1") == Gpu("NVIDIA A10", 22_000 * 2**20)
    assert gpu("MIG-3") is None


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "runs"),
    [
        ("read question; [ $question = get_default_active_thread_percentage ] && echo 100.0", True),
        ("echo Cannot find MPS control daemon process; exit 1", False),
        ("echo Cannot find MPS control daemon process", False),
    ],
)
def test_mps_runs_where_its_daemon_answers(
    programs: Callable[[str, str], None], script: str, runs: bool
) -> None:
    assert not is_shared_by_mps(), "without the program"
    programs("nvidia-cuda-mps-control", script)
    assert is_shared_by_mps() == runs


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


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
    monkeypatch.setattr("reslab.machine._sessions_niceness", lambda: 0)
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
    monkeypatch.setattr("reslab.machine.AUTOGROUP", f"{tmp_path}/{{}}/autogroup")
    monkeypatch.setattr(os, "getpriority", lambda *_: own)
    hand_on_niceness(12)
    assert (tmp_path / "12" / "autogroup").read_text() == niceness


def test_where_there_are_no_such_sessions_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.machine.AUTOGROUP", f"{tmp_path}/{{}}/autogroup")
    monkeypatch.setattr(os, "getpriority", lambda *_: 19)
    hand_on_niceness(12)
    assert list(tmp_path.iterdir()) == []


BEGIN = "import subprocess, sys, time; from reslab import machine;"
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
        [sys.executable, "-c", f"{BEGIN} machine.follow_{who}(); {does} {READY}"],
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


def test_a_processor_has_a_name() -> None:
    assert processor_name().strip() == processor_name() != ""


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("no-such-compiler", "torch.compile finds no C++ compiler (g++, or what CXX names)"),
        ("false", "the C++ compiler does not work: ended with exit code 1"),
        ("true", None),
    ],
)
def test_a_compiler_has_to_be_there_and_to_work(
    monkeypatch: pytest.MonkeyPatch, compiler: str, reason: str | None
) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert why_nothing_compiles() == reason


def test_a_compiler_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plan may have ten thousand runs that could be compiled."""
    script, calls = tmp_path / "c++", tmp_path / "calls"
    script.write_text(f"#!/bin/sh\necho >> {calls}\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    assert [why_nothing_compiles() for _ in range(3)] == [None] * 3
    assert calls.read_text().count("\n") == 1


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    assert boot() == boot() and process_start(os.getpid()) == process_start(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as process:
        started = process_start(process.pid)
        assert started and started >= (process_start(os.getpid()) or 0)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_start(process.pid) is None  # a zombie, which holds nothing
    assert process_start(process.pid) is None
