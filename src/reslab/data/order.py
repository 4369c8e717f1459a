"""Which examples a step reads, and how each is augmented: a function of (data size, seed, step).

Step t reads positions [t·B, (t+1)·B) of the endless row of epoch permutations, so every batch is
full and resuming needs only t. Permutation and augmentation are tables over all examples, drawn
once per epoch and keyed by (seed, epoch); an example's augmentation depends on (seed, epoch, index)
alone. What a batch draws as a whole is keyed by (seed, step). Everything rests on SeedSequence and
Philox's raw bits, which numpy promises to keep (NEP 19; it does not promise that of Generator's
methods).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from reslab.execution import share_of

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64 | np.uint32]


class Stream(IntEnum):
    """What a key draws. A stream's number never changes: it is part of every result."""

    PERMUTATION = 0
    CROP_Y = 1
    CROP_X = 2
    FLIP = 3
    STEP = 4
    INIT = 5
    HOLD_OUT = 6
    CUT_Y = 7
    CUT_X = 8
    RANDAUGMENT = 9
    MIX = 10
    DEPTHS = 11
    VIEW = 12
    ADAPTER = 13
    ROTATION = 14
    SHEAR = 15
    ZOOM = 16
    COLOR_JITTER = 17
    TRIVIAL_AUGMENT = 18
    ERASING = 19
    LOSS = 20
    OBJECTIVE = 21
    RESIZED_CROP = 22
    GRAYSCALE = 23


def step_seed(seed: int, step: int, *more: int) -> int:
    """A seed in [0, 2**64) for what a step draws beside the tables (dropout: rank, micro-batch).

    Its low 32 bits depend on all keys (each below 2**32): torch's CPU generator reads no others.
    """
    return _state(Stream.STEP, seed, step, *more)


def mix_seed(seed: int, step: int) -> int:
    """A seed in [0, 2**64) for how a step's images are mixed, the same on all ranks."""
    return _state(Stream.MIX, seed, step)


def depths_seed(seed: int, step: int) -> int:
    """A seed in [0, 2**64) for the units that a step keeps (stochastic depth), on all ranks."""
    return _state(Stream.DEPTHS, seed, step)


def init_seed(seed: int) -> int:
    """A seed in [0, 2**64) for the initial weights."""
    return _state(Stream.INIT, seed)


def adapter_seed(seed: int) -> int:
    """A seed in [0, 2**64) for what an adapter draws."""
    return _state(Stream.ADAPTER, seed)


def loss_seed(seed: int) -> int:
    """A seed in [0, 2**64) for what a loss with parameters draws."""
    return _state(Stream.LOSS, seed)


def objective_seed(seed: int) -> int:
    """A seed in [0, 2**64) for what an objective trains beside the net."""
    return _state(Stream.OBJECTIVE, seed)


def permutation(count: int, stream: Stream, seed: int, *keys: int) -> Ints:
    """A permutation of 0 … count-1, int64: the order of as many random 64-bit numbers."""
    return np.argsort(_bits(count, stream, seed, *keys), kind="stable")


Column = TypeVar("Column")


class Draws(NamedTuple, Generic[Column]):
    """Which examples are read, and what is drawn for each: columns of integers of one length.

    An epoch's table has a row for each example, in the order in which they are read; a batch is
    some of its rows. `bounds` says what each column but `examples` holds, from 0.
    """

    examples: Column
    """Their indices."""
    view: Column
    """A seed for a photograph's crop and colours."""
    dy: Column
    """Where the crop of a padded image begins."""
    dx: Column
    flip: Column
    cut_y: Column
    """The centre of cutout's box in 2**-32 of the image's height, and of its width."""
    cut_x: Column
    rotation: Column
    """This, shear and zoom: where between their two extremes, in 2**-32 of the way."""
    shear: Column
    zoom: Column
    randaugment: Column
    """This and all that follow: a seed."""
    trivial_augment: Column
    color_jitter: Column
    erasing: Column
    resized_crop: Column
    grayscale: Column


SEEDS = (
    "view", "randaugment", "trivial_augment", "color_jitter", "erasing", "resized_crop",
    "grayscale",
)  # fmt: skip
"""Columns that stay on the host: to read a seed there a batch need not wait for its device."""


def bounds(crop_padding: int) -> dict[str, tuple[Stream, int]]:
    """By column, the stream that draws it, and the number that its draws are below."""
    offsets = 2 * crop_padding + 1
    return {
        "view": (Stream.VIEW, 2**63),
        "dy": (Stream.CROP_Y, offsets),
        "dx": (Stream.CROP_X, offsets),
        "flip": (Stream.FLIP, 2),
        "cut_y": (Stream.CUT_Y, 2**32),
        "cut_x": (Stream.CUT_X, 2**32),
        "rotation": (Stream.ROTATION, 2**32),
        "shear": (Stream.SHEAR, 2**32),
        "zoom": (Stream.ZOOM, 2**32),
        "randaugment": (Stream.RANDAUGMENT, 2**32),
        "trivial_augment": (Stream.TRIVIAL_AUGMENT, 2**32),
        "color_jitter": (Stream.COLOR_JITTER, 2**32),
        "erasing": (Stream.ERASING, 2**32),
        "resized_crop": (Stream.RESIZED_CROP, 2**32),
        "grayscale": (Stream.GRAYSCALE, 2**32),
    }


@lru_cache(maxsize=2)  # a batch reads two epochs at most
def table(examples: int, seed: int, epoch: int, crop_padding: int) -> Draws[Numbers]:
    """An epoch's, with a row for each of so many examples; its arrays are not to be written to."""
    return _drawn(examples, crop_padding, seed, epoch)


@lru_cache(maxsize=2)
def second_table(examples: int, seed: int, epoch: int, crop_padding: int) -> Draws[Numbers]:
    """The same order, and what each example draws when it is seen once more in the epoch."""
    return _drawn(examples, crop_padding, seed, epoch, 1)


def _drawn(examples: int, crop_padding: int, *keys: int) -> Draws[Numbers]:
    """A table of these keys; its order is that of the first two, seed and epoch."""
    order = permutation(examples, Stream.PERMUTATION, *keys[:2])
    columns = {
        name: _below(bound, _bits(examples, stream, *keys))[order]
        for name, (stream, bound) in bounds(crop_padding).items()
    }
    drawn: Draws[Numbers] = Draws(examples=order, **columns)
    for array in drawn:
        array.setflags(write=False)
    return drawn


TableOf = Callable[[int, int, int, int], Draws[Numbers]]
"""An epoch's table, of (examples, seed, epoch, crop_padding)."""


def _below(bound: int, bits: Bits) -> Numbers:
    """Random bits as numbers below a bound, which is 2**63 or at most 2**32: then of 32 bits."""
    if bound == 2**63:
        return (bits >> np.uint64(1)).astype(np.int64)
    return ((bits >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True)
class Order:
    """The batches of a run: `examples` training examples, `batch_size` of them at each step."""

    examples: int
    batch_size: int
    seed: int
    crop_padding: int = 0

    def batch(self, step: int, part: int = 0, parts: int = 1) -> Draws[Ints]:
        """The rows of one of a step's `parts` contiguous parts, one after another the global batch.

        A part is a rank's share of the batch, or a micro-batch of it. `UserError` if the batch does
        not divide.
        """
        share = share_of(self.batch_size, parts)
        return self.rows(step, np.arange(part * share, (part + 1) * share))

    def with_partner(self, step: int, part: int = 0, parts: int = 1) -> Draws[Ints]:
        """The rows of `batch` after the one that precedes them in the global batch.

        So every image stands after its partner for mixing: position i's is i - 1, the first's the
        last (torchvision's pairing; the order is random already).
        """
        share = share_of(self.batch_size, parts)
        positions = np.arange(part * share - 1, (part + 1) * share)
        return self.rows(step, positions % self.batch_size)

    def seen_twice(self, step: int, part: int = 0, parts: int = 1) -> Draws[Ints]:
        """The rows of `batch`, and after them those of the same examples seen once more."""
        share = share_of(self.batch_size, parts)
        positions = np.arange(part * share, (part + 1) * share)
        twice = (self.rows(step, positions, of) for of in (table, second_table))
        return Draws(*(np.concatenate(columns) for columns in zip(*twice, strict=True)))

    def rows(self, step: int, positions: Ints, of: TableOf = table) -> Draws[Ints]:
        """The rows at some positions of a step's global batch, each in [0, batch_size)."""
        epochs, places = np.divmod(step * self.batch_size + positions, self.examples)
        rows = np.empty((len(Draws._fields), len(positions)), np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            drawn = of(self.examples, self.seed, int(epoch), self.crop_padding)
            rows[:, here] = [column[places[here]] for column in drawn]
        return Draws(*rows)


def _sequence(stream: Stream, seed: int, *keys: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), *keys))


def _bits(count: int, stream: Stream, seed: int, *keys: int) -> Bits:
    return np.random.Philox(_sequence(stream, seed, *keys)).random_raw(count)


def _state(stream: Stream, seed: int, *keys: int) -> int:
    return int(_sequence(stream, seed, *keys).generate_state(1, np.uint64)[0])
