"""The files of the weights that runs start from: where they are looked for, and how they get there.

Published ones lie under their names in `RESLAB_WEIGHTS` (default `data/weights`). Nothing is read
here but bytes that are hashed, and what our own files say of their run.
"""

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reslab import disk, web
from reslab.config.public_weights import PublishedWeights, published
from reslab.config.start import CHECKPOINT, Start
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import Tree
from reslab.errors import UserError


def weights_root() -> Path:
    """The folder of weights: `RESLAB_WEIGHTS`, or data/weights under the working directory."""
    return Path(os.environ.get("RESLAB_WEIGHTS") or Path("data") / "weights")


def published_file(start: Start) -> PublishedWeights | None:
    """What is known of an origin that can be downloaded."""
    if start.name is not None:
        return published(start.name)
    if start.url is not None and start.sha256 is not None:
        name = urlsplit(start.url).path.rpartition("/")[2] or start.sha256[:16]
        return PublishedWeights(start.url, start.url, name, start.sha256)
    return None


def places(start: Start) -> list[Path]:
    """Where an origin that is no run is looked for; the first that is there is taken."""
    if start.file is not None:
        path = Path(start.file).expanduser()
        return [path, weights_root() / path.name]
    found = published_file(start)
    return [found.path or weights_root() / found.file] if found else []


def there(start: Start) -> Path | None:
    """The file of an origin; None where it is missing, or the origin is a run."""
    return next((path for path in places(start) if path.is_file()), None)


def bring(start: Start) -> Path:
    """The file of an origin that is no run; one that is missing is downloaded.

    `UserError` says which file would do where that cannot be.
    """
    if path := there(start):
        return path
    known, looked = published_file(start), places(start)
    if known is None:
        raise UserError(
            f"there is no {' and no '.join(map(str, looked))}; bring the file back, to one "
            f"of these places (its SHA-256 is {start.sha256})"
        )
    if known.path:
        raise UserError(f"{known.path} is missing, which comes with reslab; install it again")
    try:
        download_weights(known, looked[0])
    except UserError as error:
        raise UserError(f"{error}; to bring it yourself, put that file to {looked[0]}") from None
    return looked[0]


def download_weights(known: PublishedWeights, path: Path) -> None:
    """Bring published weights to a path, whole and checked, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloading {known.url} to {path}", file=sys.stderr, flush=True)
    with disk.replacing(path) as temporary, temporary.open("wb") as target:
        web.download(known.url, target, known.digest)


def sha256_of(path: Path) -> str:
    """A file's SHA-256; hashed once while it stays as it is."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- what our own files say ----------------------------------------------------------------------

CONFIG = "config.yaml"
"""Of a run's folder, as `config.start.CHECKPOINT`; the others are named in `store.folder`."""

MOST_HEADER = 2**26
"""Bytes of a safetensors header that is read."""


def run_of(path: Path) -> Tree | None:
    """The description of the run that a file's weights are of, as a tree; None where it is not
    known without reading tensors.

    A checkpoint stands beside its config.yaml; a safetensors file has it in its header.
    """
    beside = path.with_name(CONFIG)
    try:
        if path.name == CHECKPOINT and beside.is_file():
            return load_yaml(beside)
        told = json.loads(_header(path)["__metadata__"]["reslab"])["config"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError):
        return None
    return told if isinstance(told, dict) else None


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)) if length <= MOST_HEADER else {}
