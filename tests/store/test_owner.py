"""Who trains a run: on one machine the kernel says it, between machines a lock's token and time."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.machines import be_silent, held_by_a_process_of_before, machine, taken_over

from reslab import store
from reslab.store import owner
from reslab.store.owner import SILENCE


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- on one machine -----------------------------------------------------------------------------


def test_two_cannot_hold_one_run(tmp_path: Path) -> None:
    with store.lock(tmp_path):
        with pytest.raises(store.Busy, match="trained by another"), store.lock(tmp_path, 0):
            pytest.fail("both hold the lock")
        assert store.is_locked(tmp_path)
    assert not store.is_locked(tmp_path)


def test_a_lock_says_who_and_is_empty_when_it_was_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with store.lock(tmp_path) as claim, monkeypatch.context() as patched:
        patched.setattr("socket.gethostname", lambda: "elsewhere")
        said = json.loads((tmp_path / store.LOCK).read_text())
        assert (said["pid"], said["job"], said["token"]) == (os.getpid(), "12", claim.token)
        assert claim.holds() and claim.taken_from() is None
        words = store.holder(tmp_path)
        assert words == f"another process: {os.getpid()} on {said['host']}, SLURM's job 12"
    assert files(tmp_path) == [store.LOCK]
    assert (tmp_path / store.LOCK).read_bytes() == b""
    assert not claim.holds()


def test_a_run_that_a_process_of_before_holds_is_busy_until_that_process_is_killed(
    tmp_path: Path,
) -> None:
    with held_by_a_process_of_before(tmp_path) as process:
        assert store.is_locked(tmp_path)
        with pytest.raises(store.Busy), store.lock(tmp_path, 0):
            pytest.fail("both hold the lock")
        process.kill()
        process.wait()
        with store.lock(tmp_path, 0):
            assert store.is_locked(tmp_path)


def test_a_lock_minds_nobody_who_only_looks(tmp_path: Path) -> None:
    with store.lock(tmp_path):
        pass
    ended, looks = threading.Event(), 0

    def look() -> None:
        nonlocal looks
        while not ended.is_set():
            store.is_locked(tmp_path)
            looks += 1

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(50):
        with store.lock(tmp_path, 0):
            assert store.is_locked(tmp_path)
    ended.set()
    reader.join()
    assert looks > 0


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    assert not store.is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with store.lock(tmp_path):
        before = files(tmp_path)
        with machine("node8"):
            assert store.is_locked(tmp_path)
        assert files(tmp_path) == before


@pytest.mark.parametrize(
    "text", [b"", b"{torn", b"[]", b"\xff\x00", b'{"token": "x"}', b"0" * 5000, b"[" * 100_000]
)
def test_a_damaged_lock_names_nobody(tmp_path: Path, text: bytes) -> None:
    (tmp_path / store.LOCK).write_bytes(text)
    assert not store.is_locked(tmp_path)
    with store.lock(tmp_path, 0) as claim:
        assert claim.holds()


PROCESS = """
import fcntl, socket, sys, time
if sys.argv[2]:
    socket.gethostname = lambda: sys.argv[2]
    fcntl.flock = lambda *_: None
from pathlib import Path
from reslab import store
from reslab.store import owner
folder = Path(sys.argv[1])
"""


@contextmanager
def process(folder: Path, code: str, host: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another one that runs this code, on the machine of that name."""
    command = [sys.executable, "-c", PROCESS + code, str(folder), host]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as started:
        try:
            yield started
        finally:
            started.kill()


def line(of: "subprocess.Popen[str]") -> str:
    assert of.stdout is not None
    return of.stdout.readline().strip()


HELD = "with store.lock(folder): print('held', flush=True); sys.stdin.read()"


def test_a_killed_owner_lets_go_at_once_and_a_stopped_one_never(tmp_path: Path) -> None:
    """On its own machine: there silence says nothing."""
    with process(tmp_path, HELD) as holding:
        assert line(holding) == "held"
        os.kill(holding.pid, 19)
        be_silent(tmp_path, 10 * SILENCE)
        assert store.is_locked(tmp_path)
        with pytest.raises(store.Busy), store.lock(tmp_path, 0):
            pytest.fail("both hold the lock")
        holding.kill()
        holding.wait()
        assert not store.is_locked(tmp_path)
        with store.lock(tmp_path, 0) as claim:
            assert claim.taken_from() is None


def test_on_its_own_machine_the_process_is_asked_where_flock_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may know no flock. Another process with the owner's number is another one."""
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    with process(tmp_path, "fcntl.flock = lambda *_: None\n" + HELD) as holding:
        assert line(holding) == "held"
        be_silent(tmp_path, 10 * SILENCE)
        assert store.is_locked(tmp_path)
        said = json.loads((tmp_path / store.LOCK).read_text())
        (tmp_path / store.LOCK).write_text(json.dumps({**said, "started": said["started"] - 1}))
        assert not store.is_locked(tmp_path)
        (tmp_path / store.LOCK).write_text(json.dumps(said))
        holding.kill()
        holding.wait()
        assert not store.is_locked(tmp_path)


# ---- between machines ---------------------------------------------------------------------------


def test_an_owner_elsewhere_is_seen_while_it_is_heard_and_then_taken_over_from(
    tmp_path: Path,
) -> None:
    with store.lock(tmp_path) as claim, machine("node8"):
        with pytest.raises(store.Busy, match=f"{os.getpid()} on "), store.lock(tmp_path, 0):
            pytest.fail("both hold the lock")
        be_silent(tmp_path, SILENCE - 5)
        assert store.is_locked(tmp_path) and claim.holds()
        be_silent(tmp_path, 6)
        assert not store.is_locked(tmp_path)
        with store.lock(tmp_path, 0) as taken:
            assert taken.holds() and not claim.holds()
            words = taken.taken_from()
            assert words and words.startswith(f"another process: {os.getpid()} on ")
            assert words.endswith(("silent for 301 s", "silent for 302 s"))
            with pytest.raises(store.TakenOver, match=r"is another's now \(another process: "):
                claim.check()


def test_what_a_woken_owner_does_to_its_lock_is_nothing_to_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its heartbeat, which may come before its next look, nor that it lets go."""
    monkeypatch.setattr(owner, "BEAT", 0.01)
    with store.lock(tmp_path) as claim, taken_over(tmp_path), claim.heartbeat():
        be_silent(tmp_path, 100)
        before = (tmp_path / store.LOCK).read_bytes(), (tmp_path / store.LOCK).stat().st_mtime_ns
        time.sleep(0.1)
        claim.release()
        after = (tmp_path / store.LOCK).read_bytes(), (tmp_path / store.LOCK).stat().st_mtime_ns
        assert before == after


def test_a_heartbeat_is_heard_whatever_its_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "BEAT", 0.01)
    with store.lock(tmp_path) as claim, claim.heartbeat():
        be_silent(tmp_path)
        sum(range(3_000_000))
        with machine("node8"):
            assert store.is_locked(tmp_path)
    threads = threading.active_count()
    with store.lock(tmp_path) as claim:
        with claim.heartbeat():
            assert threading.active_count() == threads + 1
        assert threading.active_count() == threads


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_of_machines_that_differ_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """Of the owner's machine, and of the one that looks."""
    now, now_ns = time.time, time.time_ns
    off = 60 * minutes

    def set_back() -> None:
        monkeypatch.setattr(time, "time", lambda: now() + off)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns() + off * 10**9)

    monkeypatch.setattr(owner, "BEAT", 0.05)
    set_back()
    with store.lock(tmp_path) as claim, claim.heartbeat():
        time.sleep(0.2)
        monkeypatch.undo()
        with machine("node8"):
            assert store.is_locked(tmp_path)
    with store.lock(tmp_path):
        set_back()
        with machine("node8"):
            assert store.is_locked(tmp_path)
            be_silent(tmp_path)
            assert not store.is_locked(tmp_path)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_file_server_may_have_a_time_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """Heartbeats are in its time, and are compared with it."""
    time_of = owner._file_systems_time
    monkeypatch.setattr(owner, "_file_systems_time", lambda f: time_of(f) + 60 * minutes)
    monkeypatch.setattr(owner, "_TOLD", {})
    with store.lock(tmp_path), machine("node8"):
        be_silent(tmp_path, -60 * minutes)  # as if it were the server's
        assert store.is_locked(tmp_path)
        be_silent(tmp_path)
        assert not store.is_locked(tmp_path)


def test_the_file_systems_time_is_not_asked_at_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher looks several times a second at all that others train."""
    asked = []
    time_of = owner._file_systems_time
    monkeypatch.setattr(owner, "_file_systems_time", lambda f: asked.append(f) or time_of(f))
    monkeypatch.setattr(owner, "_TOLD", {})
    with store.lock(tmp_path), machine("node8"):
        assert all(store.is_locked(tmp_path) for _ in range(100))
        monkeypatch.setattr(owner, "BEAT", 0.0)
        assert store.is_locked(tmp_path)
    assert len(asked) == 2


def test_where_no_file_can_be_made_this_machines_time_is_good_enough_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> float:
        raise PermissionError

    monkeypatch.setattr(owner, "_file_systems_time", refused)
    monkeypatch.setattr(owner, "_TOLD", {})
    with store.lock(tmp_path), machine("node8"):
        assert store.is_locked(tmp_path)
        be_silent(tmp_path)
        assert not store.is_locked(tmp_path)
    assert owner._TOLD == {}


def test_an_owner_whose_lock_was_removed_has_none(tmp_path: Path) -> None:
    with store.lock(tmp_path) as claim:
        (tmp_path / store.LOCK).unlink()
        with pytest.raises(store.TakenOver, match="its lock was removed"):
            claim.check()


def test_a_folder_that_is_gone_is_told_by_whoever_writes_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with store.lock(folder) as claim:
        (folder / store.LOCK).unlink()
        folder.rmdir()
        claim.check()


def test_a_process_without_a_token_has_nothing_to_lose(tmp_path: Path) -> None:
    claim = store.Claim(tmp_path)
    assert claim.holds() and claim.taken_from() is None


# ---- races --------------------------------------------------------------------------------------


def test_who_was_stopped_between_looking_and_taking_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim beside the lock has been silent for as long as an owner may be, and was removed."""
    rename, held = Path.rename, []

    def stopped(laid: Path, lock: Path) -> Any:
        monkeypatch.setattr(Path, "rename", rename)
        times = laid.stat()
        os.utime(laid, (times.st_atime, times.st_mtime - SILENCE - 1))
        with machine("node9"):
            other = store.lock(tmp_path, 0)
            held.append((other, other.__enter__()))
        return rename(laid, lock)

    with store.lock(tmp_path):
        be_silent(tmp_path)
        with machine("node8"):
            monkeypatch.setattr(Path, "rename", stopped)
            with pytest.raises(store.Busy), store.lock(tmp_path, 0):
                pytest.fail("both hold the lock")
        [(other, claim)] = held
        assert claim.holds()
        assert files(tmp_path) == [store.LOCK]
        other.__exit__(None, None, None)


def test_two_that_see_one_another_both_try_again(tmp_path: Path) -> None:
    """What a killed taker has left is in nobody's way: on another machine for as long as an owner's
    silence, on its own not at all."""
    with machine("node8"):
        laid = owner._new_claim(tmp_path)
        owner._sign(laid[0], None)
    with machine("node9"), pytest.raises(store.Busy), store.lock(tmp_path, 0.2):
        pytest.fail("both take the lock")
    assert files(tmp_path) == [laid[1].name]
    times = laid[1].stat()
    os.utime(laid[1], (times.st_atime, times.st_mtime - SILENCE - 1))
    with machine("node9"), store.lock(tmp_path, 0):
        assert files(tmp_path) == [store.LOCK]
    with process(tmp_path, "owner._sign(owner._new_claim(folder)[0], None); print()") as killed:
        line(killed)
        killed.wait()
    assert len(files(tmp_path)) == 2
    with store.lock(tmp_path, 0):
        assert files(tmp_path) == [store.LOCK]


RACE = """
import json, os
for _ in sys.stdin:
    try:
        with store.lock(folder, 0.5) as claim:
            alone = os.open(folder / "trains", os.O_CREAT | os.O_EXCL)
            time.sleep(1.0)
            assert claim.holds()
            os.close(alone)
            os.unlink(folder / "trains")
        print("trained", flush=True)
    except store.Busy:
        print("busy", flush=True)
    except (FileExistsError, AssertionError) as error:
        print(repr(error), flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("before", ["silent", "released", "new"])
def test_of_machines_that_race_for_a_run_one_trains(tmp_path: Path, before: str) -> None:
    """Four, without a flock that they share."""
    with ExitStack() as started:
        racers = [started.enter_context(process(tmp_path, RACE, f"node{i}")) for i in range(4)]
        for _ in range(8):
            (tmp_path / store.LOCK).unlink(missing_ok=True)
            if before == "silent":
                with machine("node9"):
                    claim, laid = owner._new_claim(tmp_path)
                    owner._sign(claim, None)
                    laid.rename(tmp_path / store.LOCK)
                be_silent(tmp_path)
            elif before == "released":
                (tmp_path / store.LOCK).touch()
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("go\n")
            assert sorted(map(line, racers)) == ["busy"] * 3 + ["trained"]
