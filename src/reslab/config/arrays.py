"""A file of arrays, numpy's .npz, as a data set: which array is what, what lies in it. No torch.

Arrays are known by their names (`NAMINGS`). Nothing is unpickled: an array of Python's objects is
refused. To know what lies in a file only its labels and class names are read, and of its images the
header.
"""

import hashlib
import math
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from reslab.config.data import Contents, Data
from reslab.config.datasets import data_root
from reslab.errors import UserError, enumerated, listed, located
from reslab.text import counted, printable, shortened

Array = npt.NDArray[Any]


class Naming(NamedTuple):
    """What the arrays of a data set are called; the case of letters makes no difference."""

    images: str
    labels: str
    test_images: str
    test_labels: str

    @property
    def pairs(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Images and labels of the training split, and of the test split."""
        return self[:2], self[2:]


NAMINGS = (
    Naming("x_train", "y_train", "x_test", "y_test"),  # Keras' mnist.npz
    Naming("train_images", "train_labels", "test_images", "test_labels"),  # MedMNIST's files
    Naming("images", "labels", "test_images", "test_labels"),
    Naming("x", "y", "x_test", "y_test"),
)
CLASS_NAMES = ("classes", "class_names")
"""What an array of the classes' names may be called."""

MOST_CLASSES = 5000
MOST_LETTERS = 100_000
"""Of all names of classes together, which a run's config.yaml has."""

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)
"""What zipfile and numpy raise for a file that is cut off, encrypted, or no .npz."""


def find(file: str) -> Path:
    """A file of arrays: as it is said, else of this name under RESLAB_DATA, which is then told;
    `UserError` if it is in neither place."""
    said = Path(file)
    places = [said.absolute(), (data_root() / said.name).absolute()]
    for path in places:
        if path.is_file():
            if path != places[0]:
                _tell(places[0], path)
            return path
        if path.is_dir():
            raise UserError(
                f"{path} is a folder; expected a file of arrays (.npz); for photographs in it say "
                "the folder as the data: ./photos"
            )
    raise UserError(
        f"there is no file {' and no '.join(map(str, dict.fromkeys(places)))}; bring it to one of "
        "these places or, if it has moved, say where to, in the experiment or in the run's "
        "config.yaml"
    )


@cache
def _tell(said: Path, found: Path) -> None:
    """Once in a process: a mistyped path would else be another file."""
    print(f"there is no {said}; taken is {found} (RESLAB_DATA)", file=sys.stderr, flush=True)


def contents_of(path: Path) -> Contents:
    """What lies in a file; read once while it stays as it is. `UserError` for what is no data set
    of images of one size."""
    status = path.stat()
    return _contents_of(path, status.st_size, status.st_mtime_ns)


@cache
def _contents_of(path: Path, size: int, changed: int) -> Contents:
    with _opened(path) as file:
        splits = list(file.splits())
        names = file.class_names(max(int(split.labels.max()) for split in splits) + 1)
        for split in splits:
            split.refuse_labels(names)
        if len({split.shape for split in splits}) > 1:
            one, other = (f"{split.images} of {_shown(split.shape)}" for split in splits)
            raise UserError(f"the images are of two shapes: {one}, {other}; expected the same")
        counts = [np.bincount(split.labels, minlength=len(names)).tolist() for split in splits]
        (channels, side, _), test = splits[0].shape, counts[1:]
        return Contents(
            sha256=file.digest(),
            in_channels=channels,
            image_size=side,
            class_names=names,
            train=tuple(counts[0]),
            test=tuple(test[0]) if test else (),
        )


def unread(path: Path) -> list[str]:
    """The names of arrays in a file that no run reads, sorted."""
    with _opened(path) as file:
        naming = file.naming()
        return sorted(file.members.keys() - {*naming, *CLASS_NAMES})


def read_splits(data: Data) -> list[tuple[Array, Array]]:
    """Images, uint8 (N, C, H, W), and labels, int64 (N,), of a run's file: the training split, and
    the test split where it has one.

    `UserError` if the file is not there, or is not what the run was described with.
    """
    assert data.file is not None and data.contents is not None
    with located("data.file"):
        path = find(data.file)
        with _opened(path) as file:
            found, expected = file.digest(), data.contents.sha256
            if found != expected:
                raise UserError(
                    f"the file is not that of the run: its SHA-256 is {found}, the run's is "
                    f"{expected} (data.contents in its config.yaml); bring the file back, or begin "
                    "a new run; trained weights are tested on another file with "
                    f"--data {path}"
                )
            return [(file.images(split), split.labels) for split in file.splits()]


# ---- a file -------------------------------------------------------------------------------------


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class _Split(NamedTuple):
    """A split's arrays, by their names; `shape` is (C, H, W) of every image."""

    images: str
    shape: tuple[int, int, int]
    channels_last: bool
    labels_name: str
    labels: npt.NDArray[np.int64]

    def refuse_labels(self, names: tuple[str, ...]) -> None:
        """`UserError` for labels without a class, and for a class without an image."""
        low, high, name = int(self.labels.min()), int(self.labels.max()), self.labels_name
        if low < 0:
            raise UserError(f"{name} has the label {low}; expected 0 to {max(1, len(names) - 1)}")
        if len(names) < 2:
            raise UserError("all labels are 0; a net needs two classes or more to tell apart")
        if high >= len(names):
            raise UserError(
                f"{name} has the label {high}; there are {len(names)} class names, of the labels 0 "
                f"to {len(names) - 1}"
            )
        missing = np.flatnonzero(np.bincount(self.labels, minlength=len(names)) == 0).tolist()
        if missing == [0]:
            raise UserError(
                f"{name} has no label 0, but {low} to {high}; expected 0 to {high - 1}: save "
                f"{name} - 1"
            )
        if missing:
            raise UserError(
                f"{name} has no label {enumerated(list(map(str, missing)), 5)} of the "
                f"{len(names):,} classes; expected images of every class, labelled 0, 1, …: "
                "np.unique(labels, return_inverse=True)[1] are such labels"
            )


class _File(NamedTuple):
    """An opened file; `members` are its arrays, by their names in small letters."""

    stream: BufferedReader
    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]

    def digest(self) -> str:
        """SHA-256 of the whole file."""
        self.stream.seek(0)
        return hashlib.file_digest(self.stream, "sha256").hexdigest()

    def naming(self) -> Naming:
        """What its arrays are called; `UserError` where they are called nothing that is known."""
        found = [naming for naming in NAMINGS if naming.images in self.members]
        if len(found) != 1:
            known = " or ".join(f"{each.images}, {each.labels}" for each in NAMINGS)
            kind = "two namings of images" if found else "no images and labels"
            raise UserError(
                f"{kind} among its {counted(len(self.members), 'array')} "
                f"({listed(self.members, 8)}); expected {known}, and for a test split "
                f"{NAMINGS[0].test_images}, {NAMINGS[0].test_labels} or "
                f"{NAMINGS[1].test_images}, {NAMINGS[1].test_labels}"
            )
        return found[0]

    def splits(self) -> Iterator[_Split]:
        """The training split and, if there is one, the test split."""
        train, test = self.naming().pairs
        yield self._split(*train)
        if not self.members.keys().isdisjoint(test):
            yield self._split(*test)

    def _split(self, images: str, labels: str) -> _Split:
        for name, other in ((images, labels), (labels, images)):
            if name not in self.members:
                raise UserError(f"there is {other}, but no {name}; expected both, or neither")
        header, of_labels = self._header(images), self._header(labels)
        shape, channels_last = _shape(images, header)
        count = _count(labels, of_labels)
        if count != header.shape[0]:
            raise UserError(
                f"{images} has {counted(header.shape[0], 'image')}, {labels} "
                f"{counted(count, 'label')}; expected one label for each image"
            )
        read = self._array(labels).reshape(count)
        if (high := int(read.max())) >= MOST_CLASSES:
            raise UserError(
                f"{labels} has the label {high:,}; expected at most {MOST_CLASSES:,} classes"
            )
        return _Split(images, shape, channels_last, labels, read.astype(np.int64))

    def images(self, split: _Split) -> npt.NDArray[np.uint8]:
        """The images of a split, (N, C, H, W)."""
        read = self._array(split.images)
        if read.ndim == 3:
            read = read[:, None]
        return np.ascontiguousarray(np.moveaxis(read, -1, 1) if split.channels_last else read)

    def class_names(self, labels: int) -> tuple[str, ...]:
        """The names of the classes, which are their labels where the file names none."""
        found = [name for name in CLASS_NAMES if name in self.members]
        if found:
            return _names(found[0], self._header(found[0]), lambda: self._array(found[0]))
        return tuple(map(str, range(labels)))

    def _header(self, name: str) -> _Header:
        with self.archive.open(self.members[name]) as member:
            version = npy.read_magic(member)
            if version not in HEADERS:
                raise UserError(f"{name} is no plain array; expected numbers, or names of classes")
            shape, _, dtype = HEADERS[version](member)
            told = member.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise UserError(
                f"{name} holds Python's objects, which only unpickling would read, and nothing is "
                "unpickled; save np.array(…) of numbers of one size, or of names (dtype=str)"
            )
        if told != self.members[name].file_size:
            raise UserError(f"{name} is damaged: its size is not that of {_shown(shape)} values")
        return _Header(shape, dtype)

    def _array(self, name: str) -> Array:
        with self.archive.open(self.members[name]) as member:
            return npy.read_array(member, allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """A file whose errors begin with its path."""
    with located(str(path)), path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
                named = [info.filename.removesuffix(".npy") for info in infos]
                _refuse_twins(named)
                members = dict(zip(map(str.casefold, named), infos, strict=True))
                yield _File(stream, archive, members)
        except DAMAGED as error:
            raise UserError(
                f"cannot be read as a file of arrays: {shortened(str(error)) or 'it is cut off'}; "
                "expected what np.savez(FILE, x_train=…, y_train=…) writes"
            ) from None


def _refuse_twins(names: list[str]) -> None:
    """Of which one would be read, and nobody told which."""
    first: dict[str, str] = {}
    for name in names:
        if name.casefold() in first:
            raise UserError(
                f"has {first[name.casefold()]} and {name}, which are one name here; rename one"
            )
        first[name.casefold()] = name


# ---- what arrays must be ------------------------------------------------------------------------


def _shown(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{side:,}" for side in shape) or "one"


def _shape(name: str, header: _Header) -> tuple[tuple[int, int, int], bool]:
    """(C, H, W) of every image, and whether their channels are the last axis."""
    shape, dtype = header
    if dtype != np.uint8:
        raise UserError(
            f"{name} is {dtype}; expected uint8, pixels from 0 to 255{_as_bytes(name, dtype)}"
        )
    if 0 in shape:
        raise UserError(f"{name} is empty: {_shown(shape)}")
    match shape:
        case (_, height, width) if height == width:
            return (1, height, width), False
        case (_, height, width, (1 | 3) as channels) if height == width:
            return (channels, height, width), True
        case (_, (1 | 3) as channels, height, width) if height == width:
            return (channels, height, width), False
    raise UserError(
        f"{name} is {_shown(shape)}; expected N × H × W, N × H × W × C or N × C × H × W with H = W "
        f"and one channel or three{_reshaped(name, shape)}"
    )


def _as_bytes(name: str, dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return (
            f": {name}.round().astype('uint8'), or of values from 0 to 1 "
            f"({name} * 255).round().astype('uint8')"
        )
    return f": {name}.astype('uint8')" if dtype.kind in "iub" else ""


def _reshaped(name: str, shape: tuple[int, ...]) -> str:
    """What would make rows of pixels images, and images with a mask such without."""
    if len(shape) == 4 and shape[3] in (2, 4):
        kept = shape[3] - 1
        return f"; without a channel of transparency: {name}[..., :{kept}]"
    if len(shape) != 2:
        return ""
    grey, colour = (math.isqrt(shape[1] // channels) for channels in (1, 3))
    if grey * grey == shape[1]:
        return f": {name}.reshape(-1, {grey}, {grey})"
    if 3 * colour * colour == shape[1]:
        return (
            f": {name}.reshape(-1, 3, {colour}, {colour}), or where a pixel's colours stand "
            f"together (-1, {colour}, {colour}, 3)"
        )
    return ""


def _count(name: str, header: _Header) -> int:
    """How many labels an array has, (N,) or (N, 1)."""
    shape, dtype = header
    if len(shape) == 2 and shape[1] > 1:
        raise UserError(
            f"{name} is {_shown(shape)}; expected one label for each image: if these are ones and "
            f"zeros, {name}.argmax(1)"
        )
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise UserError(f"{name} is {_shown(shape)}; expected one label for each image, N")
    if dtype.kind in "iu":
        return shape[0]
    if dtype.kind in "US":
        raise UserError(
            f"{name} are words; expected whole numbers from 0, and the words as the array "
            f"classes: classes, labels = np.unique({name}, return_inverse=True)"
        )
    raise UserError(f"{name} is {dtype}; expected whole numbers from 0: {name}.astype('int64')")


def _names(name: str, header: _Header, read: Any) -> tuple[str, ...]:
    """The classes' names, printable."""
    shape, dtype = header
    if dtype.kind not in "US" or len(shape) != 1 or not 2 <= shape[0] <= MOST_CLASSES:
        raise UserError(
            f"{name} is {_shown(shape)} of {dtype}; expected the names of two to {MOST_CLASSES:,} "
            "classes, by label, as text: np.array(['cat', 'dog'])"
        )
    if shape[0] * dtype.itemsize > 100 * MOST_LETTERS:
        raise UserError(f"{name} are no names: some have {dtype.itemsize:,} bytes")
    words = [w.decode() if isinstance(w, bytes) else str(w) for w in read().tolist()]
    found = tuple(map(printable, words))
    if sum(map(len, found)) > MOST_LETTERS:
        raise UserError(f"{name} are no names: together they have more than {MOST_LETTERS} letters")
    twice = sorted(word for word in set(found) if found.count(word) > 1 or not word.strip())
    if twice:
        raise UserError(
            f"{name} has {listed([repr(word) for word in twice], 3)} more than once, or empty; "
            "expected a name of its own for each class"
        )
    return found
