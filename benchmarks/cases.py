"""What the training rows train: a net, a data set and a recipe, as a run and in the usual pipeline.

The usual pipeline is what tutorials write: a data set in torchvision's style that gives PIL images,
PIL transforms, a DataLoader. The resident data sets are read from our files, since torchvision's
own classes ask for archives of their own; an item is made as its CIFAR10 makes one.
"""

from collections.abc import Callable
from typing import Any

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from reslab.config.photographs import root_of
from reslab.config.recipe import IMAGENET
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.data.photographs.prepared import prepare
from reslab.data.sources import Split, open_source

STORED_SIDE = 160
"""The shorter side of the prepared store that photographs are read from."""

CASES: dict[str, dict[str, Any]] = {
    "resnet20": {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"},
    "resnet56": {"model": "resnet56", "data": "cifar10", "recipe": "he2015_cifar"},
    "resnet18": {
        "model": "resnet18",
        "data": {"name": "imagenette_mini", "prepared": STORED_SIDE},
        "recipe": {
            "steps": 10_000,
            "batch_size": 32,
            "optimizer": {"lr": 0.0125, "momentum": 0.9, "weight_decay": 1e-4},
            "schedule": {"name": "constant"},
            "normalization": "imagenet",
            "augmentation": {"flip": True},
            "photographs": {"size": 128, "crop": "area", "test_shorter_side": 128},
        },
    },
    "tiny": {
        "model": "resnet8_w8",
        "data": "digits",
        "recipe": {"name": "digits", "steps": 100_000, "batch_size": 8},
    },
}
CASES |= {"loader": CASES["resnet20"], "loader_tiny": CASES["tiny"]}
"""By the name of its results. In the tiny one all but the step itself weighs most."""

Pair = tuple[Tensor, Tensor]
Moments = tuple[tuple[float, ...], tuple[float, ...]]
CIFAR10: Moments = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Mean and standard deviation of the training pixels / 255."""


def config_of(case: str, precision: str = "32-true") -> RunConfig:
    """The run of a case."""
    return resolve({**CASES[case], "precision": precision}, case)


def make_ready(config: RunConfig) -> None:
    """Make the prepared store of photographs, where it is not there."""
    if config.data.prepared:
        prepare(root_of(config.data), config.data.prepared)


class Pictures(Dataset[tuple[Any, int]]):
    """A split in torchvision's style: an item is a PIL image, transformed, and its class."""

    def __init__(self, split: Split, transform: Callable[[Any], Any]) -> None:
        pixels = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        self.targets, self.transform = split.targets.tolist(), transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.targets[index]


def usual_loader(config: RunConfig, workers: int, pinned: bool) -> DataLoader[Pair]:
    """Training batches of the usual pipeline: shuffled, augmented one by one as PIL images."""
    return DataLoader(
        _usual_data(config),
        config.recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        pin_memory=pinned,
        persistent_workers=workers > 0,
    )


def _usual_data(config: RunConfig) -> Dataset[Any]:
    photographs, flip = config.recipe.photographs, transforms.RandomHorizontalFlip()
    if photographs is not None:
        crop = transforms.RandomResizedCrop(
            photographs.size, photographs.area, photographs.aspect_ratio
        )
        return ImageFolder(root_of(config.data) / "train", _composed(IMAGENET, crop, flip))
    split = open_source(config.data.name).train
    crop = transforms.RandomCrop(split.images.shape[-1], config.recipe.augmentation.crop_padding)
    moments = CIFAR10 if split.images.shape[1] == 3 else ((0.5,), (0.5,))
    return Pictures(split, _composed(moments, crop, flip))


def _composed(moments: Moments, *moves: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return transforms.Compose([*moves, transforms.ToTensor(), transforms.Normalize(*moments)])
