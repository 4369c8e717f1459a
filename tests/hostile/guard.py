"""What a hostile input may bring about: what it says is still valid, or a `UserError` in a short
message. Nothing is executed or unpickled, nothing written outside the case's own folder, and each
case takes less than a second of this process's time and 500 MB beyond what it has."""

import contextlib
import io
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reslab.errors import exit_code
from reslab.exhaustion import exhausted
from reslab.text import UNPRINTABLE

SECONDS = 1.0
BYTES = 500 * 10**6
LETTERS = 2000
"""Of all that is said of a mistake; argparse's usage is a third of it."""

STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")
SPEAKS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")
CHANGES = {
    **dict.fromkeys(("os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"), (0,)),
    **dict.fromkeys(("os.rename", "os.link"), (0, 1)),
    "os.symlink": (1,),
}
"""Events of CPython (docs, "Audit events table") and which of their arguments are paths changed."""

ALLOWED = ("git", "describe"), ("g++", "-fsyntax-only")
"""A run records the commit of the code; a plan asks whether there is a compiler that works."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Remembers what was done that may not be, as CPython's audit hooks tell it."""

    def __init__(self) -> None:
        self.roots: tuple[str, ...] | None = None
        """Where files may be written; None where nobody is watching."""
        self.seen: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by CPython at every event."""
        if self.roots is None:
            return
        if event in STARTS or event in SPEAKS or event == "pickle.find_class":
            self.seen.append(f"{event}: {arguments}")
        elif event == "subprocess.Popen" and tuple(arguments[1][:2]) not in ALLOWED:
            self.seen.append(f"{event}: {arguments[1]}")
        elif event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITES:
            self._changes(event, arguments[0])
        else:
            for place in CHANGES.get(event, ()):
                self._changes(event, arguments[place])

    def _changes(self, event: str, path: Any) -> None:
        if isinstance(path, int) or os.fsdecode(path) == os.devnull:
            return
        real = os.path.realpath(os.fsdecode(path))
        if not any(real == root or real.startswith(f"{root}/") for root in self.roots or ()):
            self.seen.append(f"{event}: {real}")


WATCH = Watch()


@contextlib.contextmanager
def watched(*roots: Path) -> Iterator[list[str]]:
    """What the block does beyond writing below `roots`."""
    WATCH.seen = []
    WATCH.roots = tuple(os.path.realpath(root) for root in roots)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield WATCH.seen
    finally:
        WATCH.roots = None
        sys.dont_write_bytecode = before


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Let this process have `BYTES` more of address space; Linux only."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    has = int(statm.read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (has + BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def outcome(case: Callable[[], int | None], root: Path) -> str:
    """Run what a command line would run; returns what it has said.

    Whatever is no `UserError` is raised. A case that was slow is tried again, since the first of a
    kind may import or compile something.
    """
    for last in (False, True):
        out, err = io.StringIO(), io.StringIO()
        with (
            watched(root) as seen,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            little_memory(),
        ):
            began = time.process_time()
            code = _code(case)
            spent = time.process_time() - began
        if spent < SECONDS or last:
            break
    said = err.getvalue()
    assert seen == [], seen
    assert code in (0, 1, 2), f"exit code {code}: {said}"
    assert "Traceback" not in said
    assert code == 0 or len(said) <= LETTERS, f"{len(said)} letters: {said}"
    for text in (out.getvalue(), said):
        assert not UNPRINTABLE.search(text.replace("\n", "")), repr(text)
    assert spent < SECONDS, f"{spent:.1f} s: {said}"
    return said


class Exceeded(BaseException):
    """Passes by all that looks for errors."""


def _code(case: Callable[[], int | None]) -> Any:
    """The exit code; a case that has come to a limit fails, though people are told in a line."""

    def within() -> int | None:
        try:
            return case()
        except Exception as error:
            if exhausted(error):
                raise Exceeded(f"the case takes more than it may: {error!r}") from None
            raise

    try:
        return exit_code(within)
    except SystemExit as ended:  # argparse's
        return ended.code or 0
