"""Stems, and how weights begin: what the nets share, as their papers have it."""

import math
from collections import OrderedDict
from typing import Any, Literal

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from reslab.config.convolutions import STEMS
from reslab.config.nets import Described, Net, ResNet
from reslab.config.zoo import describe
from reslab.models.nets import build
from reslab.models.stem_and_head import stem

SIDES = {"3x3": (32, 32), "7x7_pool": (224, 56), "deep": (224, 56), "xception": (299, 147)}
"""Of an image and of what a stem leaves: He 2015, Sec. 4.2 and Table 1; He 2019, Fig. 2; Chollet
2017, Fig. 5."""


@pytest.mark.parametrize("name", STEMS)
def test_a_stem_leaves_the_size_that_its_paper_says(name: str) -> None:
    side, left = SIDES[name]
    shape = {"units": (1,), "widths": (64,), "strides": (1,), "stem_width": 64, "stem": name}
    with torch.device("meta"):
        layers = nn.Sequential(OrderedDict(stem(ResNet.model_validate(shape))))
        assert layers(torch.empty(2, 3, side, side)).shape == (2, 64, left, left)


@pytest.mark.parametrize("init", ["fan_in", "fan_out"])
def test_convolutions_are_initialised_as_he_et_al_say(init: Literal["fan_in", "fan_out"]) -> None:
    """arXiv 1502.01852, Eqn. 10 (fan in) and 14 (fan out): variance 2 / fan."""
    torch.manual_seed(0)
    net = build(describe("resnet20").model_copy(update={"init": init}))
    convolution = net.layer3[0].conv1  # 32 → 64 channels, 18,432 weights
    fan = {"fan_in": 32 * 9, "fan_out": 64 * 9}[init]
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.03)
    assert convolution.weight.mean().item() == pytest.approx(0, abs=0.002)
    assert (net.bn1.weight == 1).all() and (net.bn1.bias == 0).all()


SMALL: dict[str, Any] = {"units": (1, 1), "widths": (4, 8), "strides": (1, 2), "stem_width": 4}
NET: TypeAdapter[Described] = TypeAdapter(Net)


def drawn(**fields: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(NET.validate_python(fields))


DRAWN: dict[str, tuple[dict[str, Any], float, float]] = {
    "basic, option A": (SMALL, 20.591514, 228.083701),
    "bottleneck, pre-activated, option C": (
        {**SMALL, "branch": "bottleneck", "shortcut": "C", "order": "full_preactivation"},
        64.998181, 467.966739,
    ),
    "gates": (
        {**SMALL, "shortcut": "gated", "gate_bias": -6.0, "init": "fan_in"}, -52.441991, 326.297628
    ),
    "Fixup": (
        {**SMALL, "branch": "bottleneck", "shortcut": "B", "norm": "none", "scaling": "fixup",
         "stem": "7x7_pool"},
        8.412531, 295.788795,
    ),
    "SkipInit": (
        {**SMALL, "norm": "none", "scaling": "skipinit", "scale_init": 0.5}, -6.408486, 201.083701
    ),
    "zero gamma, deep stem, excitation": (
        {**SMALL, "shortcut": "D", "stem": "deep", "se": 2, "zero_gamma": True},
        21.491584, 283.219868,
    ),
    "separable": (
        {**SMALL, "branch": "separable", "shortcut": "B", "order": "relu_only_preactivation",
         "exit": (12,), "stem": "xception", "norm": "group"},
        58.226944, 233.790165,
    ),
    "dense, compressed": (
        {"family": "densenet", "units": (2, 2), "growth": 4, "bottleneck": True,
         "compression": 0.5, "stem_width": 8},
        129.523279, 851.107975,
    ),
}  # fmt: skip
"""Descriptions, and the sum and the sum of moduli of all parameters that they drew with seed 0
before the linear layer, scales, gates and a stem had fields of their own."""


@pytest.mark.parametrize("kind", DRAWN)
def test_a_description_draws_what_it_always_drew(kind: str) -> None:
    fields, total, moduli = DRAWN[kind]
    parameters = [parameter.double() for parameter in drawn(**fields).parameters()]
    assert sum(p.sum().item() for p in parameters) == pytest.approx(total, abs=1e-3)
    assert sum(p.abs().sum().item() for p in parameters) == pytest.approx(moduli, abs=1e-3)


def test_a_uniform_initialisation_is_torchs_own() -> None:
    """Within ± 1/√(fan in): a standard deviation of 1/√(3 · fan in)."""
    convolution = drawn(**SMALL, init="uniform").layer2[0].conv2  # 8 → 8 channels
    assert convolution.weight.abs().max() <= 1 / math.sqrt(8 * 9)
    assert convolution.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 8 * 9), rel=0.05)


@pytest.mark.parametrize("family", [SMALL, DRAWN["dense, compressed"][0]], ids=["res", "dense"])
def test_the_last_layer_begins_as_the_codes_have_it(family: dict[str, Any]) -> None:
    """fb.resnet.torch and its kin: torch's weights, no bias. Li 2018's code: 0.001, no bias."""
    torchs, zero, small = (
        drawn(**family, linear_init=start, classes=500).fc
        for start in ("uniform", "zero_bias", "small")
    )
    assert torchs.bias.abs().max() > 0
    assert torch.equal(zero.weight, torchs.weight)
    assert (zero.bias == 0).all() and (small.bias == 0).all()
    assert small.weight.std().item() == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("family", [SMALL, DRAWN["dense, compressed"][0]], ids=["res", "dense"])
def test_scales_can_begin_as_torch_7s_did(family: dict[str, Any]) -> None:
    """nn.BatchNormalization: weights uniform in (0, 1), no bias."""
    norms = [
        m for m in drawn(**family, gamma_init="uniform").modules() if type(m) is nn.BatchNorm2d
    ]
    scales = torch.cat([norm.weight for norm in norms])
    assert scales.min() > 0 and scales.max() < 1
    assert scales.mean().item() == pytest.approx(0.5, abs=0.15)
    assert all((norm.bias == 0).all() for norm in norms)


def test_a_last_scale_of_zero_stays_zero() -> None:
    net = drawn(**SMALL, gamma_init="uniform", zero_gamma=True)
    assert (net.layer1[0].bn2.weight == 0).all() and (net.layer1[0].bn1.weight > 0).all()


@pytest.mark.parametrize(("name", "std"), [("fixup_resnet50", 0.048), ("fixup_resnet110", 0.111)])
def test_a_fixup_nets_stem_stays_as_torch_draws_it(name: str, std: float) -> None:
    """The authors' code initialises units and the last layer only: 1/√(3 · 3 · k²)."""
    torch.manual_seed(0)
    description = describe(name).model_copy(update={"units": (1, 1)})
    assert build(description).conv1.weight.std().item() == pytest.approx(std, rel=0.05)


def test_gates_begin_as_torch_draws_them_or_as_the_other_convolutions() -> None:
    """A 1×1 from 64 to 64 channels: 1/√(3 · 64), or He's √(2 / 64)."""
    wide = {"units": (1,), "widths": (64,), "strides": (1,), "stem_width": 64}
    for start, std in (("uniform", 1 / math.sqrt(3 * 64)), ("same", math.sqrt(2 / 64))):
        net = drawn(**wide, shortcut="gated", gate_bias=-6.0, gate_init=start)
        gate = net.layer1[0].downsample.gate
        assert gate.weight.std().item() == pytest.approx(std, rel=0.05)
        assert (gate.bias == -6).all()


@pytest.mark.parametrize(
    ("name", "stem", "unit", "shortcut"),
    [
        ("wrn_16_8", 0.272, 0.118, 0.354),  # 2 / fan in: 3 · 9, 16 · 9 and 16
        ("stochdepth_resnet110", 0.272, 0.118, None),
    ],
)
def test_nets_of_fan_in_codes_are_fan_in(
    name: str, stem: float, unit: float, shortcut: float | None
) -> None:
    """models/utils.lua of szagoruyko/wide-residual-networks; nninit.kaiming in Stochastic_Depth."""
    torch.manual_seed(0)
    net = build(describe(name).model_copy(update={"units": (1, 1, 1)}))
    assert net.conv1.weight.std().item() == pytest.approx(stem, rel=0.1)
    assert net.layer1[0].conv1.weight.std().item() == pytest.approx(unit, rel=0.05)
    if shortcut is not None:
        projection = net.layer1[0].downsample[0].weight
        assert projection.std().item() == pytest.approx(shortcut, rel=0.05)
