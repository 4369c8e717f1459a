"""Asking a server, with one deadline for its first answer."""

import queue
import threading
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen


def ask(url: str, patience: float, stall: float) -> Any:
    """`urlopen` that gives up after `patience` seconds without an answer, by `TimeoutError`.

    Its own timeout counts for each of a name's addresses and not at all for looking up the name;
    it holds for every later silence, `stall` seconds. Other errors are urlopen's.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def wait() -> None:
        try:
            answers.put(urlopen(url, timeout=stall))
        except Exception as error:  # handed over and raised there
            if isinstance(error, HTTPError):
                error.close()
            answers.put(error)

    threading.Thread(target=wait, daemon=True).start()
    try:
        answer = answers.get(timeout=patience)
    except queue.Empty:
        raise TimeoutError(f"{url} did not answer within {patience:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
