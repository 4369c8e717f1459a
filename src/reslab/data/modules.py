"""What every run's DataModule gives, and the one whose images are resident on the training device.

Loaders are plain iterables, no DataLoader: a training batch is a function of (seed, step), so the
one thing that a resumed run needs, the step, is the trainer's own; evaluation batches never pad.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import count, starmap
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor

from reslab.config.data import facts_of
from reslab.config.recipe import Moments
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import spelled
from reslab.data import files
from reslab.data.augment import Draws, augmented, mixed
from reslab.data.normalize import Kind, Normalization
from reslab.data.order import Order, Rows, mix_seed
from reslab.data.sources import Split, held_out, in_use, open_part
from reslab.errors import UserError

Images = TypeVar("Images", bound=Sized)
Batch = tuple[Tensor, Tensor]
TrainingBatch = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
"""Images and targets; of a mixed batch also the classes' probabilities."""

EVALUATION_BATCH = {"cpu": 100, "cuda": 500}
"""What fits into a CPU's caches is 1.2 to 1.4 times as fast there as 500 at once."""


class Share(NamedTuple):
    """What a process takes of every batch: its rank's slice, in so many micro-batches."""

    rank: int = 0
    ranks: int = 1
    micro_batches: int = 1

    def part(self, micro_batch: int) -> tuple[int, int]:
        """Which of how many contiguous parts of the global batch a micro-batch is."""
        return self.rank * self.micro_batches + micro_batch, self.ranks * self.micro_batches

    def micro_batches_from(self, first_step: int) -> Iterator[tuple[int, int]]:
        """Steps and micro-batches from a step on, without end."""
        for step in count(first_step):
            for micro_batch in range(self.micro_batches):
                yield step, micro_batch


def own_share(trainer: Trainer | None) -> Share:
    """The share of a trainer's process; everything, without one."""
    if trainer is None:
        return Share()
    return Share(trainer.global_rank, trainer.world_size, trainer.accumulate_grad_batches)


@dataclass(frozen=True)
class TrainingBatches:
    """Endless: the micro-batches `batch(step, 0)`, … of step = `first_step()` and all after it."""

    batch: Callable[[int, int], TrainingBatch]
    first_step: Callable[[], int]
    share: Share

    def __iter__(self) -> Iterator[TrainingBatch]:
        return starmap(self.batch, self.share.micro_batches_from(self.first_step()))


@dataclass(frozen=True, eq=False)
class EvaluationBatches:
    """A rank's part of a split in batches, normalised and not augmented.

    Rank r of n takes examples r, r + n, …: nothing is padded, nothing repeated, so over all ranks
    every example is counted once. Ranks may differ by one example, hence by one batch.
    """

    split: Split
    normalization: Normalization
    dtype: torch.dtype
    rank: int = 0
    ranks: int = 1

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[Batch]:
        images = self.split.images[self.rank :: self.ranks]
        targets = self.split.targets[self.rank :: self.ranks]
        for start in self._starts():
            part = slice(start, start + self._starts().step)
            yield self.normalization(images[part], self.dtype), targets[part]

    def _starts(self) -> range:
        mine = len(range(self.rank, len(self.split), self.ranks))
        return range(0, mine, EVALUATION_BATCH[self.split.targets.device.type])


def rows_of(config: RunConfig, examples: int, step: int, part: int, parts: int) -> Rows:
    """One of the `parts` of a step's batch of a run on so many examples.

    Where the run mixes images, the rows begin with the first one's partner.
    """
    recipe = config.recipe
    order = Order(examples, recipe.batch_size, config.seed, recipe.augmentation.crop_padding)
    return (order.with_partner if recipe.augmentation.mixes else order.batch)(step, part, parts)


def drawn(rows: Rows, device: torch.device) -> tuple[Tensor, Draws]:
    """The indices of a batch's examples, (b,), int64, and what they draw, on a device."""
    on_host = torch.from_numpy(np.stack(rows))
    examples, _, *draws = on_host.to(device, non_blocking=True)
    draws[-1] = on_host[-1]  # RandAugment's seeds: reading them would make the device wait
    return examples, Draws(*draws)


def finished(
    config: RunConfig,
    step: int,
    images: Tensor,
    targets: Tensor,
    draws: Draws,
    normalization: Normalization,
) -> TrainingBatch:
    """A training batch from its images, uint8 (b, C, H, W), and their targets, (b,), int64.

    Where the run mixes images, both begin with the first one's partner; see `mixed`.
    """
    augmentation = config.recipe.augmentation
    images = augmented(images, draws, augmentation, normalization, dtype_of(config.precision))
    if not augmentation.mixes:
        return images, targets
    classes = config.model.classes
    mix = mixed(images, targets, classes, mix_seed(config.seed, step), augmentation)
    return mix[0], targets[1:], mix[1]


def dtype_of(precision: str) -> torch.dtype:
    """What a run of this precision has its weights and its images in."""
    return torch.float64 if precision == "64-true" else torch.float32


class ImageData(LightningDataModule, ABC, Generic[Images]):
    """A run's data. Images are float32 (float64 for 64-true), targets int64.

    The test split is the held-out part where there is one. Without a trainer it works on the CPU
    as rank 0 of 1, and training starts at step 0.
    """

    normalization: Normalization
    """Of the training images in use; like what follows it is there after `setup`."""
    class_names: tuple[str, ...]
    train: Images
    test: Images
    held: Images | None
    """Images that the weights are chosen by, in neither split; see `Data.selected_on`."""
    undecodable: int = 0
    """Files that are in neither split because they cannot be decoded."""

    def __init__(self, config: RunConfig, told: Normalization | None = None) -> None:
        """`told` is a normalisation that is not fitted: that of the weights which a run starts
        from."""
        super().__init__()
        self.config = config
        numbers = config.recipe.normalization
        if isinstance(numbers, Moments):
            told = Normalization.given(numbers.mean, numbers.std)
        self.told = told

    @property
    def train_examples(self) -> int:
        """Images trained on: all of the training split but the held-out and undecodable ones."""
        return len(self.train)

    @property
    def test_examples(self) -> int:
        """Images tested on."""
        return len(self.test)

    @abstractmethod
    def train_batch(self, step: int, micro_batch: int = 0) -> TrainingBatch:
        """A micro-batch of this rank's share of a step: images (b, C, H, W), targets (b,), int64.

        Of a mixed batch, `targets` are those of the images before they were mixed, and a third
        tensor has the classes' probabilities (b, classes), in the images' dtype.
        """

    @abstractmethod
    def train_dataloader(self) -> Iterable[TrainingBatch]:
        """Training batches from the trainer's step on, without end."""

    @abstractmethod
    def evaluation(self, split: Images) -> Iterable[Batch]:
        """This rank's part of a split, in batches, not augmented."""

    def val_dataloader(self) -> Iterable[Batch]:
        """The test split."""
        return self.evaluation(self.test)

    def test_dataloader(self) -> list[Iterable[Batch]]:
        """The training split as it is, un-augmented, and the test split."""
        return [self.evaluation(self.train), self.evaluation(self.test)]

    def _rows(self, step: int, micro_batch: int) -> Rows:
        part = own_share(self.trainer).part(micro_batch)
        return rows_of(self.config, self.train_examples, step, *part)

    def first_step(self) -> int:
        """The step that training starts at, or goes on at."""
        return self.trainer.global_step if self.trainer else 0

    def device(self) -> torch.device:
        """Where batches are to be."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")


class ResidentData(ImageData[Split]):
    """The small data sets: every image resident, as uint8, on the training device."""

    def prepare_data(self) -> None:
        """Download what is missing; `UserError` if that fails."""
        files.fetch(self.config.data.name)

    def setup(self, stage: str | None = None) -> None:
        """Load the data once and put it on the device; `UserError` if a file is not right."""
        if hasattr(self, "train"):
            return
        source = open_part(self.config.data)
        train, test = in_use(source.train, source.test, self.config.data)
        device = self.device()
        fitted = self.told or Normalization.fit(fitted_kind(self.config), train.images)
        self.normalization = fitted.to(device)
        self.class_names = source.class_names
        self.train, self.test = train.to(device), test.to(device)
        held = held_out(source.train, self.config.data)
        self.held = held and held.to(device)

    def train_batch(self, step: int, micro_batch: int = 0) -> TrainingBatch:
        """See `ImageData`."""
        rows = self._rows(step, micro_batch)
        examples, draws = drawn(rows, self.train.targets.device)
        images = self.train.images.index_select(0, examples)
        targets = self.train.targets.index_select(0, examples)
        return finished(self.config, step, images, targets, draws, self.normalization)

    def train_dataloader(self) -> TrainingBatches:
        """See `ImageData`."""
        return TrainingBatches(self.train_batch, self.first_step, own_share(self.trainer))

    def evaluation(self, split: Split) -> EvaluationBatches:
        """See `ImageData`."""
        rank, ranks, _ = own_share(self.trainer)
        dtype = dtype_of(self.config.precision)
        return EvaluationBatches(split, self.normalization, dtype, rank, ranks)


def fitted_kind(config: RunConfig) -> Kind:
    """How a run's normalisation is fitted, where it is."""
    kind = config.recipe.normalization
    if isinstance(kind, Moments) or kind == "start":
        raise UserError(f"recipe.normalization: {spelled(kind)} is not fitted on images")
    return kind


def data_module(config: RunConfig, told: Normalization | None = None) -> ImageData[Any]:
    """The DataModule of a run's data: `ResidentData`, or `photographs.PhotographData`."""
    if not facts_of(config.data).photographs:
        return ResidentData(config, told)
    from reslab.data.photographs.opened import PhotographData  # torchvision: a second

    return PhotographData(config, told)
