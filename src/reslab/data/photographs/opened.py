"""Photographs: image files of any size in folders, decoded and cropped while a net is trained.

`open_pictures` opens the splits of a data set; `PhotographData` is their DataModule and gives what
`modules.ResidentData` gives. Files that cannot be decoded belong to no split; see survey.py.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from itertools import starmap, tee
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from reslab import disk
from reslab.config.data import Data, Photographs
from reslab.config.datasets import cache_path
from reslab.config.photographs import listing_of
from reslab.config.run import RunConfig
from reslab.data.modules import (
    Batch,
    ImageData,
    Share,
    TrainingBatch,
    drawn,
    dtype_of,
    finished,
    fitted_kind,
    own_share,
)
from reslab.data.normalize import FITS, Kind, Measured, Normalization, measured
from reslab.data.order import Rows
from reslab.data.photographs.crops import test_crop, train_crop
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.photographs.prepared import Prepared, open_prepared
from reslab.data.photographs.survey import Survey, survey
from reslab.data.photographs.workers import chunks, default_workers, in_workers, one_thread
from reslab.data.sources import held_out, in_use
from reslab.errors import UserError
from reslab.folders import Image

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.bytes_]
"""Paths as the system spells them, in one array: a list would be copied into every worker."""

EVALUATED_AT_ONCE = 100
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
    """A split: `targets` are the classes, int64 (N,), on the CPU; images are read one at a time."""

    names: Names
    targets: Tensor
    read: Callable[[bytes], Tensor]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor) -> "Pictures":
        return Pictures(self.names[indices.numpy()], self.targets[indices], self.read)

    def image(self, index: int) -> Tensor:
        """An image as it is in its file, or in the prepared store: uint8 (3, H, W)."""
        return self.read(self.names[index])


@dataclass(frozen=True, eq=False)
class Opened:
    """A data set of photographs as a run uses it, before images are held out."""

    train: Pictures
    test: Pictures
    class_names: tuple[str, ...]
    digest: str
    """Of the files; see `folders.Listing`."""
    survey: Survey


def open_pictures(data: Data) -> tuple[Pictures, Pictures, tuple[str, ...]]:
    """The training split, the test split and the names of the classes, in the listing's order.

    Decodes every file once if that was not done before. `UserError` if the folder or the prepared
    store is not there or not right, or if too many files cannot be decoded; few are left out.
    """
    opened = open_photographs(data)
    return opened.train, opened.test, opened.class_names


def open_photographs(data: Data, workers: int | None = None) -> Opened:
    """What `open_pictures` opens, and what was left out."""
    listing = listing_of(data)
    read: Prepared | Files
    if data.prepared:
        read = open_prepared(data, listing)
        found = read.survey
    else:
        read = Files(listing.root)
        found = survey(listing, default_workers() if workers is None else workers)
    found.refuse()
    train, test = (_pictures(split, read, found) for split in (listing.train, listing.test))
    return Opened(train, test, listing.classes, listing.digest, found)


def _pictures(images: Iterable[Image], read: Callable[[bytes], Tensor], found: Survey) -> Pictures:
    encoded = [(os.fsencode(name), target) for name, target in images]
    good = [(name, target) for name, target in encoded if name not in found.undecodable]
    if not good:
        raise UserError(f"none of the {len(encoded):,} files of a split can be decoded")
    names, targets = zip(*good, strict=True)
    return Pictures(np.array(names, np.bytes_), torch.tensor(targets), read)


# ---- batches ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RandomCrops:
    """The crops of a batch of rows, uint8 (b, 3, size, size), channels last in memory."""

    pictures: Pictures
    photographs: Photographs

    def __call__(self, rows: Rows) -> Tensor:
        views = zip(rows.examples.tolist(), rows.view.tolist(), strict=True)
        crop = partial(train_crop, photographs=self.photographs)
        return _together([crop(self.pictures.image(i), seed=seed) for i, seed in views])


@dataclass(frozen=True)
class CentreCrops:
    """The centres of the images of some indices, uint8 (b, 3, size, size), channels last."""

    pictures: Pictures
    photographs: Photographs

    def __call__(self, indices: range) -> Tensor:
        return _together([test_crop(self.pictures.image(i), self.photographs) for i in indices])


def _together(crops: list[Tensor]) -> Tensor:
    """Crops as one tensor in the memory format that they come in; another would take longer."""
    return torch.stack([crop.permute(1, 2, 0) for crop in crops]).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class TrainingBatches:
    """Endless: the micro-batches of step = `first_step()` and all after it, cropped ahead.

    Workers are started when iteration starts, since only then the step is known.
    """

    rows: Callable[[int, int], Rows]
    crops: RandomCrops
    finish: Callable[[int, Rows, Tensor], TrainingBatch]
    first_step: Callable[[], int]
    share: Share
    workers: int
    pin_memory: bool

    def __iter__(self) -> Iterator[TrainingBatch]:
        first = self.first_step()
        steps = (step for step, _ in self.share.micro_batches_from(first))
        rows, ahead = tee(starmap(self.rows, self.share.micro_batches_from(first)))
        images = in_workers(self.crops, ahead, self.workers, self.pin_memory)
        yield from map(self.finish, steps, rows, images)


@dataclass(frozen=True)
class EvaluationBatches:
    """A rank's part of a split in batches, normalised: examples r, r + n, … as in modules.py."""

    crops: CentreCrops
    normalization: Normalization
    dtype: torch.dtype
    rank: int
    ranks: int
    workers: int
    pin_memory: bool

    def __len__(self) -> int:
        return len(self._indices())

    def __iter__(self) -> Iterator[Batch]:
        device, targets = self.normalization.mean.device, self.crops.pictures.targets
        images = in_workers(self.crops, self._indices(), self.workers, self.pin_memory)
        for indices, crops in zip(self._indices(), images, strict=True):
            with one_thread():
                on_device = crops.to(device, non_blocking=True).contiguous()
                normalized = self.normalization(on_device, self.dtype)
            yield normalized, targets[list(indices)].to(device, non_blocking=True)

    def _indices(self) -> list[range]:
        mine = range(self.rank, len(self.crops.pictures), self.ranks)
        return chunks(mine, EVALUATED_AT_ONCE)


# ---- normalisation ----------------------------------------------------------------------------


def fit_normalization(
    kind: Kind, train: Pictures, photographs: Photographs, key: object, workers: int
) -> Normalization:
    """The normalisation for the centre crops of the training images.

    It is computed once and kept by `key`, which says what the images are, and by what is asked.
    """
    if not FITS[kind].measures:
        return Normalization.of(kind, Measured((0, 3, photographs.size, photographs.size), {}))
    asked = [key, kind, photographs.size, photographs.test_shorter_side]
    name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    path = cache_path(f"normalization-{name}.pt")
    with disk.locked(path):
        if not path.exists():
            fitted = Normalization.of(kind, _measured(kind, train, photographs, workers))
            with disk.replacing(path) as temporary:
                torch.save(fitted.state(), temporary)
    return Normalization.from_state(torch.load(path, weights_only=True))


def _measured(kind: Kind, train: Pictures, photographs: Photographs, workers: int) -> Measured:
    parts = chunks(range(len(train)), MEASURED_AT_ONCE)
    measure = _Measure(kind, CentreCrops(train, photographs))
    measures = in_workers(measure, parts, workers)
    bar = tqdm(measures, f"fitting {kind}", len(parts), unit="part", disable=None)
    return reduce(Measured.__add__, bar)


@dataclass(frozen=True)
class _Measure:
    kind: Kind
    crops: CentreCrops

    def __call__(self, indices: range) -> Measured:
        return measured(self.kind, self.crops(indices))


# ---- the DataModule ---------------------------------------------------------------------------


class PhotographData(ImageData[Pictures]):
    """Photographs: decoded and cropped by `default_workers()` processes.

    Everything after the crop is done in batches on the training device.
    """

    survey: Survey

    def __init__(self, config: RunConfig, told: Normalization | None = None) -> None:
        super().__init__(config, told)
        assert config.recipe.photographs is not None  # RunConfig has checked it
        self.photographs = config.recipe.photographs

    def prepare_data(self) -> None:
        """Decode every file once and fit the normalisation, where that was not done before.

        `UserError` as in `open_pictures`. Files that are left out are told.
        """
        if hasattr(self, "train"):
            return
        self._open()
        self.survey.tell(self.config.data.name)

    def setup(self, stage: str | None = None) -> None:
        """Open what `prepare_data` has made sure of, in every process."""
        if not hasattr(self, "train"):
            self._open()
        self.normalization = self.normalization.to(self.device())

    def _open(self) -> None:
        data, workers = self.config.data, self._workers()
        opened = open_photographs(data, workers)
        train, test = in_use(opened.train, opened.test, data)
        key = [opened.digest, data.holdout, data.prepared]
        self.normalization = self.told or fit_normalization(
            fitted_kind(self.config), train, self.photographs, key, workers
        )
        self.class_names, self.survey = opened.class_names, opened.survey
        self.undecodable = len(opened.survey.undecodable)
        self.train, self.test, self.held = train, test, held_out(opened.train, data)

    def train_batch(self, step: int, micro_batch: int = 0) -> TrainingBatch:
        """See `ImageData`; without workers."""
        rows = self._rows(step, micro_batch)
        return self._finish(step, rows, RandomCrops(self.train, self.photographs)(rows))

    def train_dataloader(self) -> TrainingBatches:
        """See `ImageData`."""
        return TrainingBatches(
            self._rows,
            RandomCrops(self.train, self.photographs),
            self._finish,
            self.first_step,
            own_share(self.trainer),
            self._workers(),
            self._pin_memory(),
        )

    def _finish(self, step: int, rows: Rows, crops: Tensor) -> TrainingBatch:
        device = self.normalization.mean.device
        with one_thread():
            _, draws = drawn(rows, device)
            images = crops.to(device, non_blocking=True).contiguous()
            targets = self.train.targets[torch.from_numpy(rows.examples)]
            targets = targets.to(device, non_blocking=True)
            return finished(self.config, step, images, targets, draws, self.normalization)

    def evaluation(self, split: Pictures) -> EvaluationBatches:
        """See `ImageData`."""
        rank, ranks, _ = own_share(self.trainer)
        return EvaluationBatches(
            CentreCrops(split, self.photographs),
            self.normalization,
            dtype_of(self.config.precision),
            rank,
            ranks,
            self._workers(),
            self._pin_memory(),
        )

    def _pin_memory(self) -> bool:
        return self.normalization.mean.device.type == "cuda"

    def _workers(self) -> int:
        return default_workers(self.trainer.num_devices if self.trainer else 1)
