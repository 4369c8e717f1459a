"""The processes of a run: their places, who looks after them, and what one hears last of the
others. No torch.

A process is told its place by torchrun's words in the environment, whether torchrun has started it
or `supervise`.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from reslab import store
from reslab.arguments import from_environment, number
from reslab.machine import available_cores
from reslab.processes import STOPPING, ending

SUPERVISED = "RESLAB_SUPERVISED"
"""Set for processes that `supervise` has started."""

MEETING = "RESLAB_MEETING"
"""Set for them, too: rank 0's file descriptor of the socket that listens at MASTER_PORT."""

CLAIM = "RESLAB_CLAIM"
"""Set for them, too: the token of their supervisor's claim to the run."""

PATIENCE = 10.0
"""Seconds that the other processes have to end by themselves after one has failed."""


def timeout() -> float:
    """Seconds that processes wait for one another: RESLAB_DDP_TIMEOUT, else half an hour."""
    return from_environment("RESLAB_DDP_TIMEOUT", partial(number, example=600)) or 1800.0


SILENT = (
    "timed out waiting",
    "timeout caused pair closure",
    "seconds waiting for clients",
    "wait timeout after",
    "waitforinput: ",
    "client socket has timed out",
    "collective operation timeout",
)
"""What gloo, nccl and torch's store say where others did not answer in time."""

GONE = (
    "connection closed by peer",
    "connection reset by peer",
    "connection was likely closed",
    "broken pipe",
    "remote process exited or there was a network error",
)
"""What they say where a connection has ended."""


class Parted(Exception):
    """Other processes of the run are gone, or do not answer: `parted`'s line."""


def parted(error: BaseException) -> str | None:
    """What has become of the other processes and what to do, in one line; None for an error of
    another kind."""
    if not isinstance(error, RuntimeError):
        return None
    said = " ".join(str(error).split())
    if any(words in said.lower() for words in SILENT):
        found = f"no word from the other processes for {timeout():g} s (RESLAB_DDP_TIMEOUT)"
    elif any(words in said.lower() for words in GONE):
        found = "the connection to another process has ended"
    else:
        return None
    return (
        f"{found}: one has failed or hangs, or its machine or the network is gone; the same "
        "command goes on from the last checkpoint, also with fewer devices or machines "
        f"({said[:200]})"
    )


class Rank:
    """A started process; its lines are printed behind its number, rank 0's as they are."""

    def __init__(
        self, rank: int, command: list[str], environment: dict[str, str], tie: int, meeting: int
    ) -> None:
        self.rank = rank
        piped = subprocess.PIPE if rank else None
        self.process = subprocess.Popen(
            command,
            stdin=tie,
            stdout=piped,
            stderr=subprocess.STDOUT if rank else None,
            pass_fds=() if rank else (meeting,),
            env={**os.environ, **environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        self.last_lines = deque[str](maxlen=12)
        self.reader = threading.Thread(target=self._pass_on, daemon=True)
        self.reader.start()

    def _pass_on(self) -> None:
        for line in self.process.stdout or ():
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            sys.stdout.write(f"[rank {self.rank}] {text}\n")  # at once: other processes write too
            sys.stdout.flush()

    def signal(self, number: int) -> None:
        """Send a signal, if the process is still there."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        return bool(self.process.poll())

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        return f"rank {self.rank} {'was ' if code < 0 else ''}{ending(code)}"

    def end(self) -> str:
        """How it ended, with its last lines."""
        lines = "".join(f"\n    {line}" for line in self.last_lines)
        return f"{self.ending}; its last lines:{lines}" if lines else self.ending


def supervise(command: list[str], ranks: int, claim: store.Claim) -> int:
    """Run `command` as `ranks` processes of one run, to the end of all; returns its exit code.

    SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 are passed on. If one process fails, the others have
    `PATIENCE` to end, then they are killed; the one that was killed by a signal is named in the
    folder's `error.json`.
    What happens to a process once the result is written is no failure of the run.
    """
    reading, writing = os.pipe()  # the processes end with this one: `follow_supervisor`
    with socket.create_server(("127.0.0.1", 0)) as meeting:  # rank 0 listens on
        told = _environment(ranks, meeting, claim)
        started = [Rank(rank, command, told, reading, meeting.fileno()) for rank in range(ranks)]
    os.close(reading)
    signals = _pass_on_signals(started)
    try:
        first = _wait(started)
    finally:
        for rank in started:
            rank.signal(signal.SIGKILL)
            rank.process.wait()
            rank.reader.join(1.0)
        os.close(writing)
    if first is None or store.state(claim.folder) in store.FINAL:
        return 0
    if not signals:
        print(first.end(), file=sys.stderr, flush=True)
        if first.process.returncode < 0 and claim.holds():
            store.write_error(claim.folder, first.ending)
    return max(1, first.process.returncode)


def _environment(ranks: int, meeting: socket.socket, claim: store.Claim) -> dict[str, str]:
    threads = max(1, available_cores() // ranks)
    return {
        SUPERVISED: "1",
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(meeting.getsockname()[1]),
        MEETING: str(meeting.fileno()),
        CLAIM: claim.token or "",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }


def _pass_on_signals(started: list[Rank]) -> list[int]:
    """The list to which signals are added as they come."""
    told: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        told.append(number)
        for rank in started:
            rank.signal(number)

    for passed_on in STOPPING:
        signal.signal(passed_on, pass_on)
    return told


def _wait(started: list[Rank]) -> Rank | None:
    """Until all have ended, or until `PATIENCE` after the first failure; returns who failed."""
    first, deadline = None, float("inf")
    while any(rank.process.poll() is None for rank in started) and time.monotonic() < deadline:
        if first is None and (first := _first_failed(started)):
            deadline = time.monotonic() + PATIENCE
        time.sleep(0.05)
    return first or _first_failed(started)


def _first_failed(started: list[Rank]) -> Rank | None:
    """One that was killed before one that failed: the others fail for want of it."""
    failed = [rank for rank in started if rank.failed]
    return min(failed, key=lambda rank: (rank.process.returncode > 0, -rank.rank), default=None)
