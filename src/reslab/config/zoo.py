"""The zoo: names of nets and their descriptions.

CIFAR names are the papers' nets for 32×32 images; basic ones have option A, bottlenecks B with the
stride on the first 1×1. ImageNet names are torchvision's nets (option B, stride on the 3×3), `d`
names timm's. `resnet8` and `plain8` are described for MNIST; the suffix `_w8` stands for widths
8/16/32 and digits, `_k2` for twice the widths, `_cifar_w64` for an ImageNet net (widths from 64)
with a 3×3 stem, which much code calls ResNet-18 on CIFAR, `_pruned_a` and `_pruned_b` for nets with
fewer channels inside their units (Li 2017). Any name can be used with any data set: a
run takes its input channels and its class count from the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from reslab.config.libraries import LIBRARIES, elsewhere, library_names, refusal, tag_of
from reslab.config.nets import DenseNet, Described, Foreign, ResNet
from reslab.config.pruning import kept_widths
from reslab.config.python import python_net
from reslab.config.trees import IN_PYTHON
from reslab.errors import UserError, nearest
from reslab.text import LONG, quoted, shortened

Fields = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A named net, the image size at which its costs are counted, and where it comes from."""

    description: ResNet | DenseNet
    image_size: int
    source: str


FB_RESNET_TORCH: Fields = {"linear_init": "zero_bias"}
"""How the nets of fb.resnet.torch begin, and of the code that came of it; the rest is the default.
"""

WRN_LUA: Fields = {"init": "fan_in", "linear_init": "zero_bias", "gamma_init": "uniform"}
"""How those of Zagoruyko 2016 begin (models/utils.lua; nothing sets the norms' scales)."""

DEPTH_LUA: Fields = {"init": "fan_in", "gamma_init": "uniform"}
"""How those of Huang 2016 begin (main.lua and ResidualDrop.lua)."""


def cifar(depth: int, width: int = 16, **fields: Any) -> ResNet:
    """The 6n+2 net of He 2015, Sec. 4.2: three stages of n basic units, widths w, 2w, 4w."""
    units = _units(depth, 6, 2, "basic CIFAR net")
    return _three_stages(units, width, **{"stem_width": width, **fields})


def cifar_bottleneck(depth: int, **fields: Any) -> ResNet:
    """The 9n+2 net of He 2016, Sec. 4: bottlenecks of inner widths 16, 32, 64."""
    units = _units(depth, 9, 2, "CIFAR net of bottlenecks")
    return _three_stages(
        units, 16, **{"branch": "bottleneck", "shortcut": "B", "stride_on": "first", **fields}
    )


def resnext_cifar(depth: int, groups: int, base_width: int) -> ResNet:
    """ResNeXt-29 of Xie 2017, Sec. 5.3: three stages of bottlenecks that put out 256, 512, 1024."""
    units = _units(depth, 9, 2, "CIFAR ResNeXt")
    shape: Fields = {"branch": "bottleneck", "shortcut": "B", "stem_width": 64, **FB_RESNET_TORCH}
    return _three_stages(units, 64, groups=groups, base_width=base_width, **shape)


def wide(depth: int, factor: int, kernels: tuple[int, ...] = (3, 3), **fields: Any) -> ResNet:
    """WRN-d-k of Zagoruyko 2016, Table 1: pre-activated basic units, widths 16k, 32k, 64k.

    d = 6n+4 counts two convolutions a unit, also where the paper has three (its Table 2).
    """
    units = _units(depth, 6, 4, "wide net")
    shape: Fields = {"shortcut": "B", "order": "full_preactivation", "kernels": kernels}
    return _three_stages(units, 16 * factor, **shape, **fields)


def _units(depth: int, step: int, rest: int, kind: str) -> int:
    """n of a depth step·n + rest; `UserError` where it is not that."""
    if depth < step + rest or (depth - rest) % step:
        examples = ", ".join(str(step * n + rest) for n in (1, 2, 3))
        raise UserError(f"a {kind} has {step}n+{rest} layers ({examples}, …), not {depth}")
    return (depth - rest) // step


def _three_stages(units: int, width: int, **fields: Any) -> ResNet:
    return ResNet(
        units=(units,) * 3, widths=(width, 2 * width, 4 * width), strides=(1, 2, 2), **fields
    )


IMAGENET_UNITS: dict[int, tuple[Literal["basic", "bottleneck"], tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}
"""He 2015, Table 1; 200: He 2016, Sec. 4."""


def imagenet(depth: int, **fields: Any) -> ResNet:
    """The nets of He 2015, Table 1, as torchvision builds them."""
    if depth not in IMAGENET_UNITS:
        depths = ", ".join(map(str, IMAGENET_UNITS))
        raise UserError(f"an ImageNet ResNet has {depths} layers, not {depth}")
    branch, units = IMAGENET_UNITS[depth]
    usual: Fields = {
        "widths": (64, 128, 256, 512),
        "shortcut": "B",
        "stem": "7x7_pool",
        "stem_width": 64,
        "classes": 1000,
    }
    return ResNet(units=units, strides=(1, 2, 2, 2), branch=branch, **usual | fields)


def dense_cifar(depth: int, growth: int, compressed: bool = False) -> DenseNet:
    """DenseNet-L (k) of Huang 2017, Sec. 4: 16 initial channels; compressed is BC, with 2k."""
    units = _units(depth, 6 if compressed else 3, 4, "dense CIFAR net")
    return DenseNet(
        family="densenet",
        units=(units,) * 3,
        growth=growth,
        bottleneck=compressed,
        compression=0.5 if compressed else 1.0,
        stem_width=2 * growth if compressed else 16,
        **FB_RESNET_TORCH,
    )


DENSENET_UNITS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
"""Huang 2017, Table 1; 161 is torchvision's, of growth 48."""


def dense_imagenet(depth: int) -> DenseNet:
    """DenseNet-BC of Huang 2017, Table 1."""
    growth = 48 if depth == 161 else 32
    return DenseNet(
        family="densenet",
        units=DENSENET_UNITS[depth],
        growth=growth,
        bottleneck=True,
        compression=0.5,
        stem="7x7_pool",
        stem_width=2 * growth,
        classes=1000,
        **FB_RESNET_TORCH,
    )


XCEPTION = ResNet(
    units=(1, 1, 1, 8, 1),
    widths=(128, 256, 728, 728, 1024),
    strides=(2, 2, 2, 1, 2),
    branch="separable",
    inner=((128,), (256,), (728,), (728, 728), (728,)),
    exit=(1536, 2048),
    shortcut="B",
    order="relu_only_preactivation",
    projection_reads="x",
    downsample="max_pool",
    stem="xception",
    stem_width=64,
    classes=1000,
)
"""Chollet 2017 (arXiv 1610.02357), Fig. 5."""


def _zoo() -> dict[str, Entry]:
    parts = (
        _he_2015, _he_2016, _imagenet_nets_on_cifar, _resnext, _wide, _stochastic_depth, _se,
        _details, _no_norm, _pruned, _others,
    )  # fmt: skip
    named = (row for part in parts for row in part())
    return {name: Entry(net, size, source) for name, net, size, source in named}


Named = Iterator[tuple[str, ResNet | DenseNet, int, str]]


def _he_2015() -> Named:
    paper, ours = "He 2015, Sec. 4.2", "this repository"
    for kind, shortcut in (("resnet", "A"), ("plain", "none")):
        yield f"{kind}8", cifar(8, in_channels=1, shortcut=shortcut), 28, ours
        for depth in (20, 32, 44, 56, 110):
            yield f"{kind}{depth}", cifar(depth, shortcut=shortcut), 32, paper
        if kind == "resnet":
            yield "resnet1202", cifar(1202), 32, paper
        for depth in (8, 20, 32):
            small = cifar(depth, 8, in_channels=1, shortcut=shortcut)
            yield f"{kind}{depth}_w8", small, 8, ours
        for factor in (2, 4, 8):
            widened = cifar(56, 16 * factor, shortcut=shortcut)
            yield f"{kind}56_k{factor}", widened, 32, "Li 2018, Table 1"
    for depth in (18, 34, 50, 101, 152):
        yield f"resnet{depth}", imagenet(depth), 224, "He 2015, Table 1"
    for depth in (18, 34):
        yield f"plain{depth}", imagenet(depth, shortcut="none"), 224, "He 2015, Table 1"


PRUNED: dict[str, tuple[int, tuple[float, ...], tuple[int, ...]]] = {
    "resnet56_pruned_a": (56, (0.9, 0.9, 0.9), (16, 20, 38, 54)),
    "resnet56_pruned_b": (56, (0.4, 0.7, 0.9), (16, 18, 20, 34, 38, 54)),
    "resnet110_pruned_a": (110, (0.5, 1, 1), (36,)),
    "resnet110_pruned_b": (110, (0.5, 0.6, 0.7), (36, 38, 74)),
}
"""Depths, the parts of the filters that stay in each stage, and layers that stay whole: Li 2017
(arXiv 1608.08710), Sec. 4.2; how they are rounded is Liu 2019's code (res56prune.py)."""


def _pruned() -> Named:
    for name, (depth, parts, whole) in PRUNED.items():
        widths = kept_widths(cifar(depth), parts, whole)
        yield name, cifar(depth, inner_widths=widths), 32, "Li 2017, Sec. 4.2"


def _he_2016() -> Named:
    paper = "He 2016, Sec. 4"
    preactivated: Fields = {"order": "full_preactivation"}
    for depth in (164, 1001):
        yield f"resnet{depth}", cifar_bottleneck(depth), 32, paper
    for depth in (20, 32, 44, 56, 110):
        yield f"preact_resnet{depth}", cifar(depth, **preactivated), 32, paper
    for depth in (164, 1001):
        yield f"preact_resnet{depth}", cifar_bottleneck(depth, **preactivated), 32, paper
    single = cifar(110, branch="single").model_copy(update={"units": (36, 36, 36)})
    yield "resnet110_1layer", single, 32, "He 2016, Table 3"
    yield "resnet200", imagenet(200), 224, "He 2016, Table 5"
    for depth in IMAGENET_UNITS:
        yield f"preact_resnet{depth}", imagenet(depth, **preactivated), 224, paper


def _imagenet_nets_on_cifar() -> Named:
    small: Fields = {"stem": "3x3", "classes": 10}
    orders: tuple[tuple[str, Fields], ...] = (
        ("", {}),
        ("preact_", {"order": "full_preactivation"}),
    )
    for prefix, fields in orders:
        for depth in (18, 34, 50, 101, 152):
            net = imagenet(depth, **small, **fields)
            yield f"{prefix}resnet{depth}_cifar_w64", net, 32, "kuangliu/pytorch-cifar"


def _resnext() -> Named:
    paper = "Xie 2017, Sec. 5"
    for groups, base_width in ((2, 64), (4, 64), (8, 64), (16, 64), (32, 4)):
        net = resnext_cifar(29, groups, base_width)
        yield f"resnext29_{groups}x{base_width}d", net, 32, "Xie 2017, Sec. 5.3"
    pairs = ((2, 40), (4, 24), (8, 14), (32, 4))
    for depth, more in ((50, ()), (101, ((2, 64), (64, 4), (32, 8)))):
        for groups, base_width in (*pairs, *more):
            net = imagenet(depth, groups=groups, base_width=base_width)
            yield f"resnext{depth}_{groups}x{base_width}d", net, 224, paper
    yield "resnet101_1x100d", imagenet(101, base_width=100), 224, "Xie 2017, Table 4"


WIDE = (
    (16, 4), (16, 8), (16, 10), (22, 8), (22, 10), (28, 2), (28, 10), (28, 12), (40, 1), (40, 2),
    (40, 4), (40, 8), (40, 10), (52, 1), (100, 4), (1000, 4),
)  # fmt: skip


def _wide() -> Named:
    paper = "Zagoruyko 2016, Sec. 3"
    for depth, factor in WIDE:
        yield f"wrn_{depth}_{factor}", wide(depth, factor, **WRN_LUA), 32, paper
    for depth, kernels in ((40, "131"), (40, "31"), (40, "13"), (40, "311"), (22, "313")):
        net = wide(depth, 2, kernels=tuple(map(int, kernels)), **WRN_LUA)
        yield f"wrn_{depth}_2_b{kernels}", net, 32, "Zagoruyko 2016, Table 2"
    start = {"init": "fan_in", "linear_init": "zero_bias"}  # the code: pretrained/wide-resnet.lua
    for depth, widening in ((18, 1.5), (18, 2.0), (18, 3.0), (34, 1.5), (34, 2.0)):
        widths = tuple(int(w * widening) for w in (64, 128, 256, 512))
        net = imagenet(depth, widths=widths, **start)
        yield f"wrn_imagenet_{depth}_{widening}", net, 224, "Zagoruyko 2016, Table 7"
    for depth in (50, 101):
        net = imagenet(depth, base_width=128)
        yield f"wide_resnet{depth}_2", net, 224, "Zagoruyko 2016, Sec. 3.4"


def _stochastic_depth() -> Named:
    for depth in (110, 1202):
        net = cifar(depth, survival=0.5, shortcut="A_pooled", zeros="after", **DEPTH_LUA)
        yield f"stochdepth_resnet{depth}", net, 32, "Huang 2016, Sec. 4"


def _se() -> Named:
    paper = "Hu 2018, Sec. 5"
    for depth in (50, 101, 152):
        yield f"seresnet{depth}", imagenet(depth, se=16), 224, paper
    for depth in (50, 101):
        net = imagenet(depth, se=16, groups=32, base_width=4)
        yield f"seresnext{depth}_32x4d", net, 224, paper
    preactivated: Fields = {"order": "full_preactivation", "se": 16}
    yield "se_preact_resnet110", cifar(110, **preactivated), 32, paper
    yield "se_preact_resnet164", cifar_bottleneck(164, **preactivated), 32, paper
    yield "se_wrn_16_8", wide(16, 8, se=16, **WRN_LUA), 32, paper


def _details() -> Named:
    paper = "He 2019, Sec. 4"
    yield "resnet50c", imagenet(50, stem="deep"), 224, paper
    for depth in (50, 101):
        yield f"resnet{depth}d", imagenet(depth, stem="deep", shortcut="D"), 224, paper


def _no_norm() -> Named:
    fixup: Fields = {"norm": "none", "scaling": "fixup", "stem_init": "uniform"}
    for depth in (56, 110):
        net = cifar(depth, zeros="after", **fixup)
        yield f"fixup_resnet{depth}", net, 32, "Zhang 2019, Sec. 4"
    for depth in (50, 101):
        yield f"fixup_resnet{depth}", imagenet(depth, **fixup), 224, "Zhang 2019, Sec. 4"
        yield f"resnet{depth}_gn", imagenet(depth, norm="group"), 224, "Wu & He 2018, Sec. 4.1"
    for depth in (16, 100, 1000):
        net = wide(depth, 4, norm="none", scaling="skipinit")
        yield f"skipinit_wrn_{depth}_4", net, 32, "De 2020, Sec. 4"
    for depth in (56, 110):
        net = cifar(depth, scaling="rezero")
        yield f"rezero_resnet{depth}", net, 32, "Bachlechner 2020, Sec. 5"
        gated: Fields = {"shortcut": "scalar_gated", "zeros": "after", "init": "uniform"}
        net = cifar(depth, order="relu_before_addition", **gated)
        yield f"gated_resnet{depth}", net, 32, "Bachlechner 2020, Sec. 5"


def _others() -> Named:
    paper = "Huang 2017, Sec. 4"
    for depth, growth in ((40, 12), (100, 12), (100, 24)):
        yield f"densenet_{depth}_{growth}", dense_cifar(depth, growth), 32, paper
    for depth, growth in ((100, 12), (250, 24), (190, 40), (40, 36), (40, 48), (40, 60)):
        yield f"densenet_bc_{depth}_{growth}", dense_cifar(depth, growth, True), 32, paper
    for depth in DENSENET_UNITS:
        yield f"densenet{depth}", dense_imagenet(depth), 224, "Huang 2017, Table 1"
    yield "xception", XCEPTION, 299, "Chollet 2017, Fig. 5"


ZOO = _zoo()


def describe(name: str) -> Described:
    """The description of a named net; `UserError` with the nearest names for an unknown one.

    `timm:<name>` and `torchvision:<name>` are other libraries' nets for three channels and 1,000
    classes; whether they exist is found out when they are built. `python:<file>:<name>` is a net of
    one's own.
    """
    if name in ZOO:
        return ZOO[name].description
    if name.startswith(IN_PYTHON):
        return python_net(name.removeprefix(IN_PYTHON))
    library, colon, architecture = name.partition(":")
    if not colon:
        raise UserError(_unknown(name))
    if library not in LIBRARIES or not architecture:
        expected = "expected timm:<name> or torchvision:<name>, or python:<file>:<name>"
        raise UserError(f"no net is called {quoted(name)}; {expected}")
    if tag_of(architecture):
        raise UserError(refusal(library, shortened(architecture)))
    named = {"family": "foreign", "library": library, "architecture": architecture}
    return Foreign.model_validate(named)


def _unknown(name: str) -> str:
    net = name.partition(".")[0]
    if tag_of(name) and net in library_names("timm"):
        return refusal("timm", shortened(name))
    found = elsewhere(name) if len(name) <= LONG else []
    near = f"; did you mean {' or '.join(found)}?" if found else nearest(name, ZOO, "make models")
    return f"no net is called {quoted(name)}{near}"
