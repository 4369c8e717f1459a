"""The data's part of a tree, made whole: paths become data sets, classes have their names.

A folder of photographs, or a file of arrays, is looked at once, when the tree does not say yet what
lies in it.
"""

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from reslab.config.data import OF_ONE_SIZE, Counts, Data, known_classes
from reslab.config.datasets import DatasetName, read_words
from reslab.config.problems import PlaceOf
from reslab.config.trees import Tree, spelled
from reslab.errors import UserError, located
from reslab.folders import ARRAYS, absolute, as_path, is_split, list_folder
from reslab.text import quoted, shortened


def whole_data(data: Tree, place: PlaceOf) -> Tree:
    """The data's tree with what lies in a folder or file of one's own, and with classes by name."""
    with located(place("data")):
        data = _own_data(data)
    return _with_listing(_with_classes(_with_contents(data, place), place), place)


def _own_data(data: Tree) -> Tree:
    """The data's tree where a path stands for a data set: photographs in a folder of one's own, or
    a file of arrays."""
    word = data.get("name", "")
    path = as_path(word)
    if path is None:
        if word not in get_args(DatasetName) and Path(word).is_dir():
            raise UserError(f"no data set is called {quoted(word)}; for the folder: ./{word}")
        return data
    if str(path).encode(errors="ignore").decode() != str(path):  # halves of surrogate pairs
        raise UserError(f"{path}: a name in it is no UTF-8; rename it, or take a link to it")
    kind = "folder" if path.is_dir() else "file"
    if kind in data:
        raise UserError(f"stands here twice, as {path} and as {kind}: {spelled(data[kind])}")
    if kind == "folder":
        return {**_untold_split(path, data), **data, "name": "imagefolder", "folder": str(path)}
    if path.suffix.lower() == ARRAYS:
        return _own_arrays(str(path), data)
    known = ", ".join(get_args(DatasetName))
    raise UserError(
        f"there is no folder {path}; expected one with photographs, a file of arrays "
        f"(….npz), or a data set: {known}"
    )


def _own_arrays(file: str, data: Tree) -> Tree:
    """A file of arrays; a part to test on, where it has no test images and nothing is said."""
    from reslab.config.arrays import contents_of, find  # numpy: a tenth of a second

    known = contents_of(find(file)).test or "test_fraction" in data
    untold = {} if known else {"test_fraction": TEST_FRACTION}
    return {**untold, **data, "name": "arrays", "file": file}


def _untold_split(folder: Path, data: Tree) -> Tree:
    """A part to test on, for one tree of classes of which nothing is said.

    Beside a folder called train there are splits, whatever the others are called.
    """
    names = {path.name.casefold() for path in folder.iterdir() if path.is_dir()}
    known = is_split(folder) or ("train" in names and len(names) > 1)
    return {} if known or "test_fraction" in data else {"test_fraction": TEST_FRACTION}


TEST_FRACTION = 0.2
"""The part of the images in a folder or file of one's own that is tested on where nothing is
said."""


def _with_contents(data: Tree, place: PlaceOf) -> Tree:
    """What lies in a file of arrays."""
    file = data.get("file")
    if data.get("name") != "arrays" or not isinstance(file, str):
        return data
    with located(place("data.file")):
        path = absolute(file)
        if data.get("contents") is not None:
            return {**data, "file": str(path)}
        from reslab.config.arrays import contents_of, find

        found = find(str(path))
        return {**data, "file": str(found), "contents": contents_of(found).model_dump(mode="json")}


WHICH = ("name", "file", "contents", "test_fraction")
"""Fields of data that decide which classes there are."""


def _with_classes(data: Tree, place: PlaceOf) -> Tree:
    """Classes by name, in the data set's order."""
    name, classes = data.get("name"), data.get("classes")
    if name not in (*OF_ONE_SIZE, "imagenet") or not isinstance(classes, int | str | list):
        return data
    whole = described_data({field: data[field] for field in WHICH if field in data})
    if whole is None:
        return data  # told when all of it is validated
    with located(place("data.classes")):
        return {**data, "classes": _classes(classes, name, known_classes(whole))}


def _with_listing(data: Tree, place: PlaceOf) -> Tree:
    """What lies in a folder of photographs."""
    described = described_data(data)
    if described is None or described.folder is None:
        return data
    with located(place("data.folder")):
        folder = absolute(described.folder)
        data = {**data, "folder": str(folder)}
        if described.files is not None:
            return data
        split = described.test_fraction, described.split_seed, described.label_fraction
        found = list_folder(folder, (), described.per_class, *split)
    counts = Counts(classes=len(found.classes), train=len(found.train), test=len(found.test))
    return {**data, "files": found.digest, "counts": counts.model_dump()}


def _classes(classes: int | str | list[Any], data: str, known: tuple[str, ...]) -> list[Any]:
    """Names of classes from a number (the first ones), a text file, or a list of names or labels;
    in the data set's order where they are its own."""
    whose = "WordNet ids" if data == "imagenet" else "names"
    if isinstance(classes, bool):
        raise UserError(f"got {spelled(classes)}; expected a number, {whose}, or a file")
    if isinstance(classes, int):
        if not 0 < classes <= len(known):
            raise UserError(f"got {classes}; {data} has 1 to {len(known)}")
        words = list[Any](known[:classes])
    elif isinstance(classes, str):
        try:
            words = list[Any](read_words(Path(classes).expanduser()))
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{shortened(classes)}: {reason}; expected a number, a list of {whose}, "
                "or a text file of them"
            ) from None
    else:
        words = classes
    named = [_class(word, data, known) for word in words]
    labels = {name: label for label, name in enumerate(known)}
    if not labels.keys() >= set(map(str, named)):
        return named
    chosen = sorted(named, key=labels.__getitem__)
    return [] if data in OF_ONE_SIZE and tuple(chosen) == known else chosen


def _class(word: Any, data: str, known: tuple[str, ...]) -> Any:
    """The name of a class that is given by its label; what is no label stays."""
    if type(word) is not int:
        return word
    if not 0 <= word < len(known):
        raise UserError(f"got {word}; the labels of {data} are 0 to {len(known) - 1}")
    return known[word]


def described_data(data: Tree) -> Data | None:
    """None for data that validation refuses."""
    try:
        return Data.model_validate_json(json.dumps(data))
    except ValidationError:
        return None
