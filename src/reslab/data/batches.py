"""A step's batch and the batches of an evaluation, of images that any reader reads.

Loaders are plain iterables, no DataLoader: a training batch is a function of (seed, step), so the
one thing that a resumed run needs, the step, is the trainer's own; evaluation batches never pad.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count, starmap, tee
from typing import NamedTuple

import torch
from torch import Tensor

from reslab.config.run import RunConfig
from reslab.data.augment import Stage, columns_read, mixed, stages
from reslab.data.normalize import Normalization
from reslab.data.order import CPU, Draws, Ints, Order, Stream, Tables, seed_of
from reslab.data.readers import Images
from reslab.data.workers import chunks, in_workers, one_thread_beside

Batch = tuple[Tensor, Tensor]
TrainingBatch = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
"""Images (b, C, H, W) and targets (b,), int64; of a mixed batch the targets of the images before
they were mixed, and the classes' probabilities (b, classes), in the images' dtype."""


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


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """Endless: the micro-batches of step = `first_step()` and all after it, read ahead by workers.

    Workers are started when iteration starts, since only then the step is known. Batches are where
    `targets` and `normalization` are.
    """

    config: RunConfig
    images: Images
    targets: Tensor
    normalization: Normalization
    share: Share
    first_step: Callable[[], int]
    workers: int

    def __iter__(self) -> Iterator[TrainingBatch]:
        places = self.share.micro_batches_from(self.first_step())
        if not self.workers:
            yield from starmap(self.batch, places)
            return
        now, ahead = tee(places)
        numbers = (_in_numpy(self.draws(*place)) for place in ahead)
        read = partial(_training_images, self.images)
        arrived = in_workers(read, numbers, self.workers, self.targets.is_cuda)
        for place, images in zip(now, arrived, strict=True):
            with one_thread_beside(self.workers):
                draws = self.draws(*place, self.targets.device)
                batch = self.augmented_batch(place[0], images, draws)
            yield batch

    def batch(self, step: int, micro_batch: int = 0) -> TrainingBatch:
        """A micro-batch of this process's share of a step; without workers."""
        place = step, micro_batch
        draws = self.draws(*place, self.reads_at)
        images = self.images.training_images(draws)
        if self.reads_at != self.targets.device:
            draws = self.draws(*place, self.targets.device)
        return self.augmented_batch(step, images, draws)

    def draws(self, step: int, micro_batch: int, device: torch.device = CPU) -> Draws:
        """Those of a micro-batch, on the CPU or where batches are; where the run mixes images,
        after the first one's partner's, and where it sees each twice, before those of its second
        sight."""
        return self._rows[device](step, *self.share.part(micro_batch))

    @cached_property
    def _rows(self) -> dict[torch.device, Callable[[int, int, int], Draws]]:
        """What a part of a step's batch draws, by the device that reads it."""
        return {device: self._rows_on(device) for device in (CPU, self.targets.device)}

    def _rows_on(self, device: torch.device) -> Callable[[int, int, int], Draws]:
        recipe, seed = self.config.recipe, self.config.seed
        padding = recipe.augmentation.crop_padding
        tables = Tables(len(self.images), seed, padding, self.columns, device)
        order = Order(tables, recipe.batch_size)
        if recipe.objective.sees_twice:
            return order.seen_twice
        return order.with_partner if recipe.augmentation.mixes else order.batch

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What is drawn beside the examples, as far as the run reads it."""
        recipe = self.config.recipe
        return (*(["view"] if recipe.photographs else []), *columns_read(recipe.augmentation))

    @property
    def reads_at(self) -> torch.device:
        """Where images are read: photographs by this process, others where they lie."""
        return CPU if self.config.recipe.photographs else self.targets.device

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """What images go through, one after another, until they are a batch that is not mixed."""
        augmentation, dtype = self.config.recipe.augmentation, dtype_of(self.config.precision)
        return stages(augmentation, self.normalization, dtype)

    def augmented_batch(self, step: int, images: Tensor, draws: Draws) -> TrainingBatch:
        """A step's batch, or a part of it, of the images, uint8 (b, C, H, W), that it draws."""
        config, augmentation = self.config, self.config.recipe.augmentation
        targets = self.targets.index_select(0, draws["examples"])
        images = on_device(images, self.targets.device)
        for stage in self.stages:
            images = stage(images, draws)
        if not augmentation.mixes:
            return images, targets
        seed = seed_of(Stream.MIX, config.seed, step)
        mix = mixed(images, targets, config.model.classes, seed, augmentation)
        return mix[0], targets[1:], mix[1]


@dataclass(frozen=True, eq=False)
class EvaluationBatches:
    """A rank's part of a split in batches, normalised and not augmented, where `targets` are.

    Rank r of n takes examples r, r + n, …: nothing is padded, nothing repeated, so over all ranks
    every example is counted once. Ranks may differ by one example, hence by one batch.
    """

    images: Images
    targets: Tensor
    normalization: Normalization
    dtype: torch.dtype
    share: Share
    workers: int

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Batch]:
        parts, device = self._parts(), self.targets.device
        read = in_workers(self.images.evaluation_images, parts, self.workers, device.type == "cuda")
        for part, images in zip(parts, read, strict=True):
            with one_thread_beside(self.workers):
                normalized = self.normalization(on_device(images, device), self.dtype)
            yield normalized, self.targets[part.start : part.stop : part.step]

    def _parts(self) -> list[range]:
        mine = range(self.share.rank, len(self.images), self.share.ranks)
        return chunks(mine, self.images.evaluated_at_once[self.targets.device.type])


def _in_numpy(draws: Draws) -> dict[str, Ints]:
    """Draws for another process: a tensor would be handed over with all that it is a part of."""
    return {name: column.numpy() for name, column in draws.items()}


def _training_images(images: Images, draws: dict[str, Ints]) -> Tensor:
    return images.training_images({name: torch.from_numpy(c) for name, c in draws.items()})


def on_device(images: Tensor, device: torch.device) -> Tensor:
    """Images in whatever memory format they were read, contiguous on a device."""
    return images.to(device, non_blocking=True).contiguous()


def dtype_of(precision: str) -> torch.dtype:
    """What a run of this precision has its weights and its images in."""
    return torch.float64 if precision == "64-true" else torch.float32
