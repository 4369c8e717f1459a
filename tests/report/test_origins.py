"""What stands under the table of the weights that runs started from."""

from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import Lab

from reslab import disk, store
from reslab.report.markdown import markdown
from reslab.report.table import tabulate

IMAGENET = {"kind": "given", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""As a run records it: akamaster's nets'."""

START = {"start": "akamaster:resnet20"}


def begin(folder: Path, digest: str = "a" * 64, **more: Any) -> None:
    told = {"origin": "akamaster:resnet20", "digest": digest, "head": "new", **more}
    disk.write_json(folder / store.START, told)


def notes(lab: Lab) -> str:
    return " ".join(markdown(tabulate([lab.plan()])).split())


def test_seeds_that_began_with_other_files_of_one_name_are_named(lab: Lab) -> None:
    folders = lab.variant("tuned", {"model": "resnet20", **START}, seeds=3)
    for folder, digest in zip(folders, "aba", strict=True):
        begin(folder, digest * 64)
    assert (
        "akamaster:resnet20 was not one file for all seeds: SHA-256 aaaaaaaa… (seed 0 and 2) and "
        "SHA-256 bbbbbbbb… (seed 1)" in notes(lab)
    )


def test_equal_files_and_the_files_of_several_parents_are_not_named(lab: Lab) -> None:
    for folder in lab.variant("same", {"model": "resnet20", **START}, seeds=2):
        begin(folder)
    parents = lab.variant("parents", {"model": "resnet32", **START}, seeds=2)
    for folder, digest in zip(parents, "ab", strict=True):
        begin(folder, digest * 64, origin=f"run 000000000{digest}")
    assert "was not one file" not in notes(lab)


@pytest.mark.parametrize(
    ("ours", "theirs", "is_named"),
    [
        ("imagenet", IMAGENET, False),
        ("start", IMAGENET, False),
        ({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}, IMAGENET, False),
        ({"mean": [0.5, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}, IMAGENET, True),
        ("channel", None, False),
        ("channel", IMAGENET, True),
        ("none", IMAGENET, True),
        ("channel", {"kind": "channel", "mean": [0.5] * 3, "std": [0.2] * 3}, True),
    ],
)
def test_a_normalization_that_is_not_the_starts_is_named(
    lab: Lab, ours: Any, theirs: Any, is_named: bool
) -> None:
    [folder] = lab.variant("a", {"model": "resnet20", "recipe.normalization": ours, **START})
    begin(folder, normalization=theirs)
    assert ("the start's, akamaster:resnet20: " in notes(lab)) == is_named


def test_a_fitted_kind_is_the_starts_where_the_classes_are(lab: Lab) -> None:
    [folder] = lab.variant("a", {"model": "resnet20", "recipe.normalization": "channel", **START})
    own = {"kind": "channel", "mean": [0.5] * 3, "std": [0.2] * 3}
    begin(folder, normalization=own, head="kept")
    assert "the start's" not in notes(lab)
