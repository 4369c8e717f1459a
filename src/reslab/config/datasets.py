"""Facts about the data sets by name, for whoever must not import torch to know them."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from reslab.errors import UserError

DatasetName = Literal[
    "digits",
    "mnist",
    "cifar10",
    "cifar100",
    "imagenet",
    "imagenette",
    "imagenette_mini",
    "imagefolder",
]


@dataclass(frozen=True)
class Facts:
    """Shape and counts of a data set. Images are square, `image_size` pixels a side."""

    in_channels: int
    image_size: int
    """Of photographs the side that their nets are usually described for; see `input_size`."""
    classes: int
    train: int
    test: int
    photographs: bool = False
    """Image files of any size, which the recipe's `photographs` turns into square inputs."""
    smallest_class: int = 0
    """Training images of the class that has fewest; known for photographs."""


def _photographs(classes: int, train: int, test: int, smallest_class: int) -> Facts:
    return Facts(3, 224, classes, train, test, photographs=True, smallest_class=smallest_class)


DATASETS: dict[str, Facts] = {
    "digits": Facts(in_channels=1, image_size=8, classes=10, train=1437, test=360),
    "mnist": Facts(in_channels=1, image_size=28, classes=10, train=60_000, test=10_000),
    "cifar10": Facts(in_channels=3, image_size=32, classes=10, train=50_000, test=10_000),
    "cifar100": Facts(in_channels=3, image_size=32, classes=100, train=50_000, test=10_000),
    # ILSVRC 2012, its validation set as the test set (Russakovsky 2015, arXiv 1409.0575, Table 2).
    "imagenet": _photographs(1000, 1_281_167, 50_000, smallest_class=732),
    # Ten of its classes: fast.ai's imagenette2, and 250 images of each class.
    "imagenette": _photographs(10, 9469, 3925, smallest_class=858),
    "imagenette_mini": _photographs(10, 2000, 500, smallest_class=200),
}
"""All but `imagefolder`, of which `config.data.facts_of` knows what its description says."""

FOLDERS = {
    "imagenet": "imagenet",
    "imagenette": "imagenette2",
    "imagenette_mini": "imagenette-mini",
}
"""Where photographs lie under the data folder: train/<class>/<image> and val/<class>/<image>."""


def data_root() -> Path:
    """The data folder: `RESLAB_DATA`, or `data` under the working directory."""
    return Path(os.environ.get("RESLAB_DATA") or "data")


def cache_root() -> Path:
    """Where things are kept that were made of photographs or found out about them."""
    return data_root() / ".reslab"


def cache_path(name: str) -> Path:
    """Where one of these things is kept; `UserError` if nothing can be kept there."""
    folder = cache_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: {error.strerror}; what is found out about photographs is kept there"
        ) from None
    return folder / name


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """ImageNet's 1,000 classes, sorted; their places are the labels."""
    return read_words(Path(__file__).with_name("imagenet_wnids.txt"))


def read_words(path: Path) -> tuple[str, ...]:
    """The words of a text file, without its comments (# to the line's end)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(word for line in lines for word in line.partition("#")[0].split())
