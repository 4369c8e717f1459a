"""Which part of which data a run uses, and how photographs become its inputs."""

from typing import Any

import pytest
from pydantic import ValidationError

from reslab.config.data import Data, Photographs, facts_of
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig, input_size
from reslab.config.trees import merge
from reslab.errors import UserError

RUN = {"model": "resnet18", "data": "imagenet", "recipe": "xie2017_imagenet"}


def run(**overrides: Any) -> RunConfig:
    return resolve(merge(RUN, {k.replace("__", "."): v for k, v in overrides.items()}), "here")


# ---- parts of data sets -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        ({"name": "imagenet"}, (1000, 1_281_167, 50_000)),
        ({"name": "imagenet", "per_class": 50}, (1000, 50_000, 50_000)),
        ({"name": "imagenet", "classes": 100, "per_class": 260}, (100, 26_000, 5_000)),
        ({"name": "imagenet", "classes": 100}, (100, 128_100, 5_000)),
        ({"name": "imagenette"}, (10, 9469, 3925)),
        ({"name": "imagenette_mini", "per_class": 30}, (10, 300, 500)),
    ],
    ids=str,
)
def test_counts_follow_from_the_description(
    data: dict[str, Any], facts: tuple[int, int, int]
) -> None:
    found = facts_of(run(data=data, recipe__batch_size=8).data)
    assert (found.classes, found.train, found.test) == facts


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"name": "imagenette", "classes": ("n01440764",)},
            "is not read with name: 'imagenette', but with name: 'digits', ",
        ),
        (
            {"name": "cifar10", "prepared": 64},
            "prepared: 64 is not read with name: 'cifar10'",
        ),
        (
            {"name": "imagenet", "folder": "/x"},
            "folder: '/x' is not read with name: 'imagenet', but with name: 'imagefolder'",
        ),
        ({"name": "imagenet", "per_class": 733}, "733; the smallest class of imagenet has 732"),
        ({"name": "imagenet", "classes": ("n1",)}, "imagenet has no n1; expected WordNet ids"),
        (
            {"name": "imagenet", "classes": ("n01443537", "n01440764")},
            "expected in the data set's order",
        ),
        ({"name": "imagenette_mini", "holdout": 2000}, "must leave training images"),
        ({"name": "digits", "tested_on": "test"}, "tested_on: 'test' is not read with holdout: 0"),
        (
            {"name": "digits", "selected_on": "holdout"},
            "selected_on: 'holdout' is not read with holdout: 0 and tested_on: 'holdout', but",
        ),
        (
            {"name": "digits", "holdout": 9, "selected_on": "holdout"},
            "with tested_on: 'holdout', but with holdout other than 0 and tested_on: 'test'",
        ),
        (
            {"name": "imagefolder", "folder": "x", "split_seed": 1},
            "1 is not read with test_fraction: null",
        ),
        ({"name": "imagefolder"}, "folder: is missing; imagefolder needs it"),
        ({"name": "imagefolder", "folder": "x", "test_fraction": 1.0}, "less than 1"),
        ({"name": "imagefolder", "folder": "x", "files": "abc"}, "files and counts are found tog"),
    ],
    ids=str,
)
def test_data_that_do_not_exist_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Data(**fields)


def test_the_smallest_class_does_not_bound_a_larger_one_that_is_chosen() -> None:
    assert Data(name="imagenet", classes=("n01440764",), per_class=1000).per_class == 1000


def test_a_holdout_leaves_training_images() -> None:
    assert Data(name="cifar10", holdout=49_999)
    with pytest.raises(ValidationError, match="must leave training images; cifar10 has 50000"):
        Data(name="cifar10", holdout=50_000)
    with pytest.raises(ValidationError, match="'cifar10'"):
        Data(name="svhn")  # type: ignore[arg-type]


# ---- photographs --------------------------------------------------------------------------------


def test_the_golden_id_of_a_run_on_photographs() -> None:
    """As in test_run: it never changes."""
    assert run(data="imagenette_mini").run_id == "1f89a8ffa5"


@pytest.mark.parametrize(
    "difference",
    [
        {"data__per_class": 100},
        {"data__prepared": 256},
        {"recipe__photographs__size": 128},
        {"recipe__photographs__area": [0.25, 1.0]},
        {"recipe__photographs__jitter": 0.0},
        {"recipe__photographs__pca": 0.0},
        {"recipe__photographs__test_shorter_side": 224},
    ],
    ids=str,
)
def test_whatever_decides_the_result_changes_the_id(difference: dict[str, Any]) -> None:
    base = {"data": {"name": "imagenette_mini"}}
    assert run(**base, **difference).run_id != run(**base).run_id


def test_a_net_takes_squares_of_the_recipes_size_or_the_data_sets() -> None:
    assert input_size(run()) == 224
    assert input_size(run(recipe__photographs__size=96)) == 96
    small = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}
    assert input_size(resolve(small, "here")) == 32


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"crop": "area", "shorter_side": (256, 300)},
            "shorter_side: .* is not read with crop: 'area', but with crop: 'scale'",
        ),
        ({"crop": "scale", "area": (0.5, 1.0)}, "area: .* is not read with crop: 'scale'"),
        ({"crop": "scale", "shorter_side": (480, 256)}, r"expected \[from, to\], got \[480, 256\]"),
        ({"crop": "scale", "shorter_side": (128, 256)}, "128 pixels have no square of size: 224"),
        ({"crop": "area", "area": (0.5, 2.0)}, "parts of the image up to 1"),
        ({"crop": "center", "test_shorter_side": 200}, "test_shorter_side: 200 pixels have no"),
        ({"crop": "center", "jitter": 1.0}, "less than 1"),
        ({"crop": "corner"}, "'scale', 'area' or 'center'"),
    ],
    ids=str,
)
def test_crops_that_cannot_be_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Photographs(**fields)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"recipe__normalization": "gcn_zca"}, "recipe.normalization: gcn_zca is for small images"),
        ({"recipe": "he2015_cifar"}, "recipe.photographs: is missing; the images of imagenet have"),
        ({"data": "cifar10"}, "the images of cifar10 are all of 32 × 32 pixels"),
        ({"recipe__augmentation__crop_padding": 4}, "crop_padding: 4 is for images of one size"),
        (
            {
                "recipe__augmentation__color_jitter": {"hue": 0.1},
                "recipe__photographs__jitter": 0.4,
            },
            "photographs.jitter: 0.4 has changed the colours already",
        ),
        ({"data__prepared": 128}, "shorter side 128 have no square of recipe.photographs.size 224"),
        ({"data__name": "imagefolder"}, "folder: is missing; imagefolder needs it"),
    ],
    ids=str,
)
def test_recipes_and_data_that_do_not_fit_are_refused(
    overrides: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        run(**overrides)


# ---- parts of data sets of one size -------------------------------------------------------------

CIFAR = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def part(**fields: Any) -> Data:
    return resolve({**CIFAR, "data": {"name": "cifar10", **fields}}, "here").data


@pytest.mark.parametrize(
    ("fields", "train", "test"),
    [
        ({"name": "cifar10", "classes": 5}, 25_000, 5_000),
        ({"name": "cifar10", "per_class": 20}, 200, 10_000),
        ({"name": "cifar10", "label_fraction": 0.01}, 500, 10_000),
        ({"name": "cifar100", "classes": ["whale", "apple"], "per_class": 7}, 14, 200),
        # LeCun's counts of zeros and ones: 5,923 and 6,742 of the training images.
        ({"name": "mnist", "classes": [0, 1]}, 12_665, 2_115),
        ({"name": "digits", "label_fraction": 0.001}, 10, 360),
    ],
    ids=str,
)
def test_counts_of_parts_of_small_images(fields: dict[str, Any], train: int, test: int) -> None:
    tree = {"model": "resnet20", "data": fields, "recipe": "digits", "recipe.batch_size": 8}
    facts = facts_of(resolve(tree, "here").data)
    assert (facts.train, facts.test) == (train, test)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"classes": ["dog", "fox"]}, "data.classes: cifar10 has no fox"),
        ({"classes": ["dog", "dog"]}, "in the data set's order, each once"),
        ({"classes": ["dog"]}, "got 1; expected two or more"),
        ({"classes": [3, 10]}, "got 10; the labels of cifar10 are 0 to 9"),
        ({"classes": 11}, "got 11; cifar10 has 1 to 10"),
        ({"per_class": 5001}, "per_class: 5001; the smallest class of cifar10 has 5,000"),
        ({"per_class": 5, "label_fraction": 0.5}, "label_fraction: is one way"),
        ({"label_fraction": 1.5}, "label_fraction: got 1.5"),
    ],
    ids=str,
)
def test_parts_that_cannot_be_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        part(**fields)
