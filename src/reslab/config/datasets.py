"""Facts about the data sets by name, for whoever must not import torch to know them."""

from dataclasses import dataclass
from typing import Literal

DatasetName = Literal["digits", "mnist", "cifar10", "cifar100", "imagenet"]


@dataclass(frozen=True)
class Facts:
    """Shape and counts of a data set. Images are square, `image_size` pixels a side."""

    in_channels: int
    image_size: int
    classes: int
    train: int
    test: int
    readable: bool = True
    """Whether `reslab.data` has a reader; without one an experiment can only be planned."""


DATASETS: dict[str, Facts] = {
    "digits": Facts(in_channels=1, image_size=8, classes=10, train=1437, test=360),
    "mnist": Facts(in_channels=1, image_size=28, classes=10, train=60_000, test=10_000),
    "cifar10": Facts(in_channels=3, image_size=32, classes=10, train=50_000, test=10_000),
    "cifar100": Facts(in_channels=3, image_size=32, classes=100, train=50_000, test=10_000),
    # ILSVRC 2012, its validation set as the test set.
    "imagenet": Facts(
        in_channels=3, image_size=224, classes=1000, train=1_281_167, test=50_000, readable=False
    ),
}
