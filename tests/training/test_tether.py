"""A process, or its whole group, ends when its standard input does."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

pytestmark = pytest.mark.process

BEGIN = "import subprocess, sys, time; from reslab.training import tether;"
GRANDCHILD = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
READY = "print('ready', flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("who", "does"),
    [("supervisor", ""), ("launcher", GRANDCHILD)],
    ids=["a process", "a group"],
)
def test_nobody_outlives_the_pipe_that_the_parent_holds(who: str, does: str) -> None:
    """Until it is closed nothing happens, whatever is written. All of a group hold its output,
    which ends with the last of them."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"{BEGIN} tether.follow_{who}(); {does} {READY}"],
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
