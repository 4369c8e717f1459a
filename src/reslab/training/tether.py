"""A process dies with its parent: a pipe whose end-of-file ends it.

The parent keeps the writing end open and never writes; the child's standard input is the reading
end. However the parent ends, the kernel closes its end.
"""

import os
import signal
import threading
from collections.abc import Callable


def follow_launcher() -> None:
    """Kill this process group when standard input ends. For leaders of their own group."""
    _at_end_of_input(lambda: os.killpg(0, signal.SIGKILL))


def follow_supervisor() -> None:
    """Kill this process when standard input ends."""
    _at_end_of_input(lambda: os.kill(os.getpid(), signal.SIGKILL))


def _at_end_of_input(kill: Callable[[], None]) -> None:
    def wait() -> None:
        while os.read(0, 1):
            pass
        kill()

    threading.Thread(target=wait, daemon=True).start()
