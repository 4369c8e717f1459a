"""A server is asked with one deadline for its first answer, and another for each silence; a file is
what its SHA-256 says or is refused."""

import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest

from reslab import web
from reslab.errors import UserError
from reslab.web import ask, download


@contextmanager
def server(*answers: bytes, closes: bool = False) -> Iterator[str]:
    """The address of one that sends this to who asks first, and then nothing more, or closes."""
    silent = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as asked:
                asked.recv(1000)
                for part in answers:
                    asked.sendall(part)
                if not closes:
                    silent.wait(60)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            silent.set()
            thread.join()


OK = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"


def test_an_answer_is_handed_over_and_so_is_a_refusal() -> None:
    with server(OK, b"hello") as url, ask(url, patience=30, stall=30) as answer:
        assert answer.read() == b"hello"
    refusal = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with server(refusal) as url, pytest.raises(HTTPError, match="Not Found"):
        ask(url, patience=30, stall=30)


def test_a_first_answer_is_waited_for_no_longer_than_patience_lasts() -> None:
    began = time.monotonic()
    with server() as url, pytest.raises(TimeoutError, match=f"{url} did not answer within 0.2 s"):
        ask(url, patience=0.2, stall=30)
    assert time.monotonic() - began < 20


def test_a_server_that_falls_silent_in_mid_answer_is_given_up_after_stall() -> None:
    began = time.monotonic()
    with (
        server(OK, b"he") as url,
        ask(url, patience=30, stall=0.2) as answer,
        pytest.raises(TimeoutError),
    ):
        answer.read()
    assert time.monotonic() - began < 20


HELLO = hashlib.sha256(b"hello").hexdigest()


def test_a_download_is_written_where_it_has_the_sum_that_was_said() -> None:
    target = io.BytesIO()
    with server(OK, b"hello") as url:
        download(f"{url}/greeting.txt", target, HELLO)
    assert target.getvalue() == b"hello"


def test_of_a_sum_that_is_known_in_part_this_part_is_checked() -> None:
    for known in (HELLO[:8], ""):
        with server(OK, b"hello") as url:
            download(f"{url}/x", io.BytesIO(), known)
    with server(OK, b"jello") as url, pytest.raises(UserError, match=f"expected .*{HELLO[:8]}$"):
        download(f"{url}/x", io.BytesIO(), HELLO[:8])


def test_a_download_of_another_sum_and_one_that_is_cut_off_are_refused_with_the_url() -> None:
    with (
        server(OK, b"jello") as url,
        pytest.raises(UserError, match=f"{url}/x is not .*\n.*found .*\n.*expected .*{HELLO}"),
    ):
        download(f"{url}/x", io.BytesIO(), HELLO)
    with server(OK.replace(b"5", b"0")) as url, pytest.raises(UserError, match=f"{url}/x is not"):
        download(f"{url}/x", io.BytesIO(), HELLO)
    with (
        server(OK, b"hel", closes=True) as url,
        pytest.raises(UserError, match=f"{url}/x: the server sent 3 of 5 bytes"),
    ):
        download(f"{url}/x", io.BytesIO(), HELLO)


def test_a_server_that_has_no_such_file_is_quoted_with_its_status_and_the_url() -> None:
    refusal = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with server(refusal) as url, pytest.raises(UserError) as caught:
        download(f"{url}/x", io.BytesIO(), HELLO)
    assert str(caught.value) == f"{url}/x: the server says 404 Not Found"


@pytest.mark.parametrize("answers", [(), (OK, b"he")], ids=["never", "in the middle"])
def test_a_download_from_a_server_that_falls_silent_is_given_up(
    answers: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.5)
    monkeypatch.setattr(web, "STALL", 0.5)
    with server(*answers) as url, pytest.raises(UserError, match=f"{url}/x: .*(answer|timed out)"):
        download(f"{url}/x", io.BytesIO(), HELLO)
