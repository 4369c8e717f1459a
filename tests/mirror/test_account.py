"""Where W&B is and whether there is a key for it."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reslab.mirror import account


def test_a_key_is_found_in_the_environment_or_in_a_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://wandb.example.org"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not account.has_key(url)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine wandb.example.org login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert account.has_key(url)
    assert not account.has_key("https://other.example.org")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert account.has_key("https://other.example.org")


def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "PATIENCE", 0.3)
    found = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found.wait(30))
    began = time.monotonic()
    assert not account.reachable("http://wandb.example.org")
    assert time.monotonic() - began < 20
    found.set()


@pytest.mark.parametrize("answer", [b"220 a mail server\r\n", b""])
def test_a_port_that_speaks_no_http_is_no_server(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            with other.accept()[0] as asked:
                asked.recv(1)
                asked.sendall(answer)

        threading.Thread(target=greet, daemon=True).start()
        assert not account.reachable(f"http://127.0.0.1:{other.getsockname()[1]}")


@pytest.mark.process
def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: wandb reads its settings once."""
    monkeypatch.setenv("WANDB_BASE_URL", "localhost:8080")
    code = (
        "from reslab.errors import exit_code; from reslab.mirror.account import base_url;"
        "exit_code(base_url)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("error: W&B's settings (WANDB_BASE_URL?) are refused: ")


def test_an_empty_project_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("", "reslab"), ("mine", "mine")):
        monkeypatch.setenv("WANDB_PROJECT", name)
        assert account.project() == expected


def test_an_address_that_does_not_answer_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that accepts and says nothing: the probe's own patience decides."""
    monkeypatch.setattr(account, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not account.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 20
