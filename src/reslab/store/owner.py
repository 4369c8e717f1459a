"""Who trains a run, seen from any machine that has its folder: the file `lock`.

It says who: host, process and its start, SLURM's job, and a token that nobody else knows. Its time
of change is when its owner was last alive. On the owner's own machine the kernel knows (flock, and
the process); elsewhere, where flock may not be seen, one who has been silent for `SILENCE` is taken
over from. Both times are the file system's, whatever the machines' clocks say. A lock that was let
go of is empty; one of before this was written is empty, too, and flock decides.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reslab.disk import flock, room_for, to_json
from reslab.processes import boot, process_start
from reslab.store.records import Owner
from reslab.text import printable

LOCK = "lock"

BEAT = 30.0
"""Seconds between two signs of life."""
SILENCE = 300.0
"""Seconds without one after which an owner on another machine is taken over from."""


class Busy(Exception):
    """Another process holds the run's lock."""


class TakenOver(Exception):
    """Another process has taken the run's lock: nothing more may be written."""


@dataclass
class Claim:
    """What a process holds a run by; without a token it writes nothing, or nobody else could.

    All that write in a process have one, in which all see whose it is.
    """

    folder: Path
    token: str | None = None
    """Which the other processes of a run have from its first (`training.ownership`)."""
    descriptor: int | None = None
    """The lock, open, in the process that took it: it never touches what has replaced it."""

    def holds(self) -> bool:
        """Whether the lock still has this claim's name; a folder that is gone is told by whoever
        writes there."""
        if self.token is None:
            return True
        try:
            return self.token.encode() in (self.folder / LOCK).read_bytes()
        except FileNotFoundError:
            return not self.folder.exists()

    def check(self) -> None:
        """`TakenOver` if it has another's, or none: for just before something is written."""
        if not self.holds():
            raise TakenOver(
                f"{self.folder} is another's now ({holder(self.folder) or 'its lock was removed'}):"
                " this process has not been seen alive for minutes; it ends and writes nothing more"
            )

    def taken_from(self) -> str | None:
        """Who was silent and has been taken over from, in words."""
        owner = self.token and _owner((self.folder / LOCK).read_bytes())
        return owner.taken_from if owner else None

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Be seen alive, whatever this process does meanwhile."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, ended: threading.Event) -> None:
        assert self.descriptor is not None
        while not ended.wait(BEAT):
            with contextlib.suppress(OSError):  # the file system is away, or the run another's
                os.utime(self.descriptor)

    def release(self) -> None:
        """Let go of it, if this process took it: nobody has to wait until it is silent."""
        if self.descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, 0)

    def close(self) -> None:
        """Let go of it for good."""
        self.release()
        if self.descriptor is not None:
            os.close(self.descriptor)


@contextlib.contextmanager
def lock(folder: Path, patience: float = 2.0) -> Iterator[Claim]:
    """Hold the run, however the process ends. `Busy` where somebody does for `patience` seconds."""
    deadline = time.monotonic() + patience
    while (claim := _taken(folder)) is None:
        if time.monotonic() >= deadline:
            raise Busy(f"{folder} is being trained by {holder(folder) or 'another process'}")
        time.sleep(0.02 + secrets.randbelow(80) / 1000)
    try:
        yield claim
    finally:
        claim.close()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run, here or on another machine."""
    return holder(folder) is not None


def holder(folder: Path) -> str | None:
    """Who holds the run, in words; None where nobody does."""
    return _holder(folder / LOCK)


def _taken(folder: Path) -> Claim | None:
    """The lock, if nobody has it or is about to.

    Whoever wants it lays a claim beside it, then looks at the others' claims, then at the lock;
    only where nobody is there the claim is renamed and is the lock. Of two at least one sees the
    other's. A claim of somebody who is gone, or silent, is removed, and he can rename it no more:
    so nobody takes what has become another's while he was stopped between looking and taking.
    """
    lock = folder / LOCK
    if _holder(lock):
        return None
    with contextlib.ExitStack() as undone:
        claim, laid = _new_claim(folder)
        undone.callback(claim.close)
        undone.callback(laid.unlink, missing_ok=True)
        _sign(claim, _left_by(lock))
        if _rivals(folder, laid) or _holder(lock):
            return None
        with contextlib.suppress(FileNotFoundError):
            laid.rename(lock)
        if not claim.holds():
            return None
        undone.pop_all()
    return claim


def _new_claim(folder: Path) -> tuple[Claim, Path]:
    """With a file of its own beside the lock, which is held."""
    token = secrets.token_hex(16)
    laid = folder / f".{LOCK}.{token[:8]}"  # `disk.UNFINISHED`: what a kill leaves goes
    with room_for(laid):
        descriptor = os.open(laid, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    flock(descriptor, fcntl.LOCK_EX)
    return Claim(folder, token, descriptor), laid


def _sign(claim: Claim, taken_from: str | None) -> None:
    """Say whose it is; on the disk, since other machines see it no sooner."""
    assert claim.token is not None and claim.descriptor is not None
    me = _me(claim.token, taken_from)
    with room_for(claim.folder / LOCK):
        os.write(claim.descriptor, f"{to_json(me.model_dump())}\n".encode())
        os.fsync(claim.descriptor)


def _rivals(folder: Path, own: Path) -> bool:
    """Whether somebody else is about to take the lock; claims that nobody stands behind go."""
    others = [path for path in folder.glob(f".{LOCK}.*") if path != own]
    alive = [path for path in others if _holder(path)]
    for path in set(others) - set(alive):
        path.unlink(missing_ok=True)
    return bool(alive)


def _holder(path: Path) -> str | None:
    """Who stands behind a lock, or a claim to one, in words; None where nobody does."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        owner = _owner(file.read())
        if owner and not _is_here(owner):
            silent = _now(path.parent) - os.fstat(file.fileno()).st_mtime
            return None if silent > SILENCE else _words(owner)
        if not flock(file.fileno(), fcntl.LOCK_SH):
            return _words(owner) if owner else "another process"
        return _words(owner) if owner and _is_alive(owner) else None


def _left_by(lock: Path) -> str | None:
    """Whose a lock was that nobody holds: of one on another machine, who let go of nothing."""
    try:
        owner, changed = _owner(lock.read_bytes()), lock.stat().st_mtime
    except FileNotFoundError:
        return None
    if owner is None or _is_here(owner):
        return None
    return f"{_words(owner)}, silent for {_now(lock.parent) - changed:.0f} s"


def _owner(text: bytes) -> Owner | None:
    """Whom a lock names; nobody where it was let go of, or is damaged."""
    try:
        return Owner.model_validate_json(text)
    except ValueError:
        return None


def _words(owner: Owner) -> str:
    job = f", SLURM's job {owner.job}" if owner.job else ""
    return printable(f"another process: {owner.pid} on {owner.host}{job}")


# ---- machines and processes ---------------------------------------------------------------------


def _me(token: str, taken_from: str | None) -> Owner:
    pid = os.getpid()
    return Owner(
        token=token,
        host=socket.gethostname(),
        boot=boot(),
        pid=pid,
        started=process_start(pid),
        job=os.environ.get("SLURM_JOB_ID"),
        taken_from=taken_from,
    )


def _is_here(owner: Owner) -> bool:
    """Whether an owner's process is, or was, one of this machine's, since it was started."""
    return (owner.host, owner.boot) == (socket.gethostname(), boot())


def _is_alive(owner: Owner) -> bool:
    return owner.started is not None and owner.started == process_start(owner.pid)


# ---- the file system's time ---------------------------------------------------------------------


_TOLD: dict[int, tuple[float, float]] = {}
"""By file system: when it was asked for its time, by this process's own clock, and what it said."""


def _now(folder: Path) -> float:
    """The time of a folder's file system, which is asked once a beat. Where no file can be made
    nothing can be trained: whoever only looks has this machine's time."""
    system = folder.stat().st_dev
    asked, told = _TOLD.get(system, (-BEAT, 0.0))
    if time.monotonic() - asked >= BEAT:
        try:
            told = _file_systems_time(folder)
        except OSError:
            return time.time()
        asked, _ = _TOLD[system] = time.monotonic(), told
    return told + time.monotonic() - asked


def _file_systems_time(folder: Path) -> float:
    """As of a file that is touched now, in the way of a heartbeat."""
    with tempfile.TemporaryFile(dir=folder, prefix=".time.") as file:
        os.utime(file.fileno())
        return os.fstat(file.fileno()).st_mtime
