"""Parameters and multiply-adds of our nets, summed over their words (config/costs.py): each against
torch's count and against a source outside this repository.

Sources are torchvision and timm where they have the net, and otherwise the layers that a paper's
tables list, added up here (`Sum`); counts that a paper prints are compared as they are printed.
The lists in capitals are the nets that a test compares in full; together they are the zoo.
"""

import re
from functools import cache

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import Bottleneck

from reslab.config.costs import Complexity, cost
from reslab.config.nets import Foreign, ResNet
from reslab.config.zoo import ZOO, describe
from reslab.models.count import answer, complexity, count, layers
from reslab.models.nets import build
from reslab.papers.published import counts

pytestmark = pytest.mark.process

slow = pytest.mark.slow


@cache
def ours(name: str) -> Complexity:
    """A named net's costs as they are summed over its words."""
    return cost(ZOO[name].description, ZOO[name].image_size)


BIG = {name for name in ZOO if ours(name).multiply_adds > 1e9 or describe(name).layers > 60}
NAMES = [pytest.param(name, marks=slow) if name in BIG else name for name in ZOO]


def changed(name: str, **fields: object) -> ResNet:
    return ResNet.model_validate(describe(name).model_dump() | fields)


class Sum:
    """Parameters and multiply-adds of layers, added one by one."""

    def __init__(self) -> None:
        self.params = self.multiply_adds = 0

    def convolution(
        self, inputs: int, outputs: int, kernel: int, size: int, groups: int = 1
    ) -> None:
        """`size` is the side of what it puts out. No bias."""
        weights = kernel**2 * inputs * outputs // groups
        self.params += weights
        self.multiply_adds += weights * size**2

    def norms(self, channels: int, count: int = 1) -> None:
        self.params += 2 * channels * count

    def linear(self, inputs: int, outputs: int) -> None:
        self.params += (inputs + 1) * outputs
        self.multiply_adds += inputs * outputs

    def result(self) -> Complexity:
        return Complexity(self.params, self.multiply_adds)


def basic_cifar(n: int, w: int, channels: int = 3, classes: int = 10, size: int = 32) -> Complexity:
    """He 2015, Sec. 4.2: a 3×3 stem of w filters, then 2n 3×3 layers each of w, 2w, 4w filters on
    maps of size s, s/2, s/4, global pooling, one linear layer. Every convolution has a BatchNorm;
    options A and none add nothing."""
    net, inputs = Sum(), w
    net.convolution(channels, w, 3, size)
    net.norms(w)
    for stage in range(3):
        width = w * 2**stage
        for _ in range(2 * n):
            net.convolution(inputs, width, 3, size // 2**stage)
            inputs = width
        net.norms(width, 2 * n)
    net.linear(4 * w, classes)
    return net.result()


BASIC_CIFAR = [
    name for name in ZOO if re.match(r"(resnet|plain)\d+(_w8|_k\d)?$", name)
    and describe(name).stem == "3x3" and describe(name).branch == "basic"
]  # fmt: skip


@pytest.mark.parametrize("name", BASIC_CIFAR)
def test_basic_cifar_nets_follow_a_closed_formula(name: str) -> None:
    entry = ZOO[name]
    depth, suffix = re.match(r"\D+(\d+)(?:_(\w\d))?$", name).groups()
    width = {None: 16, "w8": 8, "k2": 32, "k4": 64, "k8": 128}[suffix]
    net = entry.description
    shape = (net.in_channels, net.classes, entry.image_size)
    assert ours(name) == basic_cifar((int(depth) - 2) // 6, width, *shape)


AT_NO_COST = [
    "preact_resnet20", "preact_resnet32", "preact_resnet44", "preact_resnet56", "preact_resnet110",
    "stochdepth_resnet110", "stochdepth_resnet1202", "resnet110_1layer",
]  # fmt: skip


@pytest.mark.parametrize("name", AT_NO_COST)
def test_neither_pre_activation_nor_stochastic_depth_nor_one_layer_skips_cost_anything(
    name: str,
) -> None:
    """With option A each convolution has one norm of the same width, wherever it stands."""
    depth = re.search(r"\d+", name).group()
    assert ours(name) == basic_cifar((int(depth) - 2) // 6, 16)


def bottleneck_cifar(n: int, preactivated: bool) -> Complexity:
    """He 2016, Sec. 4: stem of 16; three stages of n bottlenecks w, w, 4w for w = 16, 32, 64 on
    32², 16², 8²; the stride is on the first 1×1; projections where the width grows (all stages).
    Pre-activated units have their norms before the convolutions; projections have none."""
    net, inputs = Sum(), 16
    net.convolution(3, 16, 3, 32)
    net.norms(16)
    for w, size in ((16, 32), (32, 16), (64, 8)):
        for i in range(n):
            net.convolution(inputs, w, 1, size)
            net.convolution(w, w, 3, size)
            net.convolution(w, 4 * w, 1, size)
            net.norms(w, 2)
            if i == 0:
                net.convolution(inputs, 4 * w, 1, size)
                net.norms(4 * w, 0 if preactivated else 1)
            inputs = 4 * w
            net.norms(4 * w)  # the third norm, or the next unit's (or the net's last) first one
    net.linear(256, 10)
    return net.result()


BOTTLENECK_CIFAR = ["resnet164", "resnet1001", "preact_resnet164", "preact_resnet1001"]


@pytest.mark.parametrize("name", BOTTLENECK_CIFAR)
def test_cifar_bottlenecks_follow_a_closed_formula(name: str) -> None:
    n = {"164": 18, "1001": 111}[name.partition("resnet")[2]]
    assert ours(name) == bottleneck_cifar(n, name.startswith("preact"))


def resnext_cifar(groups: int, d: int) -> Complexity:
    """Xie 2017, Sec. 5.3: stem of 64; three stages of three bottlenecks whose grouped convolutions
    are C·d, 2C·d, 4C·d wide, putting out 256, 512, 1024; the 3×3 strides."""
    net, inputs = Sum(), 64
    net.convolution(3, 64, 3, 32)
    net.norms(64)
    for stage, size in enumerate((32, 16, 8)):
        inner, outputs = groups * d * 2**stage, 256 * 2**stage
        for i in range(3):
            net.convolution(inputs, inner, 1, 2 * size if stage and i == 0 else size)
            net.convolution(inner, inner, 3, size, groups)
            net.convolution(inner, outputs, 1, size)
            if i == 0:
                net.convolution(inputs, outputs, 1, size)
                net.norms(outputs)
            net.norms(inner, 2)
            net.norms(outputs)
            inputs = outputs
    net.linear(1024, 10)
    return net.result()


RESNEXT_CIFAR = [name for name in ZOO if name.startswith("resnext29_")]


@pytest.mark.parametrize("name", RESNEXT_CIFAR)
def test_resnext_29_follows_a_closed_formula(name: str) -> None:
    groups, width = map(int, re.match(r"resnext29_(\d+)x(\d+)d$", name).groups())
    assert ours(name) == resnext_cifar(groups, width)


def wide(n: int, k: int, kernels: str = "33") -> Complexity:
    """Zagoruyko 2016, Table 1: a stem of 16; n pre-activated units each of 16k, 32k, 64k; a 1×1
    projection where the shape changes; a last norm."""
    net, inputs = Sum(), 16
    net.convolution(3, 16, 3, 32)
    for stage, width in enumerate((16 * k, 32 * k, 64 * k)):
        size = 32 // 2**stage
        if inputs != width:
            net.convolution(inputs, width, 1, size)
        for _ in range(n):
            for kernel in map(int, kernels):
                net.norms(inputs)
                net.convolution(inputs, width, kernel, size)
                inputs = width
    net.norms(64 * k)
    net.linear(64 * k, 10)
    return net.result()


WIDE = [name for name in ZOO if re.match(r"wrn_\d", name)]


@pytest.mark.parametrize("name", WIDE)
def test_wide_nets_follow_a_closed_formula(name: str) -> None:
    depth, k, kernels = re.match(r"wrn_(\d+)_(\d+)(?:_b(\d+))?$", name).groups()
    assert ours(name) == wide((int(depth) - 4) // 6, int(k), kernels or "33")


def dense(units: list[int], k: int, c0: int, bc: bool, pooled_stem: bool) -> Complexity:
    """Huang 2017, Sec. 3 and Table 1: each layer adds k channels (BC: through a 1×1 to 4k); between
    blocks a 1×1 (BC: to half the channels) and a 2×2 pooling; every convolution but the stem reads
    a normalised input, and a norm closes the net."""
    net, channels, size = Sum(), c0, 56 if pooled_stem else 32
    net.convolution(3, c0, 7 if pooled_stem else 3, 112 if pooled_stem else 32)
    net.norms(c0, int(pooled_stem))
    for block, count_ in enumerate(units):
        if block:
            kept = channels // 2 if bc else channels
            net.norms(channels)
            net.convolution(channels, kept, 1, size)
            channels, size = kept, size // 2
        for _ in range(count_):
            net.norms(channels)
            if bc:
                net.convolution(channels, 4 * k, 1, size)
                net.norms(4 * k)
            net.convolution(4 * k if bc else channels, k, 3, size)
            channels += k
    net.norms(channels)
    net.linear(channels, 1000 if pooled_stem else 10)
    return net.result()


DENSE_CIFAR = [name for name in ZOO if name.startswith("densenet_")]


@pytest.mark.parametrize("name", DENSE_CIFAR)
def test_dense_cifar_nets_follow_a_closed_formula(name: str) -> None:
    bc, depth, k = re.match(r"densenet_(bc_)?(\d+)_(\d+)$", name).groups()
    units = [(int(depth) - 4) // (6 if bc else 3)] * 3
    assert ours(name) == dense(units, int(k), 2 * int(k) if bc else 16, bool(bc), False)


DENSE_IMAGENET = {"densenet264": [6, 12, 64, 48]}


@pytest.mark.parametrize("name", DENSE_IMAGENET)
def test_a_dense_imagenet_net_that_torchvision_lacks_follows_it_too(name: str) -> None:
    assert ours(name) == dense(DENSE_IMAGENET[name], 32, 64, True, True)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        # Counted from the papers' layer definitions for 10 classes by another program, and beside
        # them what the papers print.
        ("preact_resnet110", 1_727_962), ("resnet164", 1_704_154),  # 1.7 M, 1.7 M
        ("preact_resnet164", 1_703_258), ("preact_resnet1001", 10_327_706),  # 1.7 M, 10.2 M
        ("wrn_16_4", 2_748_890), ("wrn_16_8", 10_961_370), ("wrn_16_10", 17_116_634),
        ("wrn_22_8", 17_158_106), ("wrn_22_10", 26_797_914), ("wrn_28_10", 36_479_194),
        ("wrn_28_12", 52_517_850), ("wrn_40_1", 563_930), ("wrn_40_2", 2_243_546),
        ("wrn_40_4", 8_949_210), ("wrn_40_8", 35_748_314), ("wrn_40_10", 55_841_754),
        ("wrn_52_1", 758_362), ("resnext29_8x64d", 34_426_698),
        ("resnext29_16x64d", 68_155_210), ("resnext29_32x4d", 4_775_754),
        ("densenet_40_12", 1_019_722), ("densenet_100_12", 6_979_642),
        ("densenet_100_24", 27_249_082), ("densenet_bc_100_12", 769_162),
        ("densenet_bc_250_24", 15_324_406), ("densenet_bc_190_40", 25_624_430),
    ],
)  # fmt: skip
def test_parameters_are_those_that_others_count(name: str, params: int) -> None:
    assert ours(name).params == params


@pytest.mark.parametrize(("reduction", "millions"), [(8, 30.7), (16, 28.1), (32, 26.9)])
def test_hu_2018_table_10_prints_these_parameters(reduction: int, millions: float) -> None:
    """To a unit of the last digit: 30.60, 28.09 and 26.83 million here."""
    counted = count(changed("seresnet50", se=reduction), 64).params / 1e6
    assert counted == pytest.approx(millions, abs=0.1)


@cache
def others(library: str, architecture: str, size: int) -> Complexity:
    net = Foreign(family="foreign", library=library, architecture=architecture)
    return count(net, size)


TORCHVISION = [
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2",
    "wide_resnet101_2", "densenet121", "densenet161", "densenet169", "densenet201",
]  # fmt: skip
TIMM = [
    "resnet50c", "resnet50d", "resnet101d", "resnet200", "seresnet50", "seresnet101", "seresnet152",
    "seresnext50_32x4d", "seresnext101_32x4d", "resnext101_32x4d", "resnet50_gn",
]  # fmt: skip
TIMM_BY_ANOTHER_NAME = {
    "xception": "legacy_xception",
    **{f"preact_resnet{depth}": f"resnetv2_{depth}" for depth in (18, 34, 50, 101, 152)},
}


AT_ONCE = {
    "resnet18", "resnet50", "resnet50d", "seresnet50", "preact_resnet18", "densenet121",
    "wrn_imagenet_18_1.5", "resnet18_cifar_w64", "resnet50_cifar_w64", "preact_resnet18_cifar_w64",
    "preact_resnet50_cifar_w64",
}  # fmt: skip


def some_slow(names: list[str]) -> list[object]:
    """Most of the large nets are left to the slow tests."""
    return [n if n in AT_ONCE else pytest.param(n, marks=slow) for n in names]


@pytest.mark.parametrize("name", some_slow(TORCHVISION))
def test_counts_are_torchvisions(name: str) -> None:
    assert ours(name) == others("torchvision", name, 224)


@pytest.mark.parametrize("name", some_slow([*TIMM, *TIMM_BY_ANOTHER_NAME]))
def test_counts_are_timms(name: str) -> None:
    theirs = TIMM_BY_ANOTHER_NAME.get(name, name)
    assert ours(name) == others("timm", theirs, ZOO[name].image_size)


CARDINAL = [n for n in ZOO if re.match(r"resnext(50|101)_", n)] + ["resnet101_1x100d"]


@pytest.mark.parametrize("name", CARDINAL)
def test_every_pair_of_cardinality_and_width_counts_as_in_torchvisions_class(name: str) -> None:
    depth, groups, width = map(int, re.match(r"resn\w+?t(\d+)_(\d+)x(\d+)d$", name).groups())
    units = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}[depth]
    with torch.device("meta"):
        net = torchvision.models.ResNet(Bottleneck, units, groups=groups, width_per_group=width)
    assert ours(name) == complexity(net, (3, 224, 224))


WIDE_IMAGENET = [name for name in ZOO if name.startswith("wrn_imagenet_")]


@pytest.mark.parametrize("name", some_slow(WIDE_IMAGENET))
def test_wide_imagenet_nets_count_as_timms_class_with_wider_channels(name: str) -> None:
    from timm.models import resnet  # seconds, which collecting the tests need not take

    depth, factor = re.match(r"wrn_imagenet_(\d+)_(.+)$", name).groups()
    units = {"18": [2, 2, 2, 2], "34": [3, 4, 6, 3]}[depth]
    channels = tuple(int(c * float(factor)) for c in (64, 128, 256, 512))
    with torch.device("meta"):
        net = resnet.ResNet(resnet.BasicBlock, units, channels=channels)
    assert ours(name) == complexity(net, (3, 224, 224))


PLAIN_IMAGENET = ["plain18", "plain34"]


@pytest.mark.parametrize("name", PLAIN_IMAGENET)
def test_plain_imagenet_nets_count_as_torchvisions_without_projections(name: str) -> None:
    with torch.device("meta"):
        net = torchvision.models.get_model(name.replace("plain", "resnet"))
    whole = complexity(net, (3, 224, 224))
    removed = sum(p.numel() for key, p in net.named_parameters() if "downsample" in key)
    # to 128, 256, 512 channels at 28², 14², 7²
    macs = sum(c * c // 2 * area**2 for c, area in ((128, 28), (256, 14), (512, 7)))
    assert ours(name) == Complexity(whole.params - removed, whole.multiply_adds - macs)


ON_CIFAR = [f"resnet{depth}_cifar_w64" for depth in (18, 34, 50, 101, 152)]


@pytest.mark.parametrize("name", some_slow(ON_CIFAR))
def test_imagenet_nets_on_cifar_count_as_torchvisions_with_another_stem(name: str) -> None:
    """A 3×3 stem without stride or pooling."""
    with torch.device("meta"):
        net = torchvision.models.get_model(name.removesuffix("_cifar_w64"), num_classes=10)
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    assert ours(name) == complexity(net, (3, 32, 32))


PREACTIVATED_ON_CIFAR = [f"preact_{name}" for name in ON_CIFAR]


@pytest.mark.parametrize("name", some_slow(PREACTIVATED_ON_CIFAR))
def test_preactivated_imagenet_nets_on_cifar_count_as_timms_with_another_stem(name: str) -> None:
    """timm's stem has no norm, its first unit has one."""
    import timm

    theirs = TIMM_BY_ANOTHER_NAME[name.removesuffix("_cifar_w64")]
    with torch.device("meta"):
        net = timm.create_model(theirs, num_classes=10)
        net.stem = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    assert ours(name) == complexity(net, (3, 32, 32))


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet18", 11.2), ("resnet34", 21.3), ("resnet50", 23.7), ("resnet101", 42.7)],
)
def test_imagenet_nets_on_cifar_have_the_printed_millions_of_100_classes(
    name: str, millions: float
) -> None:
    """weiaicunzai/pytorch-cifar100, README."""
    hundred = describe(f"{name}_cifar_w64").model_copy(update={"classes": 100})
    assert round(cost(hundred, 32).params / 1e6, 1) == millions


@slow
def test_preact_resnet200_counts_as_timms_resnet200_and_its_shorter_nets() -> None:
    """timm has no resnetv2_200. What pre-activation changes does not depend on the depth: the
    projections' norms are gone, and the last norm is the stage's."""
    theirs = others("timm", "resnet200", 224)
    shorter = others("timm", "resnet152", 224).params - others("timm", "resnetv2_152", 224).params
    assert ours("preact_resnet200") == Complexity(theirs.params - shorter, theirs.multiply_adds)


def without_norms(net: nn.Module) -> int:
    norms = nn.ModuleList(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    return sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in norms.parameters())


FIXUP = {
    "fixup_resnet56": (27, 5), "fixup_resnet110": (54, 5),
    "fixup_resnet50": (16, 7), "fixup_resnet101": (33, 7),
}  # fmt: skip
"""Units, and scalars in each: in Zhang 2019's code a bias stands before each convolution and after
each, the last one after a multiplier."""


@pytest.mark.parametrize("name", FIXUP)
def test_fixup_nets_have_scalars_in_place_of_norms(name: str) -> None:
    """One bias more after the stem and one before the linear layer."""
    (units, scalars), base = FIXUP[name], name.removeprefix("fixup_")
    with torch.device("meta"):
        weights = without_norms(build(base))
    expected = Complexity(weights + units * scalars + 2, ours(base).multiply_adds)
    assert ours(name) == expected


SKIPINIT = ["skipinit_wrn_16_4", "skipinit_wrn_100_4", "skipinit_wrn_1000_4"]


@pytest.mark.parametrize("name", SKIPINIT)
def test_skipinit_nets_have_biases_in_place_of_norms_and_one_scalar_a_unit(name: str) -> None:
    n = (int(name.split("_")[2]) - 4) // 6
    channels = 16 + 64 * (2 * n - 1) + 64 + 128 * (2 * n - 1) + 128 + 256 * 2 * n  # of all norms
    batch = wide(n, 4)
    expected = Complexity(batch.params - channels + 3 * n, batch.multiply_adds)
    assert ours(name) == expected


GATED = ["rezero_resnet56", "rezero_resnet110", "gated_resnet56", "gated_resnet110"]


@pytest.mark.parametrize("name", GATED)
def test_rezero_and_gated_nets_have_one_scalar_a_unit(name: str) -> None:
    n = (int(name.partition("resnet")[2]) - 2) // 6
    batch = basic_cifar(n, 16)
    assert ours(name) == Complexity(batch.params + 3 * n, batch.multiply_adds)


GROUP_NORM = ["resnet101_gn"]


@pytest.mark.parametrize("name", GROUP_NORM)
def test_nets_with_group_norms_count_as_torchvisions_with_batch_norms(name: str) -> None:
    """A GroupNorm has a BatchNorm's two parameters per channel."""
    assert ours(name) == others("torchvision", name.removesuffix("_gn"), 224)


SE_CIFAR = {
    "se_preact_resnet110": {16: 18, 32: 18, 64: 18},
    "se_preact_resnet164": {64: 18, 128: 18, 256: 18},
    "se_wrn_16_8": {128: 2, 256: 2, 512: 2},
}
"""How many units put out so many channels."""


@pytest.mark.parametrize("name", SE_CIFAR)
def test_squeeze_excitation_adds_two_layers_a_unit(name: str) -> None:
    """Hu 2018, Sec. 3.2: C → C/16 → C, with biases."""
    widths, base = SE_CIFAR[name], name.removeprefix("se_")
    weights = sum(2 * c * (c // 16) * units for c, units in widths.items())
    biases = sum((c + c // 16) * units for c, units in widths.items())
    was = ours(base)
    assert ours(name) == Complexity(was.params + weights + biases, was.multiply_adds + weights)


PRUNED = {
    "resnet56_pruned_a": (9.4, 10.4), "resnet56_pruned_b": (13.7, 27.6),
    "resnet110_pruned_a": (2.3, 15.9), "resnet110_pruned_b": (32.4, 38.6),
}  # fmt: skip
"""Li 2017, Table 1: parameters and multiply-adds that are pruned, in per cent."""


@pytest.mark.parametrize("name", PRUNED)
def test_as_much_is_pruned_as_is_published(name: str) -> None:
    """To a tenth of a point, which rounded counts leave open: the paper's 9.4 is of 0.77 and 0.85
    million parameters."""
    whole, pruned = ours(name.partition("_")[0]), ours(name)
    params = 100 * (1 - pruned.params / whole.params)
    multiply_adds = 100 * (1 - pruned.multiply_adds / whole.multiply_adds)
    assert (params, multiply_adds) == pytest.approx(PRUNED[name], abs=0.1)


def test_every_named_net_is_held_against_a_source_here() -> None:
    """By a test above that is parametrised with its name, so that a new net needs a source too."""
    compared = [
        *BASIC_CIFAR, *AT_NO_COST, *BOTTLENECK_CIFAR, *RESNEXT_CIFAR, *WIDE, *DENSE_CIFAR,
        *DENSE_IMAGENET, *TORCHVISION, *TIMM, *TIMM_BY_ANOTHER_NAME, *CARDINAL, *WIDE_IMAGENET,
        *PLAIN_IMAGENET, *ON_CIFAR, *PREACTIVATED_ON_CIFAR, "preact_resnet200", *FIXUP, *SKIPINIT,
        *GATED, *GROUP_NORM, *SE_CIFAR, *PRUNED,
    ]  # fmt: skip
    assert set(compared) == set(ZOO)


@pytest.mark.parametrize("name", NAMES)
def test_torch_counts_what_is_summed_over_words(name: str) -> None:
    assert count(ZOO[name].description, ZOO[name].image_size) == ours(name)


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


CUT_OFF = {
    "resnext29_16x64d", "resnet56_pruned_b", "resnet110_pruned_a", "resnet110_pruned_b",
}  # fmt: skip
"""Nets of which a paper prints the digits as they are, and does not round: 68.1 of 68.155."""
OTHERWISE = {
    "preact_resnet1001": 10.3, "resnet1001": 10.3,  # He 2016 prints 10.2
    "preact_resnet200": 64.7,  # Zagoruyko 2016, Table 8, beside his own
    "seresnet50": 28.1,  # Hu 2018, Table 10
}  # fmt: skip
"""Of these it is printed elsewhere than in the papers' tables of their own nets."""


@pytest.mark.parametrize("name", ZOO)
def test_parameters_round_to_what_papers_print(name: str) -> None:
    found = counts(name)
    millions = OTHERWISE.get(name, found and found["params_m"])
    if millions is not None:
        digits = len(str(millions).partition(".")[2])
        exact = ours(name).params / 1e6 - (0.5 * 10**-digits if name in CUT_OFF else 0)
        assert round(exact, digits) == millions


def test_a_plain_net_has_the_parameters_of_its_residual_twin() -> None:
    """He 2015, Sec. 4.2: with option A "our residual models have exactly the same depth, width,
    and number of parameters as the plain counterparts"."""
    for depth in (20, 32, 44, 56, 110):
        assert ours(f"plain{depth}") == ours(f"resnet{depth}")


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


@pytest.mark.parametrize(
    ("depth", "params"),
    [(20, 272_474), (32, 466_906), (44, 661_338), (56, 855_770), (110, 1_730_714)],
)
def test_option_b_adds_2752_parameters(depth: int, params: int) -> None:
    """As chenyaofo/pytorch-cifar-models and osmr/imgclsmob count (0.47 M for ResNet-32)."""
    assert count(changed(f"resnet{depth}", shortcut="B"), 32).params == params
    assert params - ours(f"resnet{depth}").params == 2752


def test_resnet20s_often_quoted_40_8_million_is_option_b() -> None:
    assert count(changed("resnet20", shortcut="B"), 32).multiply_adds == 40_813_184
    assert ours("resnet20").multiply_adds == 40_551_040


def test_counting_leaves_the_net_as_it_was() -> None:
    net = build("resnet8_w8").double()
    complexity(net, (1, 8, 8))
    assert net.training and net.conv1.weight.device.type == "cpu"


@pytest.mark.parametrize(
    ("name", "size", "fields", "reason"),
    [
        ("densenet121", 8, {}, "the net cannot take images of shape (3, 8, 8): Given"),
        ("torchvision:alexnet", 32, {}, "the net cannot take images of shape (3, 32, 32): Giv"),
        (
            "timm:vit_tiny_patch16_224",
            32,
            {},
            "the net cannot take images of shape (3, 32, 32): Inp",
        ),
        ("torchvision:resnet51", 32, {}, "torchvision has no net 'resnet51'; did you mean resnet"),
        (
            "resnet20",
            32,
            {"widths": (16, 32, 10**10)},
            "the net cannot be built for images of 32 × 32 pixels: ",
        ),
        (
            "resnet20",
            32,
            {"widths": (16, 32, 10**20)},
            "the net cannot be built for images of 32 × 32 pixels: ",
        ),
    ],
)
def test_a_net_that_is_impossible_is_answered_with_the_reason(
    name: str, size: int, fields: dict[str, object], reason: str
) -> None:
    description = describe(name).model_copy(update=fields)
    for ask in (count, layers):
        told = answer(ask, description, size)
        assert isinstance(told, str)
        assert told.startswith(reason)
        assert "\n" not in told


def test_a_net_that_is_possible_is_answered_with_its_costs() -> None:
    assert answer(count, describe("resnet20"), 32) == {
        "params": 269_722,
        "multiply_adds": 40_551_040,
    }
