"""Golden parameters and multiply-adds, each against a source outside this repository."""

from functools import cache

import pytest
import torch
import torchvision
from torch import nn

from reslab.config import ZOO, ResNet, describe
from reslab.config.complexities import Complexity, golden
from reslab.models import build
from reslab.models.complexity import complexity, count
from reslab.papers import counts

slow = pytest.mark.slow

CIFAR = [name for name, entry in ZOO.items() if entry.description.stem == "3x3"]
IMAGENET = [name for name in ZOO if name not in CIFAR]


def changed(name: str, **fields: object) -> ResNet:
    return ResNet.model_validate(describe(name).model_dump() | fields)


def closed_formula(n: int, w: int, channels: int, classes: int, size: int) -> Complexity:
    """He 2015, Sec. 4.2: a 3×3 stem of w filters, then 2n 3×3 layers each of w, 2w, 4w filters on
    maps of size s, s/2, s/4, global pooling, one linear layer. Every convolution has a BatchNorm
    (two parameters per filter) and no bias; options A and none add nothing."""
    weights = [9 * channels * w + (2 * n) * 9 * w * w]  # full resolution
    for out in (2 * w, 4 * w):
        weights.append(9 * (out // 2) * out + (2 * n - 1) * 9 * out * out)
    norms = 2 * (w + 2 * n * (w + 2 * w + 4 * w))
    areas = [(size // scale) ** 2 for scale in (1, 2, 4)]
    macs = sum(weight * area for weight, area in zip(weights, areas, strict=True))
    linear = 4 * w * classes
    return Complexity(sum(weights) + norms + linear + classes, macs + linear)


@pytest.mark.parametrize("name", CIFAR)
def test_golden_counts_of_the_cifar_nets_follow_a_closed_formula(name: str) -> None:
    entry = ZOO[name]
    net = entry.description
    depth = int(name.removeprefix("resnet").removeprefix("plain").removesuffix("_w8"))
    width = 8 if name.endswith("_w8") else 16
    expected = closed_formula(
        (depth - 2) // 6, width, net.in_channels, net.classes, entry.image_size
    )
    assert golden()[name] == expected


@cache
def torchvisions(depth: str) -> tuple[nn.Module, Complexity]:
    with torch.device("meta"):
        net = torchvision.models.get_model(f"resnet{depth}", weights=None)
    return net, complexity(net, (3, 224, 224))


@pytest.mark.parametrize("name", IMAGENET)
def test_golden_counts_of_the_imagenet_nets_are_torchvisions(name: str) -> None:
    net, expected = torchvisions(name.removeprefix("resnet").removeprefix("plain"))
    if name.startswith("plain"):  # without the projections to 128, 256, 512 at 28², 14², 7²
        removed = [p.numel() for key, p in net.named_parameters() if "downsample" in key]
        macs = sum(c * c // 2 * area**2 for c, area in ((128, 28), (256, 14), (512, 7)))
        expected = Complexity(expected.params - sum(removed), expected.multiply_adds - macs)
    assert golden()[name] == expected


def test_every_named_net_has_a_golden_row() -> None:
    assert list(golden()) == list(ZOO)


DEEP = {"resnet1202", "resnet110", "plain110", "resnet101", "resnet152"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=slow) if n in DEEP else n for n in ZOO])
def test_golden_rows_are_what_is_counted(name: str) -> None:
    assert count(ZOO[name].description, ZOO[name].image_size) == golden()[name]


@pytest.mark.parametrize(
    ("depth", "millions"),
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)],
)
def test_he_2015_table_6_prints_these_parameters(depth: int, millions: float) -> None:
    digits = len(str(millions).partition(".")[2])
    assert round(golden()[f"resnet{depth}"].params / 1e6, digits) == millions


@pytest.mark.parametrize(
    ("depth", "billions"),
    [(18, 1.8), (34, 3.6), (50, 3.8), (101, 7.6), pytest.param(152, 11.3, marks=slow)],
)
def test_he_2015_table_1_prints_these_multiply_adds(depth: int, billions: float) -> None:
    """With the paper's own options: A for the basic nets, stride on the first 1×1 otherwise.
    ResNet-50 has 3.86 G; the table cuts the last digit off."""
    own = {"shortcut": "A"} if depth < 50 else {"stride_on": "first"}
    counted = count(changed(f"resnet{depth}", **own), 224).multiply_adds / 1e9
    assert billions - 0.05 <= counted < billions + 0.1


@pytest.mark.parametrize("name", ZOO)
def test_golden_parameters_round_to_what_papers_print(name: str) -> None:
    printed = counts(name)
    if printed and printed["params_m"] is not None:
        digits = len(str(printed["params_m"]).partition(".")[2])
        assert round(golden()[name].params / 1e6, digits) == printed["params_m"]


def test_a_plain_net_has_the_parameters_of_its_residual_twin() -> None:
    """He 2015, Sec. 4.2: with option A "our residual models have exactly the same depth, width,
    and number of parameters as the plain counterparts"."""
    for depth in (20, 32, 44, 56, 110):
        assert golden()[f"plain{depth}"] == golden()[f"resnet{depth}"]


@pytest.mark.parametrize(("option", "params"), [("A", 853_018), ("B", 855_770), ("C", 900_858)])
def test_resnet56_with_projections(option: str, params: int) -> None:
    """A projection c → c' has c·c' weights and 2c' norm parameters; B: 16 → 32 → 64; C: 27 in all,
    nine each of 16, 32, 64."""
    bridges = {
        "A": [],
        "B": [(16, 32), (32, 64)],
        "C": [(16, 32), (32, 64), (16, 16)] + 8 * [(16, 16), (32, 32), (64, 64)],
    }[option]
    assert params == 853_018 + sum(c * d + 2 * d for c, d in bridges)
    assert count(changed("resnet56", shortcut=option), 32).params == params


def test_resnet20s_often_quoted_40_8_million_is_option_b() -> None:
    assert count(changed("resnet20", shortcut="B"), 32).multiply_adds == 40_813_184
    assert golden()["resnet20"].multiply_adds == 40_551_040


def test_counting_leaves_the_net_as_it_was() -> None:
    net = build("resnet8_w8").double()
    complexity(net, (1, 8, 8))
    assert net.training and net.conv1.weight.device.type == "cpu"
