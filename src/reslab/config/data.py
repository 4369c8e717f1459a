"""What a run is trained on: a data set, the part that is used, and how photographs are cropped.

A folder of one's own (`imagefolder`) and a file of one's own (`arrays`) are described by what lies
in them, never by where they lie.
"""

import math
from dataclasses import replace
from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from reslab.config.datasets import (
    DATASETS,
    FOLDERS,
    PHOTOGRAPHS,
    DatasetName,
    Facts,
    imagenet_wnids,
)
from reslab.config.description import (
    Description,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Not,
    OpenFraction,
    PositiveFloat,
    Sha256,
)
from reslab.errors import nearest
from reslab.folders import in_part, in_test
from reslab.text import shortened

TestedOn = Literal["holdout", "test"]
NULLS = {"data.per_class": "all", "data.label_fraction": "all"}
"""What null is, for people, in fields where it is not none."""
OF_ONE_SIZE = (*(name for name, facts in DATASETS.items() if not facts.photographs), "arrays")
Side = tuple[PositiveInt, PositiveInt]


class Counts(Description):
    """How many classes and images a folder of one's own has, of those that are used."""

    classes: PositiveInt
    train: PositiveInt
    test: PositiveInt


class Contents(Description):
    """What lies in a file of arrays."""

    sha256: Sha256
    """Of the whole file."""
    in_channels: PositiveInt
    image_size: PositiveInt
    class_names: tuple[str, ...]
    """By label."""
    train: tuple[PositiveInt, ...]
    """Training images of each class."""
    test: tuple[PositiveInt, ...] = ()
    """Test images of each class; none where the file has no test split."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        classes = len(self.class_names)
        if len(set(self.class_names)) < max(2, classes):
            raise ValueError("class_names: expected two or more, each once")
        if len(self.train) != classes or len(self.test) not in (0, classes):
            raise ValueError(f"train: expected counts of {classes} classes, test: as many, or none")
        return self


class Data(Description):
    """A data set by name, the part of it that is used, and how its training images are split."""

    name: DatasetName
    holdout: NonNegativeInt = 0
    """Training images set aside and not trained on (He 2015 chose its schedule with 5,000 of
    CIFAR-10's). The split is fixed: it does not follow the run's seed."""
    tested_on: TestedOn = "holdout"
    """With a hold-out: what the run is tested on. test is for protocols that train on fewer images
    (Huang 2016: 45,000) and still report the test set's error."""
    selected_on: Literal["none", "holdout"] = "none"
    """holdout: the weights of a run are those of the first lowest error on the held-out images,
    which are evaluated once per epoch, after the step that reads its last image, and after the last
    step; it is tested on the test set (Huang 2016). none: they are those of the last step."""
    classes: tuple[str, ...] = ()
    """Only these classes, by name, in the data set's order; their places are the labels. imagenet's
    names are WordNet ids. In YAML also labels, a number (the first k) or a text file of names.
    None: all; of the other photographs always all."""
    per_class: PositiveInt | None = None
    """Of each class's training images only the first k, of photographs by name. None: all."""
    label_fraction: OpenFraction | None = None
    """Of each class's training images only this part, the first ones, at least one. None: all."""
    prepared: PositiveInt | None = None
    """Photographs: the shorter side in pixels of the prepared store (scripts/prepare.py) that the
    images are read from. None: the files themselves are decoded, at their own size."""
    test_fraction: OpenFraction | None = None
    """imagefolder without train/ and val/, arrays without a test split: the part of each class's
    images that is tested on. Which ones follows from `split_seed` and their names, or places in the
    file, alone."""
    split_seed: NonNegativeInt = 0
    """With a test_fraction: another number is another split, whatever the run's seed."""
    folder: str | None = None
    """imagefolder: where it lies. No part of the run's id."""
    files: str | None = None
    """imagefolder: digest of the names and sizes of the files in use, found when YAML is read."""
    counts: Counts | None = None
    """imagefolder: found with `files`."""
    file: str | None = None
    """arrays: numpy's .npz. No part of the run's id."""
    contents: Contents | None = None
    """arrays: what lies in the file, found when YAML is read."""

    READ_BESIDE = {
        "classes": {"name": (*OF_ONE_SIZE, "imagenet")},
        "prepared": {"name": PHOTOGRAPHS},
        "test_fraction": {"name": ("imagefolder", "arrays")},
        "folder": {"name": ("imagefolder",)},
        "files": {"name": ("imagefolder",)},
        "counts": {"name": ("imagefolder",)},
        "file": {"name": ("arrays",)},
        "contents": {"name": ("arrays",)},
        "tested_on": {"holdout": Not(0)},
        "selected_on": {"holdout": Not(0), "tested_on": ("test",)},
        "split_seed": {"test_fraction": Not(None)},
    }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.per_class and self.label_fraction:
            raise ValueError("label_fraction: is one way to train on fewer, per_class another")
        if self.name == "imagefolder" and self.folder is None:
            raise ValueError("folder: is missing; imagefolder needs it: where the images lie")
        if (self.files is None) != (self.counts is None):
            raise ValueError("files: files and counts are found together; leave both out")
        if self.name == "arrays":
            self._check_file()
        if self.name == "imagefolder" and self.counts is None:
            return self  # not read yet
        if self.name == "arrays" and self.contents is None:
            return self
        if self.classes:
            self._check_classes()
        if self.per_class and self.per_class > (smallest := self._smallest_class()):
            whose = "the smallest class in use" if self.classes else "the smallest class"
            raise ValueError(
                f"per_class: {self.per_class}; {whose} of {self.name} has {smallest:,}"
            )
        train = facts_of(self).train
        if self.holdout >= train:
            raise ValueError(
                f"holdout: {self.holdout} must leave training images; {self.name} has {train}"
            )
        return self

    @property
    def split(self) -> TestedOn:
        """What the run is tested on."""
        return self.tested_on if self.holdout else "test"

    def _check_file(self) -> None:
        if self.file is None:
            raise ValueError("file: is missing; arrays need it: where the .npz lies")
        found, fraction = self.contents, self.test_fraction
        if found and found.test and fraction:
            raise ValueError(
                "test_fraction: is for a file without test images; this one has some: leave it out"
            )
        if found and not found.test and fraction is None:
            raise ValueError(
                "test_fraction: is missing; the file has no test images (x_test and y_test, or "
                "test_images and test_labels): say which part of each class is tested on, such as "
                "data.test_fraction: 0.2"
            )
        if found and fraction and min(found.train) < 2:
            name = found.class_names[found.train.index(1)]
            raise ValueError(
                f"test_fraction: the class {shortened(name)!r} has one image; a split needs two of "
                "each class"
            )

    def _check_classes(self) -> None:
        known = known_classes(self)
        if unknown := sorted(set(self.classes) - set(known)):
            near = nearest(unknown[0], known) if self.name in OF_ONE_SIZE else ""
            raise ValueError(
                f"classes: {self.name} has no {', '.join(map(shortened, unknown[:3]))}"
                f"{near or '; expected WordNet ids such as n01440764'}"
            )
        if list(self.classes) != [name for name in known if name in set(self.classes)]:
            raise ValueError("classes: expected in the data set's order, each once")
        if self.name in OF_ONE_SIZE and not 2 <= len(self.classes) < len(known):
            raise ValueError(
                f"classes: got {len(self.classes)}; expected two or more, to be told apart, and "
                f"not all {len(known)}: leave it out for these"
            )

    def _smallest_class(self) -> float:
        """Training images of the smallest class in use; infinite where that is not known."""
        if self.name == "imagefolder" or (self.name == "imagenet" and self.classes):
            return math.inf
        facts = _whole(self)
        return min((train for train, _ in _of_class(self)), default=facts.smallest_class)


def known_classes(data: Data) -> tuple[str, ...]:
    """The classes that may be chosen of a data set, in its order."""
    return imagenet_wnids() if data.name == "imagenet" else _whole(data).class_names


def _whole(data: Data) -> Facts:
    """Facts about all of a data set, whatever of it is used."""
    if data.name == "arrays":
        return _facts_of_arrays(data)
    if data.name != "imagefolder":
        return DATASETS[data.name]
    if data.counts is None:
        raise ValueError(f"data.counts is missing: {data.folder} was not looked at yet")
    return Facts(3, 224, **data.counts.model_dump(), photographs=True)


def _facts_of_arrays(data: Data) -> Facts:
    found = data.contents
    if found is None:
        raise ValueError(f"data.contents is missing: {data.file} was not looked at yet")
    tested = found.test or tuple(in_test(n, data.test_fraction or 0.0) for n in found.train)
    rest = (0,) * len(tested) if found.test else tested
    of_class = tuple((n - m, t) for n, m, t in zip(found.train, rest, tested, strict=True))
    trained = sum(train for train, _ in of_class)
    shape, names = (found.in_channels, found.image_size), found.class_names
    return Facts(*shape, len(names), trained, sum(tested), False, 0, names, of_class)


def _of_class(data: Data) -> list[tuple[int, int]]:
    """Training and test images of each class in use; empty for photographs."""
    facts = _whole(data)
    if not facts.of_class:
        return []
    named = dict(zip(facts.class_names, facts.of_class, strict=True))
    return [named[name] for name in data.classes or facts.class_names]


def facts_of(data: Data) -> Facts:
    """Facts about the part of a data set that a run uses, before images are held out.

    An ImageNet subset by classes alone, and a fraction of photographs, have about as many training
    images as this says, from the mean of all classes (1,281); all other counts are exact.
    An `imagefolder` or `arrays` whose files were not looked at yet raise `ValueError`.
    """
    facts = _whole(data)
    if data.name == "imagefolder" or not (data.classes or data.per_class or data.label_fraction):
        return facts
    classes = len(data.classes) or facts.classes
    of_class = _of_class(data)
    trained = [train for train, _ in of_class] or [facts.train // facts.classes] * classes
    train = sum(examples_kept(data, count) for count in trained)
    test = sum(test for _, test in of_class) or facts.test * classes // facts.classes
    return replace(facts, classes=classes, train=train, test=test)


def examples_kept(data: Data, count: int) -> int:
    """How many of a class's `count` training images are trained on, before any are held out."""
    return data.per_class or in_part(count, data.label_fraction or 1.0)


def folder_of(data: Data) -> str:
    """Where a data set of photographs lies: a folder of one's own, or a name under RESLAB_DATA."""
    return data.folder if data.folder is not None else FOLDERS[data.name]


class Photographs(Description):
    """How photographs of any size become square inputs, uint8 (3, size, size).

    Resizing is bilinear with antialiasing. In training `crop` picks a part of each image, then its
    colours are changed; flips and all else are in `Recipe.augmentation` and act on the crops. In
    evaluation the shorter side becomes `test_shorter_side` and the centre is taken.
    """

    size: PositiveInt = 224
    crop: Literal["scale", "area", "center"]
    """scale: the shorter side becomes a whole number of pixels drawn evenly from `shorter_side`,
    both ends included, and any size × size square is taken (Simonyan 2015, arXiv 1409.1556; He
    2015). area: a rectangle of a part of the image's area and an aspect ratio, drawn from `area`
    (evenly) and `aspect_ratio` (evenly in the logarithm), becomes the square (Szegedy 2015, arXiv
    1409.4842; torchvision's RandomResizedCrop). center: as in evaluation."""
    shorter_side: Side = (256, 480)
    area: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    aspect_ratio: tuple[PositiveFloat, PositiveFloat] = (3 / 4, 4 / 3)
    jitter: Fraction = 0.0
    """Brightness, contrast and saturation, in an order drawn per image, are each multiplied by a
    factor drawn evenly from 1 - jitter to 1 + jitter (fb.resnet.torch's ColorJitter). 0 is none."""
    pca: NonNegativeFloat = 0.0
    """Standard deviation of the three factors that shift an image's colour along the principal
    components of ImageNet's colours (Krizhevsky 2012, Sec. 4.1: 0.1). 0 is none."""
    test_shorter_side: PositiveInt = 256

    READ_BESIDE = {
        "shorter_side": {"crop": ("scale",)},
        "area": {"crop": ("area",)},
        "aspect_ratio": {"crop": ("area",)},
    }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for field in ("shorter_side", "area", "aspect_ratio"):
            low, high = getattr(self, field)
            if low > high:
                raise ValueError(f"{field}: expected [from, to], got [{low}, {high}]")
        if self.area[1] > 1:
            raise ValueError(f"area: expected parts of the image up to 1, got {self.area[1]}")
        for field, side in (
            ("shorter_side", self.shorter_side[0] if self.crop == "scale" else self.size),
            ("test_shorter_side", self.test_shorter_side),
        ):
            if side < self.size:
                raise ValueError(f"{field}: {side} pixels have no square of size: {self.size}")
        return self
