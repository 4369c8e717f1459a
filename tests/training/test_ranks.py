"""Processes that belong together: each knows its place, and none is left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.results import DONE

from reslab import disk, store
from reslab.errors import UserError
from reslab.training.ranks import parted, timeout

SUPERVISE = (
    "import sys; from pathlib import Path; from reslab.training import ranks; ranks.PATIENCE = 1.0;"
    "sys.exit(ranks.supervise([sys.executable, '-c', sys.argv[1]], int(sys.argv[2]),"
    "ranks.store.Claim(Path(sys.argv[3]))))"
)
FOLLOW = "from reslab.processes import follow_supervisor; follow_supervisor();"
RANK = "import os, sys, time; rank = int(os.environ['RANK']);"
# In one piece, as PYTHONUNBUFFERED does not write what is printed: others write to the same pipe.
SAY = "say = lambda word: (sys.stdout.write(f'{word}\\n'), sys.stdout.flush());"

Supervised = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    """Starts ranks that follow their supervisor and run some code; all end with the test."""
    with ExitStack() as left:

        def start(code: str, ranks: int = 2) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    SUPERVISE,
                    FOLLOW + RANK + SAY + code,
                    str(ranks),
                    str(tmp_path),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            left.enter_context(process)
            left.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize("wish", ["1h", "-3", "nan", "inf", "0"])
def test_a_timeout_is_a_number_of_seconds(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_DDP_TIMEOUT", wish)
    with pytest.raises(UserError, match=f"RESLAB_DDP_TIMEOUT={wish}: expected a number"):
        timeout()
    monkeypatch.delenv("RESLAB_DDP_TIMEOUT")
    assert timeout() == 1800


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        (  # gloo
            "[/pytorch/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 7000ms for recv",
            "no word from the other processes for 7 s (RESLAB_DDP_TIMEOUT): ",
        ),
        (  # gloo, where it waits for the same process twice
            "Application timeout caused pair closure",
            "no word from the other processes for 7 s (RESLAB_DDP_TIMEOUT): ",
        ),
        (  # torch's store
            "Timed out after 8 seconds waiting for clients. 1/2 clients joined.",
            "no word from the other processes for 7 s (RESLAB_DDP_TIMEOUT): ",
        ),
        (
            "[..pair.cc:534] Connection closed by peer [10.0.0.2]:4711",
            "the connection to another process has ended: ",
        ),
    ],
)
def test_what_libraries_say_of_a_lost_process_is_told_in_words_with_theirs(
    said: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DDP_TIMEOUT", "7")
    line = parted(RuntimeError(said))
    assert line and line.startswith(begins) and line.endswith(f"({said})")
    assert "the same command goes on from the last checkpoint" in line


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2"), ValueError("broken pipe")])
def test_other_errors_are_no_lost_processes(error: Exception) -> None:
    assert parted(error) is None


@pytest.mark.process
def test_every_process_is_told_its_place_and_says_what_it_says(
    supervised: Supervised, tmp_path: Path
) -> None:
    code = "sys.stdout.write('{RANK} {WORLD_SIZE} {LOCAL_RANK}\\n'.format(**os.environ))"
    process = supervised(code, ranks=3)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert sorted(output.splitlines()) == ["0 3 0", "[rank 1] 1 3 1", "[rank 2] 2 3 2"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_nobody_else_can_take_the_place_where_they_meet(supervised: Supervised) -> None:
    """From before the first process begins until rank 0 listens, seconds later."""
    code = (
        "import socket; place = ('127.0.0.1', int(os.environ['MASTER_PORT']))\n"
        "if rank:\n"
        "    socket.create_connection(place).recv(1)\n"
        "else:\n"
        "    assert socket.socket().connect_ex(place) == 0\n"
        "    try: socket.socket().bind(place)\n"
        "    except OSError: say('taken')\n"
        "    listening = socket.socket(fileno=int(os.environ['RESLAB_MEETING']))\n"
        "    for _ in range(2): listening.accept()[0].send(b'x')\n"
    )
    process = supervised(code)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "taken\n")


@pytest.mark.process
def test_if_one_fails_the_others_are_ended_and_its_last_lines_are_shown(
    supervised: Supervised,
) -> None:
    code = "rank and sys.exit('no more'); say(os.getpid()); time.sleep(2);"
    process = supervised(code)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "rank 1 ended with exit code 1; its last lines:\n    no more" in output


@pytest.mark.process
def test_one_that_is_killed_is_recorded(supervised: Supervised, tmp_path: Path) -> None:
    """Before the one that fails for want of it."""
    code = (
        f"flag = {str(tmp_path / 'killed')!r}\n"
        "if rank: open(flag, 'w').close(); os.kill(os.getpid(), 9)\n"
        "while not os.path.exists(flag): time.sleep(0.05)\n"
        "time.sleep(0.5); sys.exit('lost my peer')"
    )
    process = supervised(code)
    process.communicate(timeout=60)
    assert process.returncode == 1
    error = disk.read_json(tmp_path / store.ERROR)
    assert error["message"].startswith("rank 1 was killed by signal 9 (SIGKILL: ")


@pytest.mark.process
def test_one_that_is_killed_after_the_result_is_no_failure(
    supervised: Supervised, tmp_path: Path
) -> None:
    disk.write_json(tmp_path / store.RESULT, DONE)
    process = supervised("if not rank: os.kill(os.getpid(), 9)")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not (tmp_path / store.ERROR).exists()


@pytest.mark.process
def test_one_that_hangs_after_another_has_failed_is_killed(supervised: Supervised) -> None:
    code = "rank and sys.exit(1); say(os.getpid()); time.sleep(600)"
    process = supervised(code)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert not Path(f"/proc/{output.split()[0]}").exists()


@pytest.mark.process
def test_a_signal_to_stop_is_passed_on_and_is_no_failure(
    supervised: Supervised, tmp_path: Path
) -> None:
    code = "import signal; signal.signal(15, lambda *_: sys.exit(1));say('ready'); time.sleep(600)"
    process = supervised(code)
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert sorted(lines) == ["[rank 1] ready\n", "ready\n"]
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert not (tmp_path / store.ERROR).exists()


@pytest.mark.process
def test_all_end_with_their_supervisor(supervised: Supervised) -> None:
    process = supervised("say(os.getpid()); time.sleep(600)")
    assert process.stdout is not None
    pids = [int(process.stdout.readline().split()[-1]) for _ in range(2)]
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, pids
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
