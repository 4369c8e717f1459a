"""Which examples a step reads, and how each is augmented: a function of (data size, seed, step).

Step t reads positions [t·B, (t+1)·B) of the endless row of epoch permutations, so every batch is
full and resuming needs only t. Permutation and augmentation are tables over all examples, drawn
once per epoch and keyed by (seed, epoch); an example's augmentation depends on (seed, epoch, index)
alone. What a batch draws as a whole is keyed by (seed, step). Everything rests on SeedSequence and
Philox's raw bits, which numpy promises to keep (NEP 19; it does not promise that of Generator's
methods).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reslab.execution import share_of

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]


class Stream(IntEnum):
    """What a key draws. A stream's number never changes: it is part of every result.

    STEP (what a net draws in a step, which dropout draws for each rank and micro-batch), MIX (how a
    step's images are mixed), DEPTHS (the units that a step keeps), INIT (weights), ADAPTER, LOSS
    and OBJECTIVE (what these draw) are seeds for somebody else's generator (`seed_of`).
    """

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


def seed_of(stream: Stream, seed: int, *keys: int) -> int:
    """A seed in [0, 2**64) for what a run of this seed draws from a stream by a generator.

    Its low 32 bits depend on all keys (each below 2**32): torch's CPU generator reads no others.
    """
    return int(_sequence(stream, seed, *keys).generate_state(1, np.uint64)[0])


def permutation(count: int, stream: Stream, seed: int, *keys: int) -> Ints:
    """A permutation of 0 … count-1, int64: the order of as many random 64-bit numbers."""
    return np.argsort(_bits(count, stream, seed, *keys), kind="stable")


Draws = dict[str, Tensor]
"""Which `examples` are read, and what is drawn for each: columns of integers, int64 (b,), by name.

An epoch's table has a row for each example, in the order in which they are read; a batch is some of
its rows. It has the columns that are asked for, the others are not drawn.
"""

SEEDS = (
    "view", "randaugment", "trivial_augment", "color_jitter", "erasing", "resized_crop",
    "grayscale",
)  # fmt: skip
"""Columns that stay on the host: to read a seed there a batch need not wait for its device."""


def bounds(crop_padding: int) -> dict[str, tuple[Stream, int]]:
    """By column, the stream that draws it, and the number that its draws are below.

    `view`: a seed for a photograph's crop and colours. `dy`, `dx`: where the crop of a padded image
    begins. `cut_y`, `cut_x`: the centre of cutout's box in 2**-32 of the image's height, and of its
    width. `rotation`, `shear`, `zoom`: where between their two extremes, in 2**-32 of the way. All
    other `SEEDS`, by the streams of their names.
    """
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
        **{name: (Stream[name.upper()], 2**32) for name in SEEDS if name != "view"},
    }


CPU = torch.device("cpu")


@dataclass(frozen=True)
class Tables:
    """The epochs of a run on so many examples, with some columns of `bounds` beside `examples`.

    They are on a device, but for `SEEDS`.
    """

    examples: int
    seed: int
    crop_padding: int = 0
    columns: tuple[str, ...] = ()
    device: torch.device = CPU


@lru_cache(maxsize=4)  # a batch reads two epochs at most, each seen once more or on two devices
def table(of: Tables, epoch: int, *sight: int) -> Draws:
    """An epoch's, with a row for each example; its columns are not to be written to.

    Of sight 1: the same order, and what each example draws when it is seen once more in the epoch.
    """
    order = permutation(of.examples, Stream.PERMUTATION, of.seed, epoch)
    drawn = {"examples": torch.from_numpy(order).to(of.device)}
    for name in of.columns:
        stream, bound = bounds(of.crop_padding)[name]
        numbers = _below(bound, _bits(of.examples, stream, of.seed, epoch, *sight))
        column = torch.from_numpy(numbers[order])
        drawn[name] = column if name in SEEDS else column.to(of.device)
    return drawn


def _below(bound: int, bits: Bits) -> Ints:
    """Random bits as numbers below a bound, which is 2**63 or at most 2**32: then of 32 bits."""
    if bound == 2**63:
        return (bits >> np.uint64(1)).astype(np.int64)
    return ((bits >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32)).astype(np.int64)


@dataclass(frozen=True)
class Order:
    """The batches of a run: `batch_size` rows of its tables at each step."""

    tables: Tables
    batch_size: int

    def batch(self, step: int, part: int = 0, parts: int = 1, *sight: int) -> Draws:
        """The rows of one of a step's `parts` contiguous parts, one after another the global batch.

        A part is a rank's share of the batch, or a micro-batch of it. `UserError` if the batch does
        not divide.
        """
        share = share_of(self.batch_size, parts)
        return self.rows(step * self.batch_size + part * share, share, *sight)

    def with_partner(self, step: int, part: int = 0, parts: int = 1) -> Draws:
        """The rows of `batch` after the one that precedes them in the global batch.

        So every image stands after its partner for mixing: position i's is i - 1, the first's the
        last (torchvision's pairing; the order is random already).
        """
        before = part * share_of(self.batch_size, parts) - 1
        partner = self.rows(step * self.batch_size + before % self.batch_size, 1)
        return joined([partner, self.batch(step, part, parts)])

    def seen_twice(self, step: int, part: int = 0, parts: int = 1) -> Draws:
        """The rows of `batch`, and after them those of the same examples seen once more."""
        return joined([self.batch(step, part, parts), self.batch(step, part, parts, 1)])

    def rows(self, first: int, count: int, *sight: int) -> Draws:
        """So many rows of the endless row of epochs, from a position on."""
        found = []
        while count:
            epoch, place = divmod(first, self.tables.examples)
            here = min(count, self.tables.examples - place)
            drawn = table(self.tables, epoch, *sight)
            found.append({name: column.narrow(0, place, here) for name, column in drawn.items()})
            first, count = first + here, count - here
        return joined(found)


def joined(draws: Sequence[Draws]) -> Draws:
    """Rows after one another, of the same columns."""
    if len(draws) == 1:
        return draws[0]
    return {name: torch.cat([rows[name] for rows in draws]) for name in draws[0]}


def _sequence(stream: Stream, seed: int, *keys: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), *keys))


def _bits(count: int, stream: Stream, seed: int, *keys: int) -> Bits:
    return np.random.Philox(_sequence(stream, seed, *keys)).random_raw(count)
