"""The files of the data sets: where they belong, what they must be, and how they get there.

They lie in the folder `RESLAB_DATA` (default `data`); downloads.yaml says where each comes from. A
file is hashed each time it is read, and what was hashed is what is used; nothing is ever unpickled.
"""

import gzip
import hashlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from reslab import disk, web
from reslab.config.datasets import data_root
from reslab.config.strict_yaml import load_yaml
from reslab.errors import UserError


@dataclass(frozen=True)
class File:
    """A file under the data folder, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size:,} bytes, SHA-256 {self.sha256}"


@dataclass(frozen=True)
class Download:
    """An archive (.tar.gz, .gz, or a file that is kept as it is) and the files that it brings."""

    url: str
    size: int
    sha256: str
    files: tuple[File, ...]


DOWNLOADS = TypeAdapter(dict[str, tuple[Download, ...]]).validate_python(
    load_yaml(Path(__file__).with_name("downloads.yaml"))
)
"""What each data set is downloaded from."""


def files_of(name: str) -> list[File]:
    """The files of a data set, in the order of downloads.yaml."""
    return [file for download in DOWNLOADS[name] for file in download.files]


def read(file: File) -> npt.NDArray[np.uint8]:
    """The bytes of a file under the data folder, shape (size,), checked.

    `UserError` if it is missing, cannot be read, or is not the file that it should be.
    """
    path = data_root() / file.path
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected {file}") from None
    _check(content.data, file, str(path), "delete it to have it downloaded again")
    return content


def _check(content: memoryview | bytes, file: File, where: str, advice: str) -> None:
    found = File(file.path, len(content), hashlib.sha256(content).hexdigest())
    if found != file:
        raise UserError(
            f"{where} is not the official file\n  found     {found}\n  expected  {file}\n{advice}"
        )


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
        with disk.locked(data_root()):
            for download in _lacking(name):
                _fetch(download)
    except (OSError, UserError) as error:
        raise UserError(_instructions(name, str(error))) from None


def _missing(name: str) -> list[File]:
    return [file for file in files_of(name) if not (data_root() / file.path).exists()]


def _lacking(name: str) -> list[Download]:
    missing = _missing(name)
    return [download for download in DOWNLOADS[name] if set(download.files) & set(missing)]


def _instructions(name: str, reason: str) -> str:
    missing = "\n  ".join(f"{data_root() / file.path}: {file}" for file in _missing(name))
    urls = "\n  ".join(f"{each.url} ({each.size:,} bytes)" for each in _lacking(name))
    return (
        f"{name} is not complete in {data_root()}, and downloading it failed: {reason}\n"
        f"Try again, or put these files there yourself:\n  {missing}\n"
        f"They are in\n  {urls}\n"
        "If you have them elsewhere, set RESLAB_DATA to the folder that holds these paths."
    )


def _fetch(download: Download) -> None:
    """Bring the files of one archive. The archive has no name, so it vanishes with the process."""
    with tempfile.TemporaryFile(dir=data_root()) as archive:
        print(f"downloading {download.url} to {data_root()}", file=sys.stderr, flush=True)
        web.download(download.url, archive, download.sha256)
        archive.seek(0)
        for file, content in _unpacked(download, archive):
            where = f"{file.path} in {download.url}"
            _check(content, file, where, "the archive holds another file of that name")
            path = data_root() / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.write_bytes(path, content)


def _unpacked(download: Download, archive: IO[bytes]) -> Iterator[tuple[File, bytes]]:
    first = download.files[0]
    if first.sha256 == download.sha256:
        yield first, archive.read()
    elif download.url.endswith(".tar.gz"):
        paths = {file.path: file for file in download.files}
        with tarfile.open(fileobj=archive, mode="r:gz") as members:
            for member in members:
                if member.name in paths and (content := members.extractfile(member)):
                    yield paths[member.name], content.read()
    else:
        with gzip.open(archive) as unzipped:
            yield first, unzipped.read()
