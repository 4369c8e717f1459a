"""Asking a server, with one deadline for its first answer, and bringing a file of known SHA-256.

`torch.hub.download_url_to_file` would ask without any deadline and leave half a file after a kill.
"""

import hashlib
import queue
import sys
import threading
from http.client import HTTPException
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from tqdm import tqdm

from reslab.errors import UserError

PATIENCE = 12
"""Seconds that a download's server has to answer; without a network the error comes within this."""
STALL = 20
"""Seconds that a running download may stand still."""


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


def download(url: str, target: IO[bytes], sha256: str) -> None:
    """Write what a URL has to an open file. `UserError`, with the URL, unless it came whole and its
    SHA-256 begins so, as far as it is known: what is in `target` is of no use then.

    Progress is told on stderr: a bar on a terminal, ten lines elsewhere. To a file with a name:
    `with disk.replacing(path) as temporary, temporary.open("wb") as target`.
    """
    try:
        found = _copied(url, target)
    except HTTPError as error:
        raise UserError(f"{url}: the server says {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise UserError(f"{url}: {reason}") from None
    if not found.startswith(sha256):
        raise UserError(
            f"{url} is not what it should be, but altered, there or on the way\n"
            f"  found     SHA-256 {found}\n  expected  SHA-256 {sha256}"
        )


def _copied(url: str, target: IO[bytes]) -> str:
    """The SHA-256 of what was written; `OSError` if it is less than the server said."""
    digest, size, name = hashlib.sha256(), 0, PurePosixPath(urlsplit(url).path).name
    with ask(url, PATIENCE, STALL) as response:
        total = int(response.headers.get("Content-Length") or 0)
        bar = tqdm(total=total or None, desc=name, unit="B", unit_scale=True, disable=None)
        with bar:
            while block := response.read(1 << 16):
                target.write(block)
                digest.update(block)
                tenths, size = 10 * size // (total or 1), size + len(block)
                bar.update(len(block))
                if bar.disable and total and 10 * size // total > tenths:
                    done = f"{name}: {100 * size // total} % of {total:,} bytes"
                    print(done, file=sys.stderr, flush=True)
    if size < total:
        raise OSError(f"the server sent {size:,} of {total:,} bytes")
    return digest.hexdigest()
