"""Processes of this machine: which is which, how they end, how one dies with its parent, how nice
it is, and what one with torch answers to another without it."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
"""Linux: which signal a process gets when its parent ends."""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that tell a run to save and end. The last two are what SLURM sends before a time limit,
and may come more than once."""

CAUSES = {
    signal.SIGKILL: "most likely memory ran out, or a batch system or somebody has ended it",
    signal.SIGBUS: "most likely the disk or shared memory (/dev/shm) is full",
    signal.SIGSEGV: "a fault in a library's own code; a full stack or address space does it, too",
    signal.SIGABRT: "a library has given up; memory, threads or address space may have run out",
    signal.SIGILL: "a library is built for another processor",
    signal.SIGFPE: "a library has divided by zero",
    signal.SIGXCPU: "the limit of CPU time (ulimit -t) is reached",
    signal.SIGXFSZ: "the limit of a file's size (ulimit -f) is reached",
    signal.SIGTERM: "somebody, or a batch system, has told it to stop",
    signal.SIGHUP: "its terminal was closed",
}
"""What is behind a signal that ends a process."""


def ending(code: int) -> str:
    """How a process ended, from its `returncode`: with which code, or by which signal and why."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"killed by signal {-code}"
    cause = f": {CAUSES[number]}" if number in CAUSES else ""
    return f"killed by signal {-code} ({number.name}{cause})"


def die_with_parent() -> None:
    """From now on this process is killed when the one that started it ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def follow_launcher() -> None:
    """Kill this process group when standard input ends. For leaders of their own group."""
    _at_end_of_input(lambda: os.killpg(0, signal.SIGKILL))


def follow_supervisor() -> None:
    """Kill this process when standard input ends."""
    _at_end_of_input(lambda: os.kill(os.getpid(), signal.SIGKILL))


def _at_end_of_input(kill: Callable[[], None]) -> None:
    """Standard input is the reading end of a pipe to which the parent never writes: however it
    ends, the kernel closes its end."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        kill()

    threading.Thread(target=wait, daemon=True).start()


@cache
def boot() -> str:
    """Since which start of this machine, and in which container, processes have their numbers; the
    empty string where the system does not say."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{start}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def process_start(process: int) -> int | None:
    """When a process of this machine was started, in its kernel's units (proc(5): starttime); None
    where it has ended, or the system does not say."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else int(fields[18])


AUTOGROUP = "/proc/{}/autogroup"
"""Linux: how nice the session of a process is to others."""


def hand_on_niceness(process: int) -> None:
    """Make the session of a process that was started in one of its own as nice as this process, or
    as this one's session if that is nicer.

    Where Linux shares the CPU among sessions (sched(7), autogroup), a process's niceness counts
    within its session alone. Elsewhere there is no such file, and nothing to do. The kernel takes
    ten changes a second from all who are not root (EAGAIN), so some tries may be needed.
    """
    niceness, tries = max(os.getpriority(os.PRIO_PROCESS, 0), _sessions_niceness()), 5
    while niceness > 0 and tries:
        tries -= 1
        try:
            Path(AUTOGROUP.format(process)).write_text(f"{niceness}")
            return
        except BlockingIOError:
            time.sleep(0.11)
        except OSError:
            return


def _sessions_niceness() -> int:
    """Of this process's session, 0 where there is no such thing: `/autogroup-25 nice 0`."""
    try:
        told = Path(AUTOGROUP.format("self")).read_text()
    except OSError:
        return 0
    found = re.search(r"nice (-?\d+)", told)
    return int(found[1]) if found else 0


class NoAnswer(Exception):
    """A process that ended without one; how, in a line."""


def answers(module: str, asked: Sequence[Any], *options: str) -> list[Any]:
    """What a module of ours answers to each of these, JSON in and out, as a process of its own:
    what is asked for needs torch, and who asks has none. `NoAnswer` where it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *options],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise NoAnswer((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    found: list[Any] = json.loads(done.stdout)
    return found
