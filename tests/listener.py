"""Which files and folders this process looks at: what hundreds of runs on one file system do."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Heard = list[tuple[str, str]]
"""What was done, `open`, `os.listdir` or `os.scandir`, and to which path."""


class Listener:
    """Hears what Python's own thread does while it listens."""

    def __init__(self) -> None:
        self.listens = False
        self.heard: Heard = []
        sys.addaudithook(self.hear)  # for ever: there is no way to take it back

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note it."""
        here = self.listens and threading.current_thread() is threading.main_thread()
        if here and event in ("open", "os.listdir", "os.scandir"):
            self.heard.append((event, str(arguments[0])))


@contextmanager
def listening() -> Iterator[Heard]:
    """All that is heard in between."""
    listener = Listener()
    listener.listens = True
    try:
        yield listener.heard
    finally:
        listener.listens = False
