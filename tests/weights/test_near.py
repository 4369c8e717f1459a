"""Weights that do not fit the net that was said are told which field or net they fit."""

import time

import pytest
import torch
from torch import Tensor

from reslab.config.nets import ResNet
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.models.nets import build
from reslab.weights.near import refuse_misfit, skeleton, what_fits

SMALL = describe("resnet8_w8")


def tensors(net: object) -> dict[str, Tensor]:
    return build(net).state_dict()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shortcut": "B"}, "--set model.shortcut=B"),
        ({"shortcut": "C"}, "--set model.shortcut=C"),
        ({"order": "full_preactivation"}, "--set model.order=full_preactivation"),
        ({"classes": 37}, "--set model.classes=37"),
        ({"in_channels": 3}, "--set model.in_channels=3"),
        ({"shortcut": "B", "classes": 5}, "--set model.shortcut=B --set model.classes=5"),
        ({"norm": "none"}, "--set model.norm=none"),
    ],
)
def test_the_field_that_fits_is_told(change: dict[str, object], told: str) -> None:
    assert what_fits(SMALL, tensors(SMALL.model_copy(update=change))) == told


@pytest.mark.parametrize("name", ["resnet20", "wrn_16_4", "densenet_40_12", "resnet18"])
def test_the_net_of_the_zoo_that_fits_is_told(name: str) -> None:
    assert what_fits(SMALL, skeleton(describe(name))) == f"--model {name}"


def test_other_libraries_nets_may_be_one_of_ours() -> None:
    assert (
        what_fits(describe("timm:resnet34"), skeleton(describe("resnet18"))) == "--model resnet18"
    )


def test_where_nothing_fits_nothing_is_told() -> None:
    assert what_fits(SMALL, {"stranger": torch.zeros(3)}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"units": (10**9, 1, 1)},
        {"widths": (10**6, 10**6, 10**6), "shortcut": "B"},
        {"widths": (10**18, 10**18, 10**18), "shortcut": "B"},
        {"classes": 10**12},
        {"in_channels": 10**12},
    ],
)
def test_a_net_that_is_much_larger_than_its_weights_is_refused_before_it_is_built(
    change: dict[str, object],
) -> None:
    assert isinstance(SMALL, ResNet)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"do not fit the net|cannot be built"):
        refuse_misfit(SMALL.model_copy(update=change), tensors(SMALL))
    assert time.monotonic() - began < 1


def test_another_librarys_net_is_not_built_for_weights_that_are_not_its() -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"missing keys: .* and \d+ more"):  # of 2.5 GB
        refuse_misfit(describe("torchvision:vit_h_14"), tensors(SMALL))
    assert time.monotonic() - began < 20  # with torchvision's import
