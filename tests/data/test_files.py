"""Files are what they should be or are refused; downloads arrive whole or not at all."""

import errno
import gzip
import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from reslab.data import files
from reslab.data.files import Download, File
from reslab.errors import UserError

CONTENT = bytes(range(256)) * 2000


def described(path: str, content: bytes) -> File:
    return File(path, *sums(content))


def sums(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


# Where files are, and what they must be


def test_the_known_sizes_are_those_of_the_formats() -> None:
    images, labels, test_images, test_labels = files.files_of("mnist")
    assert (images.size, labels.size) == (16 + 60_000 * 28 * 28, 8 + 60_000)
    assert (test_images.size, test_labels.size) == (16 + 10_000 * 28 * 28, 8 + 10_000)
    assert {file.size for file in files.files_of("cifar10")} == {10_000 * (1 + 3 * 32 * 32)}


def test_a_file_is_read_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / "x.bin").write_bytes(CONTENT)
    assert files.read(described("x.bin", CONTENT)).tobytes() == CONTENT


@pytest.mark.parametrize(
    "found",
    [CONTENT[:-1], b"", CONTENT[:100] + b"\0" + CONTENT[101:]],
    ids=["truncated", "empty", "altered"],
)
def test_another_file_is_refused_with_its_name_and_both_checksums(
    folder: Path, found: bytes
) -> None:
    folder.mkdir()
    (folder / "x.bin").write_bytes(found)
    with pytest.raises(UserError) as error:
        files.read(described("x.bin", CONTENT))
    message = str(error.value)
    assert str(folder / "x.bin") in message
    assert hashlib.sha256(found).hexdigest() in message
    assert hashlib.sha256(CONTENT).hexdigest() in message


def test_a_missing_file_and_a_folder_in_its_place_are_named(folder: Path) -> None:
    (folder / "a_folder").mkdir(parents=True)
    for path, reason in (("nothing", "No such file"), ("a_folder", "Is a directory")):
        with pytest.raises(UserError, match=f"{path}: {reason}"):
            files.read(described(path, CONTENT))


# Downloads


def tar(path: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in (("cifar/readme.html", b"not wanted"), (path, content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@dataclass
class Server:
    """What a server on 127.0.0.1 has; it closes the connection after `send` bytes."""

    url: str = ""
    has: dict[str, bytes] = field(default_factory=dict)
    send: int | None = None
    while_sending: Callable[[], object] = lambda: None
    requests: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests += 1
            if self.path not in state.has:
                return self.send_error(404)
            body = state.has[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.send][: len(body) // 2])
            state.while_sending()
            self.wfile.write(body[: state.send][len(body) // 2 :])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def offer(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], File]:
    """Make a data set called `sample`, of one file, that comes in the archive of that name."""

    def serve(archive: str, packed: bytes) -> File:
        path = archive if archive.endswith(".bin") else "cifar/x.bin"
        file = described(path, CONTENT)
        download = Download(f"{server.url}/{archive}", *sums(packed), (file,))
        server.has[f"/{archive}"] = packed
        monkeypatch.setitem(files.DOWNLOADS, "sample", (download,))
        return file

    return serve


@pytest.mark.parametrize(
    ("archive", "pack"),
    [
        ("x.tar.gz", lambda: tar("cifar/x.bin", CONTENT)),
        ("x.gz", lambda: gzip.compress(CONTENT)),
        ("kept.bin", lambda: CONTENT),
    ],
)
def test_what_is_missing_is_downloaded_checked_and_put_in_place(
    folder: Path, offer: Callable[[str, bytes], File], archive: str, pack: Callable[[], bytes]
) -> None:
    file = offer(archive, pack())
    files.fetch("sample")
    assert everything_in(folder) == [folder / file.path]
    assert files.read(file).tobytes() == CONTENT


def test_what_is_there_is_not_downloaded(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    file = offer("x.gz", gzip.compress(CONTENT))
    files.fetch("sample")
    files.fetch("sample")
    assert server.requests == 1
    (folder / file.path).write_bytes(b"something else")
    files.fetch("sample")
    assert server.requests == 1 and (folder / file.path).read_bytes() == b"something else"


def test_a_server_that_dies_half_way_leaves_nothing_behind(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    offer("kept.bin", CONTENT)
    server.send = len(CONTENT) // 3
    with pytest.raises(UserError, match=f"{len(CONTENT) // 3:,} of {len(CONTENT):,} bytes"):
        files.fetch("sample")
    assert everything_in(folder) == []
    server.send = None
    files.fetch("sample")
    assert everything_in(folder) == [folder / "kept.bin"]


def test_a_download_has_no_name_before_it_is_whole(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    """So a process killed in the middle leaves nothing."""
    offer("kept.bin", CONTENT)
    seen: list[Path] = []
    server.while_sending = lambda: seen.extend(everything_in(folder))
    files.fetch("sample")
    assert seen == [] and everything_in(folder) == [folder / "kept.bin"]


def test_an_altered_archive_is_refused_with_both_checksums(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    offer("kept.bin", CONTENT)
    other = CONTENT[::-1]
    server.has["/kept.bin"] = other
    with pytest.raises(UserError) as error:
        files.fetch("sample")
    assert hashlib.sha256(other).hexdigest() in str(error.value)
    assert hashlib.sha256(CONTENT).hexdigest() in str(error.value)
    assert everything_in(folder) == []


def test_two_at_once_download_once(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    offer("kept.bin", CONTENT)
    server.while_sending = lambda: time.sleep(0.1)
    both = [threading.Thread(target=files.fetch, args=("sample",)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert everything_in(folder) == [folder / "kept.bin"]
    assert server.requests == 1


def test_two_at_once_do_no_harm_where_the_folder_cannot_be_locked(
    folder: Path,
    offer: Callable[[str, bytes], File],
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    server.while_sending = threading.Barrier(2, timeout=10).wait
    file = offer("kept.bin", CONTENT)
    both = [threading.Thread(target=files.fetch, args=("sample",)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert everything_in(folder) == [folder / "kept.bin"]
    assert files.read(file).tobytes() == CONTENT


def test_without_a_network_the_error_says_which_files_belong_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("reslab.web.urlopen", unreachable)
    with pytest.raises(UserError) as error:
        files.fetch("cifar10")
    message = str(error.value)
    for file in files.files_of("cifar10"):
        assert f"{folder / file.path}: 30,730,000 bytes, SHA-256 {file.sha256}" in message
    assert "Name or service not known" in message and "RESLAB_DATA" in message
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in message
    assert everything_in(folder) == []


def test_a_server_that_never_answers_is_given_up_soon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.web.PATIENCE", 0.1)
    silence = threading.Event()
    monkeypatch.setattr("reslab.web.urlopen", lambda *_, **__: silence.wait(60))
    begin = time.monotonic()
    with pytest.raises(UserError, match="did not answer within"):
        files.fetch("mnist")
    assert time.monotonic() - begin < 30
    silence.set()


def test_a_page_that_is_gone_and_a_folder_that_cannot_be_written_are_told(
    folder: Path, offer: Callable[[str, bytes], File], server: Server
) -> None:
    offer("kept.bin", CONTENT)
    server.has.clear()
    with pytest.raises(UserError, match="Not Found"):
        files.fetch("sample")
    folder.rmdir()
    folder.write_text("a file where the folder belongs")
    with pytest.raises(UserError, match="File exists"):
        files.fetch("sample")


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_plain_lines_elsewhere(
    folder: Path,
    offer: Callable[[str, bytes], File],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
) -> None:
    offer("kept.bin", CONTENT)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    files.fetch("sample")
    told = capsys.readouterr().err
    assert ("\r" in told) == terminal
    assert ("kept.bin: 100 % of 512,000 bytes\n" in told) == (not terminal)
    assert len(told.splitlines()) <= 11 or terminal
