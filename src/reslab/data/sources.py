"""The data sets as tensors: train split, test split, class names.

`open_source` downloads what is missing (files.py), reads the official binary formats, and compares
counts, shapes and labels with `config.datasets`. MNIST is IDX (LeCun); a CIFAR record is one label
byte (CIFAR-100: coarse, then fine), then the R, G and B planes (Krizhevsky 2009); digits.md tells
where digits.npz comes from. A file of one's own is read by `config.arrays`.
"""

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reslab.config.arrays import read_splits
from reslab.config.data import Data, examples_kept, known_classes
from reslab.config.datasets import DATASETS
from reslab.config.recipe import Normalizing
from reslab.data import files
from reslab.data.normalize import Normalization
from reslab.data.order import Draws, Ints, Stream, permutation
from reslab.errors import UserError
from reslab.folders import in_test

Bytes = npt.NDArray[np.uint8]

DIGITS = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (N, C, H, W), and their classes, int64 (N,); a batch of them is an index."""

    images: Tensor
    targets: Tensor
    evaluated_at_once: ClassVar[Mapping[str, int]] = {"cpu": 100, "cuda": 500}
    """What fits into a CPU's caches is 1.2 to 1.4 times as fast there as 500 at once."""

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor, /) -> "Split":
        return Split(self.images[indices], self.targets[indices])

    def to(self, device: torch.device | str) -> "Split":
        """This split on a device."""
        return Split(self.images.to(device), self.targets.to(device))

    def training_images(self, draws: Draws) -> Tensor:
        """See `readers.Images`."""
        return self.images.index_select(0, draws["examples"])

    def evaluation_images(self, examples: range) -> Tensor:
        """See `readers.Images`."""
        return self.images[examples.start : examples.stop : examples.step]


@dataclass(frozen=True, eq=False)
class Source:
    """A data set: its two splits in the official order, and the names of its classes by label."""

    train: Split
    test: Split
    class_names: tuple[str, ...]
    undecodable: ClassVar[int] = 0

    def fit(self, kind: Normalizing, train: Split) -> Normalization:
        """See `readers.Reader`."""
        return Normalization.fit(kind, train.images)

    def tell(self) -> None:
        """Nothing: none of them is a file of its own that could be damaged."""


def open_source(name: str) -> Source:
    """A data set by its name in `config.datasets`, on the CPU.

    Downloads what is missing. `UserError` if that fails or a file is not the official one.
    """
    files.fetch(name)
    return _validated(name, READERS[name]())


def open_part(data: Data) -> Source:
    """The part of a data set of one size that a run uses, before images are held out."""
    source = open_source(data.name) if data.file is None else _of_file(data)
    names = data.classes or source.class_names
    labels = [source.class_names.index(name) for name in names]
    train = _first_of_each(_of_classes(source.train, labels), data)
    return Source(train, _of_classes(source.test, labels), names)


def _of_file(data: Data) -> Source:
    """A file of arrays, of which a part is tested on where it has no test images."""
    splits = [
        Split(torch.from_numpy(images), torch.from_numpy(labels))
        for images, labels in read_splits(data)
    ]
    train, test = splits if data.test_fraction is None else split_off(splits[0], data)
    return Source(train, test, known_classes(data))


def split_off(split: Split, data: Data) -> tuple[Split, Split]:
    """Divide a split into what is trained on and the part of each class that is tested on, both in
    its order; which images these are follows from their places and `split_seed`."""
    targets = split.targets.numpy()
    of_class = np.bincount(targets)
    tested = np.array([in_test(count, data.test_fraction or 0.0) for count in of_class.tolist()])
    shuffled = permutation(len(targets), Stream.HOLD_OUT, data.split_seed, 1)
    is_tested = _place_in_class(targets, shuffled) < tested[targets]
    rest, those = (torch.from_numpy(np.flatnonzero(chosen)) for chosen in (~is_tested, is_tested))
    return split[rest], split[those]


def _place_in_class(targets: Ints, order: Ints) -> Ints:
    """How many of its class stand before each example in an order of all."""
    by_class = order[np.argsort(targets[order], kind="stable")]
    of_class = np.bincount(targets)
    first = np.cumsum(of_class) - of_class
    places = np.empty_like(order)
    places[by_class] = np.arange(len(targets)) - np.repeat(first, of_class)
    return places


def _of_classes(split: Split, labels: list[int]) -> Split:
    """The examples of these classes, whose places in the list are their labels then."""
    places = torch.full((int(split.targets.max()) + 1,), -1)
    places[labels] = torch.arange(len(labels))
    targets = places[split.targets]
    chosen = targets >= 0
    return split if bool(chosen.all()) else Split(split.images[chosen], targets[chosen])


def _first_of_each(split: Split, data: Data) -> Split:
    """The first training images of each class, in the split's order."""
    if not (data.per_class or data.label_fraction):
        return split
    of_class = [
        (split.targets == label).nonzero()[:, 0] for label in range(int(split.targets.max()) + 1)
    ]
    first = [rows[: examples_kept(data, len(rows))] for rows in of_class]
    return split[torch.cat(first).sort().values]


class Splittable(Protocol):
    """What can be divided by the indices of its examples, whose classes are `targets`."""

    @property
    def targets(self) -> Tensor: ...

    def __getitem__(self, indices: Tensor) -> Self: ...


S = TypeVar("S", bound=Splittable)


def hold_out(split: S, count: int) -> tuple[S, S]:
    """Set `count` examples aside: (the rest, those), both in the split's order.

    Stratified: each class gives the same number, up to one, the first labels giving one more. The
    choice depends on the labels alone, never on a run's seed.
    """
    targets = split.targets.numpy(force=True)
    places = _place_in_class(targets, permutation(len(targets), Stream.HOLD_OUT, 0))
    held = np.zeros(len(targets), dtype=bool)
    held[np.lexsort((targets, places))[:count]] = True
    rest, those = (torch.from_numpy(np.flatnonzero(chosen)) for chosen in (~held, held))
    return split[rest], split[those]


def split_for_run(train: S, test: S, data: Data) -> tuple[S, S]:
    """What a run trains on, and what it is tested on, of the two splits of its data."""
    if data.holdout:
        train, held = hold_out(train, data.holdout)
        test = held if data.split == "holdout" else test
    return train, test


def held_out(train: S, data: Data) -> S | None:
    """The training images set aside that a run chooses its weights by; None where it does not."""
    return hold_out(train, data.holdout)[1] if data.selected_on == "holdout" else None


def _validated(name: str, source: Source) -> Source:
    facts = DATASETS[name]
    for part, split, count in (
        ("train", source.train, facts.train),
        ("test", source.test, facts.test),
    ):
        expected = (count, facts.in_channels, facts.image_size, facts.image_size)
        found = tuple(split.images.shape)
        if found != expected or split.targets.shape != (count,):
            raise UserError(f"{name}, {part}: expected images of shape {expected}, found {found}")
        low, high = int(split.targets.min()), int(split.targets.max())
        if low < 0 or high >= facts.classes:
            raise UserError(
                f"{name}, {part}: labels reach from {low} to {high}, expected 0 to "
                f"{facts.classes - 1}"
            )
    names = len(source.class_names)
    if names != facts.classes:
        raise UserError(f"{name}: expected {facts.classes} class names, found {names}")
    return source


def _split(images: Bytes, targets: Bytes) -> Split:
    return Split(
        torch.from_numpy(np.ascontiguousarray(images)),
        torch.from_numpy(targets.astype(np.int64)),
    )


def _digits() -> Source:
    """Grey values 0 … 16 become round(255 · value / 16); 36 images of each class are the test set.

    That is a hold-out of 360 from the 1,797, in which no class is without an image.
    """
    with np.load(DIGITS, allow_pickle=False) as arrays:
        values, targets = arrays["images"], arrays["targets"]
    images = np.round(values * (255 / 16)).astype(np.uint8)
    train, test = hold_out(_split(images[:, None], targets), DATASETS["digits"].test)
    return Source(train, test, DATASETS["digits"].class_names)


def _mnist() -> Source:
    images, targets, test_images, test_targets = map(_idx, files.files_of("mnist"))
    train = _split(images[:, None], targets)
    return Source(train, _split(test_images[:, None], test_targets), DATASETS["mnist"].class_names)


def _idx(file: files.File) -> Bytes:
    """The array in an IDX file: two zero bytes, type 8 (uint8), dimensions, sizes, values."""
    content = files.read(file)
    dimensions = int(content[3])
    shape = content[4 : 4 + 4 * dimensions].view(">u4")
    return content[4 + 4 * dimensions :].reshape(*map(int, shape))


def _cifar10() -> Source:
    batches = [_records(files.read(file), label_bytes=1) for file in files.files_of("cifar10")]
    *training, (test_images, test_targets) = batches
    images, targets = (np.concatenate(parts) for parts in zip(*training, strict=True))
    return Source(
        _split(images, targets), _split(test_images, test_targets), DATASETS["cifar10"].class_names
    )


def _cifar100() -> Source:
    """The fine labels; read from the archive itself, which is what is checked."""
    [content] = map(files.read, files.files_of("cifar100"))
    with tarfile.open(fileobj=io.BytesIO(content.data), mode="r:gz") as archive:
        members = {
            Path(member.name).name: stream.read()
            for member in archive
            if (stream := archive.extractfile(member))
        }
    train, test = (
        _split(*_records(np.frombuffer(members[name], np.uint8), label_bytes=2))
        for name in ("train.bin", "test.bin")
    )
    return Source(train, test, tuple(members["fine_label_names.txt"].decode().split()))


def _records(content: Bytes, label_bytes: int) -> tuple[Bytes, Bytes]:
    """Images (N, 3, 32, 32) and the last of the label bytes (N,) of CIFAR records."""
    records = content.reshape(-1, label_bytes + 3 * 32 * 32)
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32)
    return images, records[:, label_bytes - 1]


READERS: dict[str, Callable[[], Source]] = {
    "digits": _digits,
    "mnist": _mnist,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
}
