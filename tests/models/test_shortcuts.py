"""Shortcuts of He et al. 2015 (arXiv 1512.03385), Sec. 3.3, and none."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from reslab.config.nets import ResNet
from reslab.config.spelling import Change
from reslab.config.words import ORDERS, SHORTCUTS
from reslab.models.nets import build
from reslab.models.shortcuts import Add, Drop, PadZeros, shortcut


def net(option: str, **fields: object) -> ResNet:
    return ResNet.model_validate(
        {"units": (1,), "widths": (16,), "strides": (1,), "shortcut": option, **fields}
    )


STAYS = Change(inputs=3, outputs=3, stride=1, norm=True)
WIDENS = Change(inputs=3, outputs=8, stride=2, norm=True)
STRIDES = Change(inputs=3, outputs=3, stride=2, norm=True)
PROJECTION = [nn.Conv2d, nn.BatchNorm2d]


@pytest.mark.parametrize(
    ("option", "stays", "changes"),
    [
        ("A", [], [PadZeros]),  # "zero-padding shortcuts are used for increasing dimensions"
        ("B", [], PROJECTION),  # "projection shortcuts are used for increasing dimensions"
        ("C", PROJECTION, PROJECTION),  # "all shortcuts are projections"
    ],
)
def test_the_options_of_he_2015(option: str, stays: list[type], changes: list[type]) -> None:
    for change, expected in ((STAYS, stays), (WIDENS, changes), (STRIDES, changes)):
        join = shortcut(net(option), change)
        assert type(join) is Add
        assert [type(layer) for layer in join] == expected


def test_no_shortcut_is_one_that_drops() -> None:
    assert all(type(shortcut(net("none"), c)) is Drop for c in (STAYS, WIDENS, STRIDES))


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


def test_pooled_option_a_averages_before_it_pads() -> None:
    x, fx = torch.randn(2, 3, 8, 8), torch.randn(2, 8, 4, 4)
    added = shortcut(net("A_pooled", zeros="after"), WIDENS)(x, fx) - fx
    torch.testing.assert_close(added[:, :3], functional.avg_pool2d(x, 2))
    assert (added[:, 3:].abs() < 1e-6).all()


def test_option_a_and_a_plain_net_have_no_parameters_in_their_shortcuts() -> None:
    for option in ("none", "A", "A_pooled"):
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


@pytest.mark.parametrize("option", SHORTCUTS)
@pytest.mark.parametrize("change", [STAYS, WIDENS, STRIDES])
def test_every_shortcut_has_the_shape_of_the_branch(option: str, change: Change) -> None:
    x, size = torch.randn(2, 3, 7, 7), 7 if change.stride == 1 else 4
    fx = torch.randn(2, change.outputs, size, size)
    assert shortcut(net(option), change)(x, fx).shape == fx.shape


def test_constant_scaling_is_he_2016_eqn_3_with_a_factor_of_the_branch() -> None:
    x, fx = torch.randn(2, 2, 3, 4, 4).unbind()
    assert torch.equal(shortcut(net("scaled", scale=(0.5, 0.25)), STAYS)(x, fx), x / 2 + fx / 4)
    widened = shortcut(net("scaled", scale=(0.5, 1.0)), WIDENS)
    padded, fx = shortcut(net("A"), WIDENS), torch.randn(2, 8, 2, 2)
    torch.testing.assert_close(widened(x, fx) - fx, (padded(x, fx) - fx) / 2)


@pytest.mark.parametrize("bias", [0.0, -6.0])
def test_gates_are_he_2016_sec_3_1(bias: float) -> None:
    """Exclusive: (1 − g) x + g F; shortcut-only: (1 − g) x + F; g = σ(W x + b)."""
    x, fx = torch.randn(2, 2, 3, 4, 4).unbind()
    for gate, factor in (("exclusive", lambda g: g), ("shortcut_only", lambda g: 1)):
        join = shortcut(net("gated", gate=gate, gate_bias=bias), STAYS)
        assert (join.gate.bias == bias).all()
        g = torch.sigmoid(join.gate(x))
        torch.testing.assert_close(join(x, fx), (1 - g) * x + factor(g) * fx)


def test_a_scalar_gate_is_the_identity_until_its_scalar_is_learned() -> None:
    join = shortcut(net("scalar_gated"), STAYS)
    x, fx = torch.randn(2, 2, 3, 4, 4).unbind()
    assert torch.equal(join(x, fx), x)
    join.alpha.data.fill_(0.25)
    torch.testing.assert_close(join(x, fx), 0.75 * x + 0.25 * fx)


def test_a_gates_initial_bias_survives_the_nets_initialisation() -> None:
    built = build(net("gated", gate_bias=-6.0, stem_width=16))
    assert (built.layer1[0].downsample.gate.bias == -6).all()


def test_dropout_on_the_shortcut_leaves_the_branch_alone() -> None:
    join = shortcut(net("dropout", shortcut_dropout=0.5), STAYS)
    x, fx = torch.ones(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    assert set((join(x, fx) - fx).round().unique().tolist()) == {0.0, 2.0}
    assert torch.equal(join.eval()(x, fx), x + fx)


def test_option_d_averages_before_it_projects() -> None:
    """He 2019, Fig. 2 (c): a 2×2 average pooling of stride 2, so that no pixel is left out."""
    join = shortcut(net("D"), WIDENS)
    x, fx = torch.randn(2, 3, 8, 8), torch.zeros(2, 8, 4, 4)
    expected = join[2](join[1](functional.avg_pool2d(x, 2)))
    torch.testing.assert_close(join(x, fx), expected)
