"""How images are read: those of one size are indexed where they lie, photographs are decoded.

`open_images` opens either; whatever reads in batches asks for no more than is said here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor

from reslab.config.data import Data, Photographs
from reslab.config.recipe import Normalizing
from reslab.data.normalize import Normalization
from reslab.data.order import Draws
from reslab.data.sources import open_part


class Images(Protocol):
    """A split: what can be divided, and read as uint8 (b, C, H, W)."""

    evaluated_at_once: ClassVar[Mapping[str, int]]
    """Images in a batch of an evaluation, by the kind of device that it is for."""

    @property
    def targets(self) -> Tensor:
        """The classes, int64 (N,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Tensor, /) -> Self: ...

    def to(self, device: torch.device | str) -> Self:
        """This split for batches on a device."""

    def training_images(self, draws: Draws) -> Tensor:
        """The images that a batch draws, as far as they are augmented one by one.

        Draws are on the device of resident images; those of photographs on the CPU.
        """

    def evaluation_images(self, examples: range) -> Tensor:
        """The images of some examples, not augmented."""


S = TypeVar("S", bound=Images)


def spread(split: S, count: int) -> S:
    """So many images of a split, evenly from all of it: its order may be that of classes."""
    count = min(count, len(split))
    return split[torch.arange(count) * len(split) // count]


class Reader(Protocol[S]):
    """An opened data set, before images are held out."""

    @property
    def train(self) -> S: ...

    @property
    def test(self) -> S: ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label."""

    @property
    def undecodable(self) -> int:
        """Files that are in neither split because they cannot be decoded."""

    def fit(self, kind: Normalizing, train: S) -> Normalization:
        """The normalisation for training images of this data set, as they are evaluated."""

    def tell(self) -> None:
        """Tell people which files are left out."""


def open_images(data: Data, photographs: Photographs | None, workers: int) -> Reader[Any]:
    """Open a data set, images of any size as what crops them says; `UserError` if it is not right.

    Downloads what is missing; decodes every photograph once if that was not done before.
    """
    if photographs is None:
        return open_part(data)
    from reslab.data.photographs.opened import open_photographs  # torchvision: a second

    return open_photographs(data, photographs, workers)
