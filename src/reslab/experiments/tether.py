"""A run dies with its launcher: a pipe whose end-of-file ends the run's process group.

The launcher keeps the writing end open and never writes; the run's standard input is the reading
end. However the launcher ends, the kernel closes its end, and the run's ranks go too.
"""

import os
import signal
import threading


def follow_launcher() -> None:
    """Kill this process group as soon as standard input ends. For leaders of their own group."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
