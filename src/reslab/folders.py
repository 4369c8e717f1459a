"""Folders of photographs: which file belongs to which class and split. Standard library only.

A class is a folder; every file in it, at any depth, is taken for an image, but for hidden ones and
what systems leave behind (whether it can be decoded is found out in `reslab.data`). Names are
compared and sorted in the composed form of Unicode, so that a copy made on another system is the
same folder.
"""

import hashlib
import itertools
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from reslab.errors import UserError, listed
from reslab.text import printable, quoted, shortened

Image = tuple[str, int]
"""A file's path relative to the folder, with slashes, and the index of its class."""

TESTED = ("val", "valid", "validation", "test")
"""What the folder of the split beside train/ that is tested on may be called."""
NO_CLASSES = frozenset((*TESTED, "testing"))
"""Names of splits, whatever their case: never classes. train may be one, among vehicles."""
LEFT_BEHIND = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"))
"""What Windows, macOS and Synology's disks put beside people's files, whatever its case."""

ARRAYS = ".npz"
"""How the name of a file ends that is a data set."""

_File = tuple[str, int]
"""A file's path and its size in bytes."""
_Classes = dict[str, list[_File]]


@dataclass(frozen=True)
class Listing:
    """What lies in a folder: classes and images, sorted by name."""

    root: Path
    classes: tuple[str, ...]
    """Their names, printable."""
    train: tuple[Image, ...]
    test: tuple[Image, ...]
    digest: str
    """Of all names and sizes and the split that each file is in; where the folder lies is not in
    it."""


def as_path(word: str) -> Path | None:
    """The folder, or file of arrays, that a word means in a data set's place, absolute; None where
    it is no path."""
    if "/" not in word and not word.startswith("~") and not word.lower().endswith(ARRAYS):
        return None
    # abspath, unlike Path.absolute, knows what x/.. is called.
    return Path(os.path.abspath(os.path.expanduser(word)))  # noqa: PTH100, PTH111


def absolute(word: str) -> Path:
    """A path that somebody has written, from where this process is; ~ is their home."""
    try:
        return Path(word).expanduser().absolute()
    except RuntimeError as error:  # ~nobody
        raise UserError(f"got {quoted(word)}: {shortened(str(error))}") from None


def list_folder(
    root: Path,
    classes: Collection[str] = (),
    per_class: int | None = None,
    test_fraction: float | None = None,
    split_seed: int = 0,
    label_fraction: float | None = None,
) -> Listing:
    """The images of `root`: train/ and one of `TESTED`, or one tree of which a part is tested on.

    `classes` are those wanted (all by default), `per_class` keeps the first training images of each
    by name, `label_fraction` the first part of them. `UserError` for a folder of another shape, for
    classes that are only in one split, for a class without a file or with the name of a split, and
    for a single class.
    """
    trees = splits(root, test_fraction)
    found = [_classes(root, tree, frozenset(map(_composed, classes))) for tree in trees]
    if test_fraction is not None:
        found = _split(found[0], test_fraction, split_seed)
    train, test = found
    _refuse_different_classes(root, trees, train, test)
    if per_class is not None:
        train = {name: _first(files, per_class, name) for name, files in train.items()}
    if label_fraction is not None:
        kept = {name: in_part(len(files), label_fraction) for name, files in train.items()}
        train = {name: files[: kept[name]] for name, files in train.items()}
    names = tuple(train)
    _refuse_one_class(root / trees[0], names)
    shown = tuple(map(printable, names))
    return Listing(root, shown, _images(names, train), _images(names, test), _digest(train, test))


def class_names(root: Path, test_fraction: float | None) -> tuple[str, ...]:
    """The classes in a folder of photographs, printable and sorted, without a look at its files."""
    tree = root / splits(root, test_fraction)[0]
    return tuple(map(printable, sorted(map(_composed, _folders(tree)))))


def is_split(root: Path) -> bool:
    """Whether a folder has a split of its own, train/ and one of `TESTED`."""
    return (root / "train").is_dir() and any((root / name).is_dir() for name in TESTED)


def is_looked_at(name: str) -> bool:
    """Whether a file or folder of this name is taken for somebody's: not hidden, not left behind
    by a system."""
    return not name.startswith(".") and name.casefold() not in LEFT_BEHIND


def splits(root: Path, test_fraction: float | None) -> list[str]:
    """The folders that hold classes: the training split's and the test split's, or the only one."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; {_shape(root)}")
    if root.resolve() == Path(root.anchor or "/"):
        raise UserError(f"{root} is the whole disk; {_shape(root)}")
    tests = [name for name in TESTED if (root / name).is_dir()]
    if test_fraction is not None:
        if is_split(root):
            raise UserError(
                f"{root} has train/ and {tests[0]}/; data.test_fraction is for one tree of "
                "classes: leave it out"
            )
        return ["train" if _folders(root) == ["train"] else ""]
    if not is_split(root):
        raise UserError(f"{root} is not split into train/ and val/; {_shape(root)}")
    if len(tests) > 1:
        raise UserError(
            f"{root} has both {tests[0]}/ and {tests[1]}/; the run would test on one of them: move "
            "the other away"
        )
    return ["train", *tests]


def _folders(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.is_dir() and is_looked_at(path.name)]


def _shape(root: Path) -> str:
    return (
        f"expected\n       {root}/train/<class>/<image> and {root}/val/<class>/<image> (or "
        f"{'/, '.join(TESTED[1:])}/),\n"
        f"       or {root}/<class>/<image> together with data.test_fraction, such as 0.2"
    )


def _classes(root: Path, tree: str, wanted: frozenset[str]) -> _Classes:
    """Class name → its files, both sorted."""
    found: _Classes = {}
    loose = []
    with os.scandir(root / tree) as entries:
        for entry in entries:
            name = _composed(entry.name)
            if not is_looked_at(name) or (entry.is_dir() and wanted and name not in wanted):
                continue
            if not entry.is_dir():
                loose.append(name)
                continue
            files = _files(entry.path, f"{tree}/{entry.name}" if tree else entry.name)
            if name in found:
                raise UserError(f"{root / tree} has two folders that are both called {name}")
            found[name] = sorted(files, key=lambda file: (_composed(file[0]), file[0]))
    _refuse_loose(root / tree, loose)
    _refuse_splits(root, tree, found)
    if missing := wanted - found.keys():
        raise UserError(f"{root / tree} has no such class {listed(missing, 5)}")
    if empty := {name for name, files in found.items() if not files}:
        raise UserError(
            f"{root / tree} has no file of the class {listed(empty, 5)}; put its images there, or "
            "take its folder away"
        )
    if not found:
        raise UserError(f"{root / tree} holds no folder of a class; {_shape(root)}")
    return dict(sorted(found.items()))


def _refuse_loose(folder: Path, names: list[str]) -> None:
    if names:
        raise UserError(
            f"{folder} holds files that belong to no class: {listed(names, 5)}; "
            "put each into its class's folder, or away"
        )


def _refuse_splits(root: Path, tree: str, names: Iterable[str]) -> None:
    splits = [name for name in names if name.casefold() in NO_CLASSES]
    if splits:
        raise UserError(
            f"{root / tree} has a folder {listed(splits, 5)}, which is the name of a split, never "
            f"of a class; {_shape(root)}"
        )


def _refuse_one_class(tree: Path, names: tuple[str, ...]) -> None:
    if len(names) > 1:
        return
    [name] = names
    deeper = ""
    if (tree / name).is_dir() and len(_folders(tree / name)) > 1:
        inside = listed(_folders(tree / name), 3)
        deeper = f"; if {inside} are the classes, take {tree / name}"
    raise UserError(
        f"{tree} has one class, {printable(name)}; a net needs two or more to tell apart{deeper}"
    )


def _files(folder: str, path: str) -> Iterator[_File]:
    """All files below a folder; links are followed, one that leads nowhere has size 0."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_looked_at(entry.name):
                continue
            inner = f"{path}/{entry.name}"
            if entry.is_dir():
                _refuse_loop(entry)
                yield from _files(entry.path, inner)
            else:
                yield inner, size_of(entry)


def _refuse_loop(entry: "os.DirEntry[str]") -> None:
    """Refuse a link to a folder that it lies in: there is no end to the files below it."""
    if entry.is_symlink():
        there, here = Path(entry.path).resolve(), Path(entry.path).parent.resolve()
        if there in (here, *here.parents):
            raise UserError(f"{entry.path} is a link to {there}, a folder that it lies in")


def size_of(file: "os.DirEntry[str] | Path") -> int:
    """The bytes of a file."""
    try:
        return file.stat().st_size
    except FileNotFoundError:  # a link that leads nowhere; nothing is left out
        return 0


def _split(classes: _Classes, test_fraction: float, seed: int) -> list[_Classes]:
    """Of each class the files whose names, after the seed, have the least hashes are tested on.

    At least one, and at least one is left to train on. A file that is added moves few others.
    """
    splits: list[_Classes] = [{}, {}]
    for name, files in classes.items():
        if len(files) < 2:
            raise UserError(f"the class {name!r} has one file; a split needs two of each class")
        count = in_test(len(files), test_fraction)
        tested = set(sorted(files, key=lambda file: _hash_of_name(file, seed))[:count])
        splits[0][name] = [file for file in files if file not in tested]
        splits[1][name] = [file for file in files if file in tested]
    return splits


def _hash_of_name(file: _File, seed: int) -> bytes:
    salt = f"{seed}\0" if seed else ""
    return hashlib.sha256(_bytes(f"{salt}{file[0]}")).digest()


def _refuse_different_classes(
    root: Path, trees: list[str], train: _Classes, test: _Classes
) -> None:
    only = [(trees[0], train.keys() - test.keys()), (trees[-1], test.keys() - train.keys())]
    told = [f"only {tree}/ has {listed(names, 5)}" for tree, names in only if names]
    if told:
        raise UserError(f"the splits of {root} have different classes: {'; '.join(told)}")


def _first(files: list[_File], count: int, name: str) -> list[_File]:
    if len(files) < count:
        raise UserError(f"per_class: {count}; the class {name!r} has {len(files)} training images")
    return files[:count]


def in_test(count: int, test_fraction: float) -> int:
    """How many of a class's `count` images are tested on: at least one, and one is left."""
    return min(max(1, round(test_fraction * count)), count - 1)


def in_part(count: int, label_fraction: float) -> int:
    """How many of a class's `count` training images a part of them are: rounded, at least one."""
    return max(1, round(label_fraction * count))


def _images(names: tuple[str, ...], classes: _Classes) -> tuple[Image, ...]:
    return tuple((path, label) for label, name in enumerate(names) for path, _ in classes[name])


def _digest(train: _Classes, test: _Classes) -> str:
    rows = hashlib.sha256()
    for split, classes in (("train", train), ("test", test)):
        for path, size in itertools.chain.from_iterable(classes.values()):
            rows.update(_bytes(f"{split}\0{path}\0{size}\n"))
    return rows.hexdigest()[:16]


def _bytes(name: str) -> bytes:
    return _composed(name).encode("utf-8", "surrogateescape")


def _composed(name: str) -> str:
    return normalize("NFC", name)
