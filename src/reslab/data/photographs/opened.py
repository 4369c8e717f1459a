"""Photographs: image files of any size in folders, decoded and cropped while a net is trained.

Files that cannot be decoded belong to no split; see survey.py.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from reslab import disk
from reslab.config.data import Data, Photographs
from reslab.config.datasets import cache_path
from reslab.config.photographs import listing_of
from reslab.config.recipe import Normalizing
from reslab.data.normalize import FITS, Measured, Normalization, measured
from reslab.data.order import Draws
from reslab.data.photographs.crops import test_crop, train_crop
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.photographs.prepared import Prepared, open_prepared
from reslab.data.photographs.survey import Survey, survey
from reslab.data.workers import chunks, in_workers
from reslab.errors import UserError
from reslab.folders import Image

Names = npt.NDArray[np.bytes_]
"""Paths as the system spells them, in one array: a list would be copied into every worker."""

MEASURED_AT_ONCE = 50


@dataclass(frozen=True)
class Files:
    """Images that are decoded from the files below a folder."""

    root: Path

    def __call__(self, name: bytes) -> Tensor:
        """The image in a file, uint8 (3, H, W); `UserError` if it cannot be decoded."""
        path = self.root / os.fsdecode(name)
        try:
            return decode(path)
        except Undecodable as reason:
            raise UserError(f"{path}: {reason}; it was an image when it was looked at") from None


@dataclass(frozen=True, eq=False)
class Pictures:
    """A split: `targets` are the classes, int64 (N,), on the CPU; images are read one at a time,
    wherever batches of their crops are to be."""

    names: Names
    targets: Tensor
    read: Callable[[bytes], Tensor]
    photographs: Photographs
    evaluated_at_once: ClassVar[Mapping[str, int]] = {"cpu": 100, "cuda": 100}

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor, /) -> Self:
        names, targets = self.names[indices.numpy()], self.targets[indices]
        return replace(self, names=names, targets=targets)

    def image(self, index: int) -> Tensor:
        """An image as it is in its file, or in the prepared store: uint8 (3, H, W)."""
        return self.read(self.names[index])

    def to(self, device: torch.device | str) -> Self:
        """See `readers.Images`: they stay where they are decoded."""
        return self

    def training_images(self, draws: Draws) -> Tensor:
        """Random crops, uint8 (b, 3, size, size), channels last in memory."""
        views = zip(draws["examples"].tolist(), draws["view"].tolist(), strict=True)
        crop = partial(train_crop, photographs=self.photographs)
        return _together([crop(self.image(index), seed=seed) for index, seed in views])

    def evaluation_images(self, examples: range) -> Tensor:
        """Centre crops, uint8 (b, 3, size, size), channels last in memory."""
        return _together([test_crop(self.image(index), self.photographs) for index in examples])


def _together(crops: list[Tensor]) -> Tensor:
    """Crops as one tensor in the memory format that they come in; another would take longer."""
    return torch.stack([crop.permute(1, 2, 0) for crop in crops]).permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class PhotographSplits:
    """A data set of photographs, before images are held out."""

    train: Pictures
    test: Pictures
    class_names: tuple[str, ...]
    survey: Survey
    data: Data
    digest: str
    """Of the files; see `folders.Listing`."""
    workers: int
    """How many processes measure images."""

    @property
    def undecodable(self) -> int:
        """Files that are in neither split because they cannot be decoded."""
        return len(self.survey.undecodable)

    def tell(self) -> None:
        """Tell people which files are left out."""
        self.survey.tell(self.data.name)

    def fit(self, kind: Normalizing, train: Pictures) -> Normalization:
        """The normalisation for the centre crops of the training images in use.

        It is computed once and kept by what the images are, and by what is asked.
        """
        photographs = train.photographs
        if not FITS[kind].measures:
            shape = 0, 3, photographs.size, photographs.size
            return Normalization.of(kind, Measured(shape, {}))
        images = [self.digest, self.data.holdout, self.data.prepared]
        asked = [images, kind, photographs.size, photographs.test_shorter_side]
        name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
        path = cache_path(f"normalization-{name}.pt")
        with disk.locked(path):
            if not path.exists():
                fitted = Normalization.of(kind, _measured(kind, train, self.workers))
                with disk.replacing(path) as temporary:
                    torch.save(fitted.state(), temporary)
        return Normalization.from_state(torch.load(path, weights_only=True))


def open_photographs(data: Data, photographs: Photographs, workers: int) -> PhotographSplits:
    """The splits of a folder, and the names of the classes, in the listing's order.

    Decodes every file once if that was not done before. `UserError` if the folder or the prepared
    store is not there or not right, or if too many files cannot be decoded; few are left out.
    """
    listing = listing_of(data)
    read: Prepared | Files
    if data.prepared:
        read = open_prepared(data, listing)
        found = read.survey
    else:
        read = Files(listing.root)
        found = survey(listing, workers)
    found.refuse()
    train, test = (
        _pictures(split, read, photographs, found) for split in (listing.train, listing.test)
    )
    return PhotographSplits(train, test, listing.classes, found, data, listing.digest, workers)


def _pictures(
    images: Iterable[Image],
    read: Callable[[bytes], Tensor],
    photographs: Photographs,
    found: Survey,
) -> Pictures:
    encoded = [(os.fsencode(name), target) for name, target in images]
    good = [(name, target) for name, target in encoded if name not in found.undecodable]
    if not good:
        raise UserError(f"none of the {len(encoded):,} files of a split can be decoded")
    names, targets = zip(*good, strict=True)
    return Pictures(np.array(names, np.bytes_), torch.tensor(targets), read, photographs)


def _measured(kind: Normalizing, train: Pictures, workers: int) -> Measured:
    parts = chunks(range(len(train)), MEASURED_AT_ONCE)
    measures = in_workers(partial(_measured_part, kind, train), parts, workers)
    bar = tqdm(measures, f"fitting {kind}", len(parts), unit="part", disable=None)
    return reduce(Measured.__add__, bar)


def _measured_part(kind: Normalizing, train: Pictures, examples: range) -> Measured:
    return measured(kind, train.evaluation_images(examples))
