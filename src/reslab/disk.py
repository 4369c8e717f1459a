"""What is written is whole: atomic files, JSON, and locks that the kernel lets go of.

A kill at any moment leaves a file as it was or as it is to be. A full disk is told as one, and a
damaged JSON file by its name and line.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reslab.errors import UserError

Shape = TypeAdapter[Any]
"""What a JSON file holds."""


@contextlib.contextmanager
def replacing(path: Path, last: Callable[[], None] | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; what was written there is flushed and takes its place.

    A kill at any moment leaves the old file or the new one, never a torn one; what it leaves of the
    temporary one goes with the next attempt. `last` is called when all is on the disk: where it
    raises, the old file stays. `UserError` where the disk is full.
    """
    with room_for(path), _temporary(path) as (temporary, mode):
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(mode)  # safetensors has put a file of its own there
        if last is not None:
            last()
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """A new file beside `path`, held until it has gone; and its mode, which the umask decides."""
    remove_unfinished(path.parent, path.name)
    temporary, descriptor = _held_file(path)
    try:
        yield temporary, os.fstat(descriptor).st_mode & 0o777
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _held_file(path: Path) -> tuple[Path, int]:
    """Made and locked; `remove_unfinished` may have come between, and then it is made again."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if flock(descriptor, fcntl.LOCK_EX) and temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


@contextlib.contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Say which file a full disk has no room for."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{path} cannot be written: the disk is full, or your quota of it; what was written "
            "before is whole: make room, and the same command goes on"
        ) from None


UNFINISHED = re.compile(r"\.(.+)\.[a-z0-9_]{8}", re.DOTALL)
"""The names of `replacing`'s temporary files."""


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove what kills have left in a folder of attempts to write, or to write one file.

    What another process is writing is held by it, and stays.
    """
    for left in folder.glob(".*"):
        match = UNFINISHED.fullmatch(left.name)
        if match and name in (None, match[1]) and left.is_file() and not left.is_symlink():
            with contextlib.suppress(FileNotFoundError), left.open("rb") as file:
                if flock(file.fileno(), fcntl.LOCK_EX, unsupported=False):
                    left.unlink()


def written(path: Path) -> tuple[int, int]:
    """When a file was written, in ns, and how many bytes it has; zeros where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """The same of a text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON atomically."""
    write_text(path, to_json(value, indent=1, ascii_only=False) + "\n")


def to_json(value: Any, indent: int | None = None, ascii_only: bool = True) -> str:
    """A value as JSON, which has no NaN and no infinity: null stands for them."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def parse_json(text: str | bytes, shape: Shape | None = None) -> Any:
    """The value in a JSON text, with what `shape` asks for; `ValueError` says why not."""
    try:
        value = json.loads(text)
        if shape is not None:
            shape.validate_python(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UserError as error:
        raise ValueError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
    return value


def read_json(path: Path, shape: Shape | None = None, remedy: str = "") -> Any:
    """The value in a JSON file, None if there is no such file; `UserError` for a damaged one."""
    try:
        return parse_json(path.read_bytes(), shape)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        remedy = remedy or "bring it back, or remove it"
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None


def flock(descriptor: int, kind: int, unsupported: bool = True) -> bool:
    """Lock an open file (`fcntl.LOCK_EX`, `LOCK_SH`); False where another process has it.

    A lock is a courtesy: on a file system that knows none (some network file systems) everybody
    has it, or nobody, as `unsupported` says.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return unsupported
    return True


NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
"""The last is NFS's word for a file that is open for reading only."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a folder that is there, or the making of a file: a second process waits, then finds what
    the first has made. A file is held by an empty one beside it.

    `UserError` where it is not there and cannot be made; what is there can be read by anybody.
    """
    lock = path if path.is_dir() else path.with_name(f".{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDONLY | (0 if lock == path else os.O_CREAT), 0o666)
    except OSError as error:
        if not path.exists():
            raise UserError(f"{path} cannot be made: {error.strerror}") from None
        yield
        return
    try:
        while not flock(descriptor, fcntl.LOCK_EX):
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
