"""Which code made a run: a digest of the modules that decide its result."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

TRAINING = "reslab.training.run"
"""What trains a run; whatever it imports decides the result with it."""


@cache
def code_version() -> str:
    """Ten hexadecimal digits that change with the code that decides a run's result."""
    digest = hashlib.sha256()
    for name in sorted(closure()):
        digest.update(name.encode() + _file(name).read_bytes())
    return digest.hexdigest()[:10]


def closure() -> set[str]:
    """The modules of this package that the training of a run imports, directly or not."""
    found, new = set[str](), {TRAINING}
    while new:
        found |= new
        new = {name for module in new for name in _imported(module)} - found
    return found


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(_file(module).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("reslab.") and _file(name).exists())


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
