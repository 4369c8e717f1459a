"""Layers beside convolutions, and the nets that they make: what their papers say of them."""

import math

import pytest
import torch
from torch import nn

from reslab.config.nets import ResNet
from reslab.config.zoo import describe
from reslab.models.layers import (
    NORMS,
    Bias,
    Depths,
    Scale,
    SqueezeExcitation,
    StochasticDepth,
    group_norm,
)
from reslab.models.nets import build
from reslab.models.units import Unit


def changed(name: str, **fields: object) -> ResNet:
    return ResNet.model_validate(describe(name).model_dump() | fields)


def small(**fields: object) -> nn.Module:
    torch.manual_seed(0)
    return build(changed("resnet20_w8", **fields))


def units(net: nn.Module) -> list[Unit]:
    return [layer for layer in net.modules() if isinstance(layer, Unit)]


def depths(net: nn.Module) -> list[StochasticDepth]:
    return [layer for layer in net.modules() if isinstance(layer, StochasticDepth)]


def test_units_survive_by_the_linear_rule() -> None:
    """Huang 2016, Eqn. 4: p_l = 1 − l/L (1 − p_L); of ResNet-110's 54 units about 40 are kept."""
    probabilities = [layer.survival for layer in depths(build("stochdepth_resnet110"))]
    expected = [1 - unit / 54 * 0.5 for unit in range(1, 55)]
    assert probabilities == pytest.approx(expected)
    assert sum(probabilities) == pytest.approx(40, abs=0.5)


def test_a_key_decides_which_units_are_kept() -> None:
    net = small(survival=0.5)
    draws, drawn = Depths(net), []
    for key in ((0, 1), (0, 1), (0, 2), (1, 1), (2**40, 1)):
        draws.draw(key)
        drawn.append([layer.kept.item() for layer in depths(net)])
    assert drawn[0] == drawn[1]
    assert len({tuple(kept) for kept in drawn}) >= 3
    assert set(drawn[0] + drawn[2] + drawn[3]) == {0.0, 1.0}


def test_units_are_kept_as_often_as_they_survive() -> None:
    net = small(survival=0.2)
    draws, total = Depths(net), torch.zeros(9)
    for step in range(2000):
        draws.draw((7, step))
        total += torch.stack([layer.kept for layer in depths(net)])
    survival = torch.tensor([layer.survival for layer in depths(net)])
    torch.testing.assert_close(total / 2000, survival, atol=0.04, rtol=0)  # 3.6 σ of a half


def test_a_dropped_unit_is_its_shortcut_and_its_gradients_are_zero_not_missing() -> None:
    """Data-parallel training waits for the gradient of every parameter."""
    net = small(survival=0.5)
    one = units(net)[1]
    one.depth1.kept.zero_()
    x = torch.rand(2, 8, 8, 8)
    torch.testing.assert_close(one(x), x)  # original order: relu(x + 0), x ≥ 0
    one(x).sum().backward()
    gradients = [parameter.grad for parameter in one.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_in_evaluation_branches_are_weighted_by_their_probability() -> None:
    """Huang 2016, Eqn. 5."""
    layer, x = StochasticDepth(0.3), torch.randn(2, 3, 4, 4)
    layer.kept.zero_()
    assert torch.equal(layer.eval()(x), 0.3 * x)


def test_decisions_are_no_part_of_the_weights() -> None:
    assert list(small(survival=0.5).state_dict()) == list(small().state_dict())


def test_drawing_leaves_nets_without_stochastic_depth_and_torchs_generator_alone() -> None:
    nets = small(), small(survival=0.5)
    state = torch.get_rng_state()
    for net in nets:
        Depths(net).draw((1, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_squeeze_excitation_rescales_channels() -> None:
    """Hu 2018, Eqn. 3 and 4."""
    layer, x = SqueezeExcitation(8, 4), torch.randn(2, 8, 5, 5)
    z = x.mean((2, 3))
    w1, w2 = layer.fc1.weight[:, :, 0, 0], layer.fc2.weight[:, :, 0, 0]
    s = torch.sigmoid(torch.relu(z @ w1.T + layer.fc1.bias) @ w2.T + layer.fc2.bias)
    torch.testing.assert_close(layer(x), x * s[:, :, None, None])
    assert w1.shape == (2, 8)


def test_an_excitation_may_have_no_biases() -> None:
    """Hu 2018, Table 10."""
    names = [name for name, _ in SqueezeExcitation(8, 4, bias=False).named_parameters()]
    assert names == ["fc1.weight", "fc2.weight"]


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (3, 1), (16, 8), (24, 4), (64, 32)])
def test_group_norm_has_groups_of_two_channels_or_more(channels: int, groups: int) -> None:
    assert group_norm(channels).num_groups == groups
    assert NORMS["layer"](channels).num_groups == 1


def test_zero_gamma_begins_every_branch_with_a_scale_of_zero() -> None:
    """Goyal 2017, Sec. 5.1; other norms begin with 1."""
    net = small(zero_gamma=True)
    for one in units(net):
        assert not one.bn2.weight.any() and (one.bn1.weight == 1).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"zero_gamma": True},
        {"scaling": "rezero"},
        {"scaling": "skipinit", "norm": "none"},
        {"scaling": "fixup", "norm": "none"},
    ],
)
def test_units_begin_as_their_shortcuts(fields: dict[str, object]) -> None:
    one = units(small(**fields))[1]
    x = torch.rand(2, 8, 8, 8)
    torch.testing.assert_close(one(x), x)


@pytest.mark.parametrize(("name", "m"), [("fixup_resnet56", 2), ("fixup_resnet50", 3)])
def test_fixup_scales_branches_by_their_number_and_length(name: str, m: int) -> None:
    """Zhang 2019, Sec. 3: all but a branch's last convolution times L^(−1/(2m−2)), the last one and
    the linear layer 0, scales 1, biases 0."""
    torch.manual_seed(0)
    net = build(changed(name, widths=tuple(w // 2 for w in describe(name).widths),
                        stem_width=describe(name).stem_width // 2))  # fmt: skip
    found = units(net)
    for one in found[-3:]:
        fan = one.conv1.weight.numel() // one.conv1.in_channels  # out · k²
        he = math.sqrt(2 / fan) * len(found) ** (-1 / (2 * m - 2))
        assert one.conv1.weight.std().item() == pytest.approx(he, rel=0.1)
        assert not getattr(one, f"conv{m}").weight.any()
    assert not net.fc.weight.any() and not net.fc.bias.any()
    assert all(s.scale == 1 for s in net.modules() if isinstance(s, Scale))
    assert all(b.bias.numel() == 1 and b.bias == 0 for b in net.modules() if isinstance(b, Bias))


def test_skipinits_scalar_may_begin_elsewhere() -> None:
    """De 2020, Sec. 4.2: α = 0 or 1/√d."""
    net = build(changed("skipinit_wrn_16_4", scale_init=0.25, widths=(16, 32, 64)))
    assert {s.scale.item() for s in net.modules() if isinstance(s, Scale)} == {0.25}


def test_a_net_without_norms_keeps_their_biases() -> None:
    net = small(norm="none")
    assert {type(units(net)[0].bn1), type(net.bn1)} == {Bias}
    assert units(net)[0].bn1.bias.shape == (8, 1, 1)


@pytest.mark.parametrize(("activation", "kind"), [("silu", nn.SiLU), ("gelu", nn.GELU)])
def test_the_activation_is_a_field(activation: str, kind: type) -> None:
    kinds = {type(layer) for layer in small(activation=activation).modules()}
    assert kind in kinds and nn.ReLU not in kinds
