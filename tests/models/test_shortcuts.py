"""Shortcuts of He et al. 2015 (arXiv 1512.03385), Sec. 3.3, and none."""

from typing import Literal

import pytest
import torch
from torch import nn

from reslab.config import ResNet
from reslab.models import ORDERS, build
from reslab.models.shortcuts import Add, Change, Drop, PadZeros, Project, shortcut


def net(option: Literal["none", "A", "B", "C"], **fields: str) -> ResNet:
    return ResNet.model_validate(
        {"units": (1,), "widths": (16,), "strides": (1,), "shortcut": option, **fields}
    )


STAYS = Change(inputs=3, outputs=3, stride=1, norm=True)
WIDENS = Change(inputs=3, outputs=8, stride=2, norm=True)
STRIDES = Change(inputs=3, outputs=3, stride=2, norm=True)


@pytest.mark.parametrize(
    ("option", "stays", "changes"),
    [
        ("none", Drop, Drop),
        ("A", Add, PadZeros),  # "zero-padding shortcuts are used for increasing dimensions"
        ("B", Add, Project),  # "projection shortcuts are used for increasing dimensions"
        ("C", Project, Project),  # "all shortcuts are projections"
    ],
)
def test_the_options_of_he_2015(
    option: Literal["none", "A", "B", "C"], stays: type, changes: type
) -> None:
    assert type(shortcut(net(option), STAYS)) is stays
    assert type(shortcut(net(option), WIDENS)) is changes
    assert type(shortcut(net(option), STRIDES)) is changes


def test_a_plain_net_drops_its_input() -> None:
    x, fx = torch.randn(2, 3, 4, 4), torch.randn(2, 8, 2, 2)
    assert torch.equal(shortcut(net("none"), WIDENS)(x, fx), fx)


def test_an_identity_adds() -> None:
    x, fx = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.equal(shortcut(net("A"), STAYS)(x, fx), x + fx)


@pytest.mark.parametrize(("zeros", "before"), [("both", 2), ("after", 0)])
@pytest.mark.parametrize(("size", "strided"), [(8, 4), (7, 4), (1, 1)])
def test_option_a_subsamples_and_pads_with_zero_channels(
    zeros: str, before: int, size: int, strided: int
) -> None:
    x, fx = torch.randn(2, 3, size, size), torch.randn(2, 8, strided, strided)
    added = shortcut(net("A", zeros=zeros), WIDENS)(x, fx) - fx
    expected = torch.zeros_like(fx)
    expected[:, before : before + 3] = x[:, :, ::2, ::2]
    torch.testing.assert_close(added, expected)


def test_option_a_and_a_plain_net_have_no_parameters_in_their_shortcuts() -> None:
    for option in ("none", "A"):
        for change in (STAYS, WIDENS, STRIDES):
            assert not list(shortcut(net(option), change).parameters())


@pytest.mark.parametrize("order", ORDERS)
def test_a_projection_has_a_norm_exactly_where_the_branch_ends_with_one(order: str) -> None:
    built = build(
        ResNet.model_validate(
            {"units": (1, 1), "widths": (4, 8), "strides": (1, 2), "shortcut": "B", "order": order,
             "stem_width": 4}
        )
    )  # fmt: skip
    projection = built.layer2[0].downsample
    norms = [layer for layer in projection if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == ORDERS[order].end.split().count("n")
