"""Nets of one's own: `python: my_nets.py:Net` becomes a description, with the file's digest.

Here the file is only read. It is code, and is run where its net is built (`models.python`): to
count its costs for a plan, to train a run, to load weights. A run's folder, and an export, has a
copy of it under its name, and that is what is run.
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reslab import disk
from reslab.config.nets import PythonNet
from reslab.config.origins import sha256_of
from reslab.errors import UserError, enumerated
from reslab.folders import absolute
from reslab.text import quoted

if TYPE_CHECKING:
    from reslab.config.run import RunConfig
    from reslab.config.use import Use

Described = TypeVar("Described", "RunConfig", "Use", "RunConfig | Use")

DEFINED = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)


def python_net(word: str) -> PythonNet:
    """The description of FILE:NAME, for three channels and 1,000 classes, without arguments.

    `UserError` where there is no such file; whether it has the name is known once it is run.
    """
    file, colon, entrypoint = word.rpartition(":")
    if not colon or not file.endswith(".py") or not entrypoint.isidentifier():
        raise UserError(
            f"got {quoted(word)}; expected FILE.py:NAME, a class or a function in a file: "
            f"my_nets.py:Net{_defined_in(word)}"
        )
    path = absolute(file)
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    return PythonNet(family="python", file=str(path), sha256=sha256_of(path), entrypoint=entrypoint)


def _defined_in(word: str) -> str:
    """What could be meant where only a file is named."""
    path = absolute(word)
    if not (word.endswith(".py") and path.is_file()):
        return ""
    found = DEFINED.findall(path.read_text(encoding="utf-8", errors="replace"))
    return f"; it has {enumerated(found, 6)}" if found else ""


def source(net: PythonNet) -> bytes:
    """What the file of a net holds; `UserError` where it is not the one that was described."""
    path = Path(net.file)
    if not path.is_file():
        raise UserError(
            f"there is no {path}, the code of {net.name}: it lies beside the weights of a run and "
            f"of an export; bring it back (its SHA-256 is {net.sha256})"
        )
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != net.sha256:
        raise UserError(
            f"{path} is not the code of {net.name} any more: its SHA-256 is {found}, expected "
            f"{net.sha256}; undo the change, or begin a new run"
        )
    return content


def keep_source(net: PythonNet, path: Path) -> None:
    """Copy the file of a net to a path, unless one is there."""
    if not path.exists():
        disk.write_bytes(path, source(net))


def beside(described: Described, folder: Path) -> Described:
    """The same with the file of its net in a folder, under its name; any other as it is."""
    net = described.model
    if not isinstance(net, PythonNet):
        return described
    there = net.model_copy(update={"file": str(folder.absolute() / Path(net.file).name)})
    return described.model_copy(update={"model": there})
