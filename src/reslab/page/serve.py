"""A live page on 127.0.0.1, while runs go on: the page, their progress, their logs, nothing else.

What may be read is a dictionary of addresses: no path of a request is ever looked up on the disk. A
request for another host is refused, so that no other site can read through a reader's browser (DNS
rebinding).
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from reslab import disk
from reslab.errors import UserError
from reslab.page.contents import FILES
from reslab.page.progress import changed, progress
from reslab.page.write import page_path, render
from reslab.store.plan import Plan
from reslab.text import printable_lines

ADDRESS = "127.0.0.1"
PORT = 8000
PROGRESS = "/progress.json"
TYPES = {".json": "application/json", ".html": "text/html"}
"""Of files by their suffix; all others are text."""

Answer = Callable[[], tuple[str, bytes]]
"""A content's type and the content."""


def serve(plans: Sequence[Plan], port: int = PORT) -> None:
    """Serve the page of some plans until Ctrl-C; port 0 is any that is free.

    `UserError` if the port is taken.
    """
    with server(plans, port) as found:
        try:
            print(f"http://{ADDRESS}:{found.server_port}/ until Ctrl-C", flush=True)
            found.serve_forever()
        except KeyboardInterrupt:
            print("\nended; the runs go on", flush=True)


def server(plans: Sequence[Plan], port: int) -> "Server":
    """The server, not yet serving."""
    answers, first = answers_of(plans)
    try:
        return Server((ADDRESS, port), partial(Handler, answers, first))
    except OSError as error:
        raise UserError(
            f"PORT={port}: {error.strerror}; say another, for example PORT={port % 60000 + 1}"
        ) from None


class Server(ThreadingHTTPServer):
    """Ends without waiting for readers, and says nothing of one who has gone."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell whatever is no broken connection."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def answers_of(plans: Sequence[Plan]) -> tuple[dict[str, Answer], str]:
    """Everything that can be read, by its address, as its links on the page are; and the page's."""
    page = page_path(plans).absolute()
    folders = sorted({folder.absolute() for plan in plans for folder in plan.folders()})
    root = Path(os.path.commonpath([page.parent, *folders]))
    first = _address(page, root)
    answers: dict[str, Answer] = {
        first: Page(plans, page).answer,
        PROGRESS: lambda: ("application/json", disk.to_json(progress(plans)).encode()),
    }
    for folder in folders:
        answers[f"{_address(folder, root)}/"] = partial(_listed, folder)
        answers |= {_address(folder / n, root): partial(_read, folder / n) for n in FILES}
    return answers, first


def _address(path: Path, root: Path) -> str:
    return f"/{path.relative_to(root).as_posix()}".removesuffix("/.")


class Page:
    """The page as it is now, made again where something has changed since the last time."""

    def __init__(self, plans: Sequence[Plan], path: Path) -> None:
        self.plans, self.path = plans, path
        self.made, self.html = "", b""
        self.lock = Lock()

    def answer(self) -> tuple[str, bytes]:
        """HTML."""
        with self.lock:
            now = changed(self.plans)
            if now != self.made:
                self.html = render(self.plans, self.path, live=now).encode()
                self.made = now
            return "text/html", self.html


def _read(file: Path) -> tuple[str, bytes]:
    return TYPES.get(file.suffix, "text/plain"), file.read_bytes()


def _listed(folder: Path) -> tuple[str, bytes]:
    """The files of a run that can be read, as links; their names are ours."""
    there = [name for name in FILES if (folder / name).is_file()]
    items = "".join(f'<li><a href="{quote(name)}">{name}</a></li>' for name in there)
    html = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Run</title><ul>{items}</ul>'
    )
    return "text/html", html.encode()


class Handler(BaseHTTPRequestHandler):
    """Answers what it was given answers for."""

    server: Server
    timeout = 30
    """Seconds for a request to be said."""

    def __init__(self, answers: dict[str, Answer], first: str, *request: Any) -> None:
        self.answers, self.first = answers, first
        super().__init__(*request)  # it answers within

    def do_GET(self) -> None:
        """Whatever is asked for by its address."""
        port = self.server.server_port
        if self.headers.get("Host", "").lower() not in {f"{ADDRESS}:{port}", f"localhost:{port}"}:
            return self.send_error(403, "This is for 127.0.0.1 alone")
        path = unquote(urlsplit(self.path).path)
        if path == "/":
            return self._send(302, "text/plain", b"", Location=quote(self.first))
        if path not in self.answers:
            return self.send_error(404)
        try:
            kind, content = self.answers[path]()
        except FileNotFoundError:
            return self.send_error(404, "Not there yet")
        except UserError as error:
            return self._send(500, "text/plain", printable_lines(str(error)).encode())
        self._send(200, kind, content)

    do_HEAD = do_GET

    def _send(self, code: int, kind: str, content: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """A request is no news."""
