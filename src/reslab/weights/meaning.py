"""What weights of somebody else's mean, where it is said and not written in their file."""

import re
from pathlib import Path
from typing import cast

import torch

from reslab.config.data import OF_ONE_SIZE, facts_of, known_classes
from reslab.config.photographs import listing_of
from reslab.config.recipe import Normalizing
from reslab.config.run import does_not_suit
from reslab.config.use import Use
from reslab.data.normalize import FITS, Normalization, Normalizer
from reslab.data.readers import open_images
from reslab.data.sources import split_for_run
from reslab.data.workers import default_workers
from reslab.errors import UserError, nearest
from reslab.text import quoted
from reslab.weights.about import About
from reslab.weights.given import Given

EXAMPLE = "mean=0.5,0.5,0.5,std=0.2,0.2,0.2"
NUMBERS = re.compile(r"mean=([^=]+),\s*std=([^=]+)")


def meaning(path: Path, about: About | None, given: Given) -> About:
    """What the weights of a file are about, and over it what is given.

    Classes of unknown names are called by their numbers. `UserError` names what is left open.
    """
    if about and not given.changes_use and not given.normalization:
        return about
    use = given.use(path, about.use if about else None)
    normalize = normalizer(path, about, given, use)
    if not isinstance(normalize, Normalization):
        normalize = _fitted(normalize, use)
    return About(
        use if given.changes_use or not about else about.config,
        normalize,
        _names(use, None if given.data or given.folder else about),
    )


def normalizer(path: Path, about: About | None, given: Given, use: Use) -> Normalizer:
    """What is given as --normalization, else what the file holds; `UserError` where that does not
    suit the images."""
    word = given.normalization
    if word is None:
        if about is None:
            raise UserError(f"{path} does not say its normalization; add --normalization")
        return about.normalization
    channels, size = use.model.in_channels, use.image_size
    if numbers := NUMBERS.fullmatch(word):
        found = Normalization.given(*(_floats(text) for text in numbers.groups()))
        found.refuse_unfit((channels, size, size))
        return found
    if word not in FITS:
        near = nearest(word, FITS)
        raise UserError(f"--normalization: got {quoted(word)}{near}; or in numbers: {EXAMPLE}")
    kind = cast(Normalizing, word)
    if use.data and (reason := does_not_suit(kind, use.data)):
        raise UserError(f"--normalization {reason}")
    return kind


def _floats(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UserError(
            f"--normalization: got {quoted(text)}; expected numbers, one per channel"
        ) from None


def _fitted(kind: Normalizing, use: Use) -> Normalization:
    """The normalisation of a kind for a net's images, fitted on its training images if it is."""
    if not FITS[kind].measures:
        return Normalization.fit(kind, torch.zeros(0, use.model.in_channels, 1, 1))
    if use.data is None:
        raise UserError(
            f"--normalization {kind} is fitted on training images; add --data NAME, or say it in "
            f"numbers: {EXAMPLE}"
        )
    workers = default_workers() if use.photographs else 0
    opened = open_images(use.data, use.photographs, workers)
    return opened.fit(kind, split_for_run(opened.train, opened.test, use.data)[0])


def _names(use: Use, about: About | None) -> tuple[str, ...]:
    """The names of a net's classes: the file's, those of its data, or numbers."""
    classes = use.model.classes
    if about and len(about.class_names) == classes:
        return about.class_names
    if use.data is None:
        return tuple(map(str, range(classes)))
    if facts_of(use.data).classes != classes:
        raise UserError(
            f"the net has {classes:,} classes; {use.data.name} has {facts_of(use.data).classes:,}"
        )
    if use.data.name in (*OF_ONE_SIZE, "imagenet"):
        return use.data.classes or known_classes(use.data)
    return listing_of(use.data).classes
