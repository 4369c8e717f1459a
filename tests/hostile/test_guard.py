"""The guard hears what it is there for: a suite that notices nothing would pass, too."""

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hostile.guard import Exceeded, outcome

from reslab.errors import UserError


class Payload:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Callable[..., int], tuple[list[int]]]:
        return len, ([],)


def refuse(message: str) -> Callable[[], None]:
    def case() -> None:
        raise UserError(message)

    return case


def spend() -> None:
    end = time.process_time() + 1.1
    while time.process_time() < end:
        pass


def test_what_is_valid_and_what_is_refused_passes(tmp_path: Path) -> None:
    assert outcome(lambda: 0, tmp_path) == ""
    assert outcome(refuse("so"), tmp_path) == "error: so\n"
    outcome(lambda: (tmp_path / "a").mkdir(), tmp_path)


@pytest.mark.parametrize(
    "case",
    [
        lambda: Path("outside").write_text(""),
        lambda: Path("outside").mkdir(),
        lambda: Path("inside/a").rename("outside"),
        lambda: Path("outside").symlink_to("inside"),
        lambda: os.open("outside", os.O_CREAT),
        lambda: Path("inside/link/x").write_text(""),
        lambda: subprocess.run([sys.executable, "-c", ""]),
        lambda: os.system("true"),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: pickle.loads(pickle.dumps(Payload())),
        lambda: print("\x1b[2J"),
        lambda: 3,
        refuse(2000 * "a"),
        spend,
    ],
)
def test_what_must_not_be_is_heard(
    case: Callable[[], int | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a").touch()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises((AssertionError, ConnectionError)):
        outcome(case, inside)


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, OSError])
def test_another_exception_is_a_failure(error: type[Exception], tmp_path: Path) -> None:
    def case() -> None:
        raise error

    with pytest.raises(error):
        outcome(case, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_half_a_gigabyte_is_too_much(tmp_path: Path) -> None:
    with pytest.raises(Exceeded, match="takes more than it may"):
        outcome(lambda: len(bytearray(600 * 10**6)) and 0, tmp_path)
