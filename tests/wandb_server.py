"""A W&B server for tests: as much of its GraphQL and file-stream API as wandb 0.31 asks for.

It keeps what runs send. History is kept by line number, as W&B's own server has it: lines that are
sent twice to one place are there once.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Bucket:
    """One run as the server has it."""

    described: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    complete: bool = False


class Server:
    """Listens on a port of this machine until `stop`."""

    def __init__(self) -> None:
        self.runs: dict[str, Bucket] = defaultdict(Bucket)
        self.views: dict[str, dict[str, Any]] = {}
        """Workspaces and reports by id."""
        self.operations: list[str] = []
        self.speaks = threading.Event()
        self.speaks.set()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """The address, for WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def be_silent(self, silent: bool) -> None:
        """Take requests and answer none, or answer again."""
        (self.speaks.clear if silent else self.speaks.set)()

    def stop(self) -> None:
        """Go away: connections are refused from now on."""
        self.http.shutdown()
        self.http.server_close()

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data that GraphQL asks for."""
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = operation[1] if operation else query
        self.operations.append(name)
        match name:
            case "UpsertBucket":
                return {"upsertBucket": self._upsert(variables)}
            case "RunResumeStatus":
                return {"model": self._project(variables) | {"bucket": self._resume(variables)}}
            case "CreateRunFiles":
                files = [{"name": f, "uploadUrl": f"{self.url}/put"} for f in variables["files"]]
                return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
            case "GetProjects":
                return {
                    "models": {"pageInfo": {"endCursor": None, "hasNextPage": False}, "edges": []}
                }
            case "upsertView" | "UpsertView2":
                return {"upsertView": {"view": self._save_view(variables), "inserted": True}}
            case "ServerFeaturesQuery":
                return {"serverInfo": {"features": []}}
        return {"viewer": {"id": "1", "entity": "somebody", "username": "somebody", "flags": "{}"}}

    def stream(self, run: str, body: dict[str, Any]) -> None:
        """Take a part of a run's files."""
        bucket = self.runs[run]
        for name, part in (body.get("files") or {}).items():
            lines = [json.loads(line) for line in part["content"] if name != "output.log"]
            if name == "wandb-history.jsonl":
                bucket.history |= dict(enumerate(lines, part["offset"]))
            elif name == "wandb-summary.json":
                bucket.summary |= lines[-1]
        bucket.complete = bool(body.get("complete"))

    def _save_view(self, variables: dict[str, Any]) -> dict[str, Any]:
        view = {**variables, "id": variables.get("id") or f"view-{len(self.views)}"}
        self.views[view["id"]] = view
        return view

    def _project(self, variables: dict[str, Any]) -> dict[str, Any]:
        entity = {"id": "1", "name": "somebody"}
        return {"id": "1", "name": variables.get("project"), "entity": entity}

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        inserted = variables["name"] not in self.runs
        bucket = self.runs[variables["name"]]
        bucket.described |= {k: v for k, v in variables.items() if v is not None}
        return {
            "bucket": {
                "id": variables["name"],
                "name": variables["name"],
                "displayName": bucket.described.get("displayName"),
                "project": self._project(variables),
                "historyLineCount": len(bucket.history),
            },
            "inserted": inserted,
        }

    def _resume(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        if variables["name"] not in self.runs:
            return None
        bucket = self.runs[variables["name"]]
        tail = [json.dumps(line) for _, line in sorted(bucket.history.items())[-1:]]
        return {
            "id": variables["name"],
            "name": variables["name"],
            "summaryMetrics": json.dumps(bucket.summary),
            "displayName": bucket.described.get("displayName"),
            "logLineCount": 0,
            "historyLineCount": len(bucket.history),
            "eventsLineCount": 0,
            "historyTail": json.dumps(tail),
            "eventsTail": "[]",
            "config": bucket.described.get("config", "{}"),
            "tags": bucket.described.get("tags", []),
            "wandbConfig": json.dumps({"t": 1}),
        }


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        do_PUT = do_GET

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if stream := re.search(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                server.stream(stream[1], json.loads(content))
                self._reply({})
            elif self.path == "/graphql":
                asked = json.loads(content)
                self._reply({"data": server.answer(asked["query"], asked.get("variables") or {})})
            else:  # telemetry
                self._reply({})

        def _reply(self, value: dict[str, Any]) -> None:
            server.speaks.wait()
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay quiet."""

    return Handler


@contextmanager
def wandb_server() -> Iterator[Server]:
    """A server that is gone when the block ends, if not before."""
    server = Server()
    try:
        yield server
    finally:
        server.stop()


def call(
    script: Path, server: Server, name: str = "quickstart"
) -> "subprocess.CompletedProcess[str]":
    """Call a script for an experiment, in a process of its own: wandb keeps its settings."""
    environment = {k: v for k, v in os.environ.items() if k != "WANDB_MODE"}
    done = subprocess.run(
        [sys.executable, str(script), name],
        env={**environment, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
