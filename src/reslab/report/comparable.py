"""Whether two errors may be compared: why they may not, in a few words.

Beside a published number by the deviations from its protocol; two variants by the images that they
are tested on. How they train may differ, that is what is asked, and so may the number of seeds.
"""

from collections.abc import Iterator
from typing import Any

from reslab.config.data import Data
from reslab.config.run import RunConfig
from reslab.papers.published import Training
from reslab.report.deviations import leaves, training_of
from reslab.report.runs import Outcome
from reslab.store.plan import Plan

IMAGES = (
    "name", "classes", "per_class", "label_fraction", "holdout", "selected_on",
    "test_fraction", "files",
)  # fmt: skip
"""Fields of the data that say which images a run learns from, and is tested on."""


def published_obstacle(plan: Plan, outcome: Outcome) -> str:
    """Why a variant is not held against its published number; "" where it is."""
    config, training = outcome.config, training_of(plan, outcome)
    if config is None:
        return ""
    if config.budget != 1 or plan.options.epochs is not None:
        return "budget"
    if config.data.split == "holdout":
        return "data.holdout"
    if training is None:
        return "how it was trained is not recorded"
    return ", ".join(_differing(config, training))


def variants_obstacle(ours: Outcome, baseline: Outcome) -> str:
    """Why two variants are not held against each other; "" where they are."""
    one, other = ours.config, baseline.config
    same = one is None or other is None or _tested_on(one.data) == _tested_on(other.data)
    return "" if same else "tested on other images"


def _differing(config: RunConfig, training: Training) -> Iterator[str]:
    """The steps and fields of the data that are not the protocol's; where it says nothing, not at
    their default."""
    ours, chosen = leaves(config), leaves(config, chosen=True)
    skipped = config.unread | training.silent_on
    for field in (*(f"data.{name}" for name in IMAGES), "recipe.steps"):
        if field in skipped:
            continue
        theirs = training.fields.get(field)
        is_sentence = isinstance(theirs, str) and not isinstance(ours[field], str)
        if field not in training.fields:
            if field in chosen and field.startswith("data."):
                yield field
        elif not is_sentence and ours[field] != theirs:
            yield field


def _tested_on(data: Data) -> tuple[Any, ...]:
    """Which images these are; those held out are of the training images in use."""
    file = data.contents and data.contents.sha256
    of_train = (data.holdout, data.per_class, data.label_fraction)
    held_out = of_train if data.split == "holdout" else None
    split = data.test_fraction, data.split_seed
    return data.name, data.files, file, data.classes, *split, held_out
