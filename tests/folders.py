"""Folders of files for tests: what is in a file does not matter, its name and size do."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

Make = Callable[[Iterable[str]], Path]

SPLIT = ("train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "val/cat/3.jpg", "val/dog/2.jpg")


def filled(root: Path, names: Iterable[str]) -> Path:
    """The folder with files of these names, each of which holds its own."""
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(os.fsencode(name))
    return root
