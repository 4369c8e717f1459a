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
    "arrays",
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
    class_names: tuple[str, ...] = ()
    """By label; of photographs their folders are the classes."""
    of_class: tuple[tuple[int, int], ...] = ()
    """Training and test images of each class, by label; of photographs only their sum is here."""


def _of_one_size(
    in_channels: int,
    image_size: int,
    class_names: str,
    train: tuple[int, ...],
    test: tuple[int, ...],
) -> Facts:
    """Facts from the counts of each class; one that stands alone is that of every class."""
    names = tuple(class_names.split())
    of_class = tuple(zip(*(c * (len(names) // len(c)) for c in (train, test)), strict=True))
    trained, tested = map(sum, zip(*of_class, strict=True))
    return Facts(in_channels, image_size, len(names), trained, tested, False, 0, names, of_class)


TEN = "0 1 2 3 4 5 6 7 8 9"

CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"

CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
    cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
    lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
"""The fine labels."""


def _photographs(classes: int, train: int, test: int, smallest_class: int) -> Facts:
    return Facts(3, 224, classes, train, test, photographs=True, smallest_class=smallest_class)


DATASETS: dict[str, Facts] = {
    "digits": _of_one_size(1, 8, TEN, (142, 146, 141, 147, 145, 146, 145, 143, 138, 144), (36,)),
    "mnist": _of_one_size(
        1,
        28,
        TEN,
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "cifar10": _of_one_size(3, 32, CIFAR10, (5000,), (1000,)),
    "cifar100": _of_one_size(3, 32, CIFAR100, (500,), (100,)),
    # ILSVRC 2012, its validation set as the test set (Russakovsky 2015, arXiv 1409.0575, Table 2).
    "imagenet": _photographs(1000, 1_281_167, 50_000, smallest_class=732),
    # Ten of its classes: fast.ai's imagenette2, and 250 images of each class.
    "imagenette": _photographs(10, 9469, 3925, smallest_class=858),
    "imagenette_mini": _photographs(10, 2000, 500, smallest_class=200),
}
"""All but `imagefolder` and `arrays`, of which `config.data.facts_of` knows what their description
says."""

FOLDERS = {
    "imagenet": "imagenet",
    "imagenette": "imagenette2",
    "imagenette_mini": "imagenette-mini",
}
"""Where photographs lie under the data folder: train/<class>/<image> and val/<class>/<image>."""


PHOTOGRAPHS = (*FOLDERS, "imagefolder")
"""The data sets of image files of any size."""


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
