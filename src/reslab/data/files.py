"""The files of the data sets: where they belong, what they must be, and how they get there.

They lie in the folder `RESLAB_DATA` (default `data`). A file is hashed each time it is read, and
what was hashed is what is used; nothing is ever unpickled. Missing files come from the official
distributions: Krizhevsky's CIFAR page and the mirror of LeCun's MNIST that torchvision uses.
"""

import fcntl
import gzip
import hashlib
import http.client
import os
import secrets
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reslab import web
from reslab.config.datasets import data_root
from reslab.errors import UserError

CONNECT_SECONDS = 12
"""How long a server may take to answer at all; without a network the error comes within this."""
STALL_SECONDS = 20
"""How long a running download may stand still."""


@dataclass(frozen=True)
class File:
    """A file under the data folder, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Download:
    """An archive (.tar.gz, .gz, or one that is kept as it is) and the files that it brings."""

    url: str
    archive: File
    files: tuple[File, ...]


def _mnist(file: File, size: int, sha256: str) -> Download:
    name = f"{Path(file.path).name}.gz"
    url = f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}"
    return Download(url, File(name, size, sha256), (file,))


# The sums of the MNIST files and of CIFAR-10's batches are those of the files whose MD5 and SHA-1
# torchvision and MXNet publish; those of the archives are in TensorFlow Datasets' lists.
MNIST_FILES = (
    File(
        "mnist/train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    File(
        "mnist/train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    File(
        "mnist/t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    File(
        "mnist/t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

# batches.meta.txt is left out: the class names stand in sources.py.
CIFAR10_FILES = tuple(
    File(f"cifar-10-batches-bin/{name}.bin", 30_730_000, sha256)
    for name, sha256 in {
        "data_batch_1": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }.items()
)

# The sums of its members are published nowhere, so the archive itself is kept and read.
CIFAR100_ARCHIVE = File(
    "cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)

DOWNLOADS: dict[str, tuple[Download, ...]] = {
    "digits": (),
    "mnist": (
        _mnist(
            MNIST_FILES[0],
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        _mnist(
            MNIST_FILES[1],
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        _mnist(
            MNIST_FILES[2],
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        _mnist(
            MNIST_FILES[3],
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "cifar10": (
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            File(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
            CIFAR10_FILES,
        ),
    ),
    "cifar100": (
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            CIFAR100_ARCHIVE,
            (CIFAR100_ARCHIVE,),
        ),
    ),
}
"""What each data set is downloaded from."""


def read(file: File) -> npt.NDArray[np.uint8]:
    """The bytes of a file under the data folder, shape (size,), checked.

    `UserError` if it is missing, cannot be read, or is not the file that it should be.
    """
    path = data_root() / file.path
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected {_described(file)}") from None
    _check(content.data, file, str(path), "delete it to have it downloaded again")
    return content


def fetch(name: str) -> None:
    """Download what a data set lacks, check it, and move it into place atomically.

    Files that are there are left alone (reading checks them). `UserError` says which files belong
    where if that fails; nothing half-written is left behind.
    """
    if name not in DOWNLOADS:
        raise UserError(f"{name}: photographs are not downloaded")
    if not _missing(name):
        return
    try:
        data_root().mkdir(parents=True, exist_ok=True)
        with _alone(data_root()):
            for download in DOWNLOADS[name]:
                if any(file in _missing(name) for file in download.files):
                    _fetch(download)
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise UserError(_instructions(name, reason)) from None


def _missing(name: str) -> list[File]:
    files = [file for download in DOWNLOADS[name] for file in download.files]
    return [file for file in files if not (data_root() / file.path).exists()]


def _instructions(name: str, reason: str) -> str:
    missing = _missing(name)
    urls = "\n  ".join(
        f"{download.url} ({download.archive.size:,} bytes)"
        for download in DOWNLOADS[name]
        if any(file in missing for file in download.files)
    )
    files = "\n  ".join(f"{data_root() / file.path}: {_described(file)}" for file in missing)
    return (
        f"{name} is not complete in {data_root()}, and downloading it failed: {reason}\n"
        f"Try again, or put these files there yourself:\n  {files}\n"
        f"They are in\n  {urls}\n"
        "If you have them elsewhere, set RESLAB_DATA to the folder that holds these paths."
    )


def _described(file: File) -> str:
    return f"{file.size:,} bytes, SHA-256 {file.sha256}"


def _check(content: memoryview | bytes, file: File, where: str, advice: str) -> None:
    _compare(len(content), hashlib.sha256(content).hexdigest(), file, where, advice)


def _compare(size: int, sha256: str, file: File, where: str, advice: str) -> None:
    if sha256 != file.sha256:
        found = f"{size:,} bytes, SHA-256 {sha256}"
        raise UserError(
            f"{where} is not the official file\n  found     {found}\n"
            f"  expected  {_described(file)}\n{advice}"
        )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the folder while downloading, so that a second process waits instead of repeating it.

    Only a courtesy: where a folder cannot be locked (some network file systems), both download,
    and each moves its own finished files into place.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _fetch(download: Download) -> None:
    """Bring the files of one archive. The archive has no name, so it vanishes with the process."""
    with tempfile.TemporaryFile(dir=data_root()) as archive:
        _download(download, archive)
        for file, content in _unpacked(download, archive):
            where = f"{file.path} in {download.url}"
            _check(content, file, where, "the archive holds another file of that name")
            _install(data_root() / file.path, content)


def _download(download: Download, target: IO[bytes]) -> None:
    digest, size = hashlib.sha256(), 0
    expected = download.archive
    print(f"downloading {download.url} to {data_root()}", file=sys.stderr, flush=True)
    with (
        web.ask(download.url, CONNECT_SECONDS, STALL_SECONDS) as response,
        _progress(expected) as advance,
    ):
        while size <= expected.size and (block := response.read(1 << 16)):
            target.write(block)
            digest.update(block)
            size += len(block)
            advance(len(block))
    if size < expected.size:
        raise OSError(f"the server sent {size:,} of {expected.size:,} bytes of {expected.path}")
    _compare(size, digest.hexdigest(), expected, download.url, "it was altered on the way or there")


@contextmanager
def _progress(file: File) -> Iterator[Callable[[int], object]]:
    """A function to be told of each block's size: a bar on a terminal, ten lines elsewhere."""
    if sys.stderr.isatty():
        with tqdm(total=file.size, desc=file.path, unit="B", unit_scale=True) as bar:
            yield bar.update
        return
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        tenths = 10 * done // file.size
        done += size
        if 10 * done // file.size > tenths:
            line = f"{file.path}: {100 * done // file.size} % of {file.size:,} bytes"
            print(line, file=sys.stderr, flush=True)

    yield advance


def _unpacked(download: Download, archive: IO[bytes]) -> Iterator[tuple[File, bytes]]:
    archive.seek(0)
    if download.files == (download.archive,):
        yield download.archive, archive.read()
    elif download.url.endswith(".tar.gz"):
        paths = {file.path: file for file in download.files}
        with tarfile.open(fileobj=archive, mode="r:gz") as members:
            for member in members:
                if member.name in paths and (content := members.extractfile(member)):
                    yield paths[member.name], content.read()
    else:
        with gzip.open(archive) as unzipped:
            yield download.files[0], unzipped.read()


def _install(path: Path, content: bytes) -> None:
    """Write a file under a name of its own beside `path`, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
