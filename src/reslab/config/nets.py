"""Nets as values: residual nets, dense nets, other libraries' nets by name, and one's own.

A description says everything about a net's shape and initialisation; `models.build` turns it into a
module. What cannot work is refused here, with its reason. He et al. 2015 (arXiv 1512.03385) and
2016 (arXiv 1603.05027); the other papers stand beside the fields that come from them.
"""

import math
from collections.abc import Iterator
from itertools import chain
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    PositiveInt,
    TypeAdapter,
    model_validator,
)

from reslab.config.convolutions import BRANCHES, EXPANSION
from reslab.config.description import (
    Description,
    FiniteFloat,
    Fraction,
    NonNegativeInt,
    Not,
    PositiveFraction,
    Sha256,
)
from reslab.config.libraries import Library, refusal, tag_of
from reslab.config.trees import spelled
from reslab.config.words import ORDERS, PROJECTIONS, SHORTCUTS

# Not strict: `Net`'s validator hands over lists where JSON had arrays.
Stages = Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)]
Sizes = Annotated[tuple[PositiveInt, ...], Field(strict=False)]
SizesByStage = Annotated[tuple[Sizes, ...], Field(strict=False)]

if TYPE_CHECKING:
    Order = str
    Shortcut = str
else:  # a table's rows are its words
    Order = Literal[*ORDERS]
    Shortcut = Literal[*SHORTCUTS]
PADDING = tuple(word for word, made in SHORTCUTS.items() if made.pads)
PROJECTING = tuple(word for word, made in SHORTCUTS.items() if made.changes in PROJECTIONS)
ACTIVATING_FIRST = tuple(word for word, made in ORDERS.items() if made.projects_before)
Norm = Literal["batch", "group", "layer", "none"]
Activation = Literal["relu", "silu", "gelu"]
Init = Literal["fan_out", "fan_in", "uniform"]
LinearInit = Literal["uniform", "zero_bias", "small"]


class Built(Description):
    """What residual and dense nets share: norms and activations, and how weights begin."""

    norm: Norm = "batch"
    """layer: over channels and positions. none: only the norm's bias, one per channel, is left."""
    activation: Activation = "relu"
    init: Init = "fan_out"
    """Convolutions: He initialisation, normal (He et al. 2015, arXiv 1502.01852); uniform is
    torch's own, within ± 1/√(fan in)."""
    linear_init: LinearInit = "uniform"
    """The last layer: uniform within ± 1/√n, as torch and Torch begin; zero_bias: its weights so
    (fb.resnet.torch and what came of it); small: normal of standard deviation 0.001, the bias 0
    (Li 2018)."""
    gamma_init: Literal["ones", "uniform"] = "ones"
    """The norms' scales γ; uniform in (0, 1) is how Torch's BatchNorm begins where nobody sets it
    (Zagoruyko 2016, Huang 2016)."""
    in_channels: PositiveInt = 3
    classes: PositiveInt = 10

    READ_BESIDE = {"gamma_init": {"norm": Not("none")}}


class ResNet(Built):
    """A residual net: stem, stages of units, head. One entry per stage in each tuple of stages.

    A plain net is `shortcut: none`. `widths` are the branches' inner widths; a bottleneck puts out
    four times as many channels.
    """

    family: Literal["resnet"] = "resnet"
    units: Stages
    widths: Stages
    strides: Stages
    branch: Literal["basic", "bottleneck", "separable", "single"] = "basic"
    shortcut: Shortcut = "A"
    zeros: Literal["both", "after"] = "both"
    """Where option A puts its zero channels: on both sides or after the copied ones."""
    order: Order = "original"
    stem: Literal["3x3", "7x7_pool", "deep", "xception"] = "3x3"
    """deep: three 3×3 and a pooling (He 2019, arXiv 1812.01187, ResNet-C)."""
    stem_width: PositiveInt = 16
    stride_on: Literal["middle", "first"] = "middle"
    """Which convolution of a bottleneck strides: the 3×3 (torchvision) or the first 1×1 (paper)."""

    kernels: Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)] = (3, 3)
    """A basic branch's convolutions; the first strides (Zagoruyko 2016, arXiv 1605.07146)."""
    groups: PositiveInt = 1
    """A bottleneck's cardinality C (Xie 2017, arXiv 1611.05431)."""
    base_width: PositiveInt = 64
    """A bottleneck's inner width per group where the stage is 64 wide: Xie's d; 128 is WRN-50-2."""
    inner: SizesByStage = ()
    """Per stage, what a separable branch's convolutions before the last put out; by default one,
    of the stage's width."""
    inner_widths: SizesByStage = ()
    """Per stage, and in it per unit, what the unit's first convolution puts out: of a net whose
    filters were pruned (Li 2017, arXiv 1608.08710). By default as many as its branch says."""
    exit: Sizes = ()
    """Widths of separable convolutions after the last stage, each followed by n a."""
    downsample: Literal["stride", "max_pool"] = "stride"
    """How a branch shrinks its images: a strided convolution, or a pooling at its end."""
    projection_reads: Literal["order", "x"] = "order"
    """In a pre-activated unit a projecting shortcut reads what the order says, the activated input
    (He 2016), or the unit's own input."""
    padding_reads: Literal["x", "order"] = "x"
    """The same of option A, of which He 2016 says nothing: fb.resnet.torch reads the activated."""
    stem_init: Literal["same", "uniform"] = "same"
    """A Fixup net's stem: initialised as the others, or left as torch draws it (Zhang 2019's code).
    """

    dropout: Fraction = 0.0
    """Before a branch's last convolution (Zagoruyko 2016)."""
    se: NonNegativeInt = 0
    """Squeeze-and-excitation's reduction r (Hu 2018, arXiv 1709.01507); 0 is none."""
    se_bias: bool = True
    """Whether its two layers have biases (Hu 2018, Table 10: none)."""
    scaling: Literal["none", "skipinit", "rezero", "fixup"] = "none"
    """A learned scalar at the branch's end: alone (ReZero: Bachlechner 2020, arXiv 2003.04887), in
    place of all norms (SkipInit: De 2020, arXiv 2002.10444), or as Fixup's multiplier, with scalar
    biases before every convolution (Zhang 2019, arXiv 1901.09321)."""
    scale_init: FiniteFloat = 0.0
    """SkipInit's and ReZero's scalar at first."""
    zero_gamma: bool = False
    """The scale of each branch's last norm is 0 at first (Goyal 2017, arXiv 1706.02677)."""
    survival: PositiveFraction = 1.0
    """Stochastic depth's p_L: the last unit is kept with this probability, the units before it with
    linearly more (Huang 2016, arXiv 1603.09382, Eqn. 4)."""

    scale: Annotated[tuple[FiniteFloat, FiniteFloat], Field(strict=False)] = (1.0, 1.0)
    """`shortcut: scaled`: constant factors of x and of F(x) (He 2016, Sec. 3.1)."""
    gate: Literal["exclusive", "shortcut_only"] = "exclusive"
    """`shortcut: gated`: whether F(x) is gated too (He 2016, Sec. 3.1)."""
    gate_bias: FiniteFloat = 0.0
    gate_init: Literal["uniform", "same"] = "uniform"
    """Its convolution: as torch draws it, or as the others."""
    shortcut_dropout: Fraction = 0.5

    READ_BESIDE = {
        **Built.READ_BESIDE,
        "linear_init": {"scaling": Not("fixup")},
        "stem_init": {"scaling": ("fixup",), "init": Not("uniform")},
        "stride_on": {"branch": ("bottleneck",)},
        "groups": {"branch": ("bottleneck",)},
        "base_width": {"branch": ("bottleneck",)},
        "kernels": {"branch": ("basic",)},
        "inner": {"branch": ("separable",)},
        "inner_widths": {"branch": ("basic", "bottleneck")},
        "zeros": {"shortcut": PADDING},
        "projection_reads": (
            {"shortcut": PROJECTING, "order": ACTIVATING_FIRST},
            {"shortcut": PROJECTING, "scaling": ("fixup",)},
        ),
        "padding_reads": {"shortcut": PADDING, "order": ACTIVATING_FIRST, "scaling": Not("fixup")},
        "scale": {"shortcut": ("scaled",)},
        "gate": {"shortcut": ("gated",)},
        "gate_bias": {"shortcut": ("gated",)},
        "gate_init": {"shortcut": ("gated",), "init": Not("uniform")},
        "shortcut_dropout": {"shortcut": ("dropout",)},
        "se_bias": {"se": Not(0)},
        "scale_init": {"scaling": ("skipinit", "rezero")},
    }

    @property
    def layers(self) -> int:
        """Weighted layers on the longest path, the number in the net's name."""
        stem = {"3x3": 1, "7x7_pool": 1, "deep": 3, "xception": 2}[self.stem]
        convolutions = (n * self.convolutions(stage) for stage, n in enumerate(self.units))
        return stem + sum(convolutions) + len(self.exit) + 1

    @property
    def outputs(self) -> tuple[int, ...]:
        """Channels that the stem puts out, and then each stage."""
        return self.stem_width, *(width * EXPANSION[self.branch] for width in self.widths)

    @property
    def features(self) -> int:
        """Channels that the linear layer reads."""
        return (*self.outputs, *self.exit)[-1]

    def convolutions(self, stage: int) -> int:
        """How many convolutions a branch in a stage has."""
        return len(BRANCHES[self.branch](self, (stage, 0), 1, 1))

    def inner_width(self, stage: int, place: int) -> int:
        """What a unit's first convolution puts out, stage and place counted from 0."""
        return self.inner_widths[stage][place] if self.inner_widths else self.whole_width(stage)

    def whole_width(self, stage: int) -> int:
        """The same of a stage's units from which nothing is pruned."""
        width = self.widths[stage]
        is_bottleneck = self.branch == "bottleneck"
        return width * self.base_width // 64 * self.groups if is_bottleneck else width

    @property
    def _starts_at_zero(self) -> bool:
        """Every F(x) is 0 at initialisation."""
        scalar = self.scaling in ("skipinit", "rezero") and self.scale_init == 0
        return self.zero_gamma or scalar or self.scaling == "fixup"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not len(self.units) == len(self.widths) == len(self.strides):
            raise ValueError(
                "units: units, widths and strides need one entry per stage each; they have "
                f"{len(self.units)}, {len(self.widths)} and {len(self.strides)}"
            )
        if self.inner and len(self.inner) != len(self.units):
            raise ValueError(
                f"inner: needs one entry per stage: {len(self.units)}, got {len(self.inner)}"
            )
        for reason in chain(self._impossible_inner_widths(), self._impossible()):
            raise ValueError(reason)
        return self

    def _impossible_inner_widths(self) -> Iterator[str]:
        """Why the units cannot have these; those of a net that is whole are left out."""
        if not self.inner_widths:
            return
        if tuple(map(len, self.inner_widths)) != self.units:
            found = list(map(len, self.inner_widths))
            yield (
                "inner_widths: needs a list for each stage with a number for each of its units: "
                f"{list(self.units)} numbers, got {found}"
            )
        elif all(set(w) == {self.whole_width(s)} for s, w in enumerate(self.inner_widths)):
            yield "inner_widths: are those of the whole net; leave them out"
        if any(self.convolutions(stage) < 2 for stage in range(len(self.units))):
            yield "inner_widths: a branch of one convolution has nothing inside"
        if self.groups > 1:
            yield f"inner_widths: are not those of convolutions in groups; groups is {self.groups}"

    def _impossible(self) -> Iterator[str]:
        """Why these fields do not go together."""
        outputs = list(self.outputs)
        if SHORTCUTS[self.shortcut].pads and outputs != sorted(outputs):
            yield (
                f"shortcut: {self.shortcut} pads with zero channels and cannot shrink the width; "
                f"the stages put out {outputs} channels (the stem first); use B or C"
            )
        if self.stem in ("deep", "xception") and self.stem_width < 2:
            yield f"stem_width: {self.stem_width}; stem {self.stem} begins with half of it"
        if any(kernel % 2 == 0 for kernel in self.kernels):
            yield f"kernels: {list(self.kernels)}; only odd sizes keep the size of the images"
        if self.shortcut == "none" and self.survival < 1:
            yield (
                f"survival: {self.survival}; a dropped unit without a shortcut lets nothing through"
            )
        if self.shortcut == "none" and self._starts_at_zero:
            yield (
                "shortcut: none with branches that begin as zero is a dead net: its logits and "
                "gradients are constant; leave out zero_gamma and scaling, or take a shortcut"
            )
        if self.zero_gamma and (not ORDERS[self.order].end.endswith("n") or self.norm == "none"):
            yield (
                "zero_gamma: needs a norm at the branch's end; order "
                f"{self.order} with norm {self.norm} has none there"
            )
        if self.scaling in ("skipinit", "fixup") and self.norm != "none":
            yield f"scaling: {self.scaling} stands in place of norms; add norm: none"
        if self.scaling == "fixup" and ORDERS[self.order].end.endswith("a"):
            yield "scaling: fixup begins with F(x) = 0, where a ReLU before the addition is dead"
        if self.dropout and any(self.convolutions(s) < 2 for s in range(len(self.units))):
            yield (
                f"dropout: {self.dropout} stands between convolutions, but a branch has only one"
            )
        if self.branch == "bottleneck":
            yield from (
                f"base_width: {self.base_width} of 64 times width {width} is no whole number of "
                "channels per group"
                for width in self.widths
                if width * self.base_width % 64
            )


class DenseNet(Built):
    """A dense net (Huang 2017, arXiv 1608.06993): every layer reads what all before it put out.

    `units` are layers per dense block; a bottleneck layer counts once (a 1×1 and a 3×3).
    """

    family: Literal["densenet"]
    units: Stages
    growth: PositiveInt
    bottleneck: bool = False
    """A 1×1 convolution to 4k channels before each 3×3: the B of BC."""
    compression: PositiveFraction = 1.0
    """Transitions keep this part of the channels: the C of BC is 0.5."""
    stem: Literal["3x3", "7x7_pool"] = "3x3"
    stem_width: PositiveInt = 16
    dropout: Fraction = 0.0
    """After each convolution but the first; 0.2 in the paper where data are not augmented."""

    @property
    def layers(self) -> int:
        """Weighted layers: the stem's, the blocks', one per transition, the linear one."""
        return 1 + sum(self.units) * (1 + self.bottleneck) + len(self.units)

    @property
    def features(self) -> int:
        """Channels that the linear layer reads."""
        channels = self.stem_width + self.units[0] * self.growth
        for units in self.units[1:]:
            channels = int(channels * self.compression) + units * self.growth
        return channels

    @model_validator(mode="after")
    def _keeps_channels(self) -> Self:
        if int(self.stem_width * self.compression) < 1:
            raise ValueError(f"compression: {self.compression} leaves a transition no channels")
        return self


class Opaque(Description):
    """A net of which nothing is known but what it reads and puts out until it is built."""

    in_channels: PositiveInt = 3
    classes: PositiveInt = 1000

    layers: ClassVar[int] = 50
    """A middling number, for estimates of time."""


class Foreign(Opaque):
    """A net of another library, by its name there; untrained.

    Whether the name exists is found out when it is built: looking it up would import torch.
    """

    family: Literal["foreign"]
    library: Library
    architecture: str = Field(min_length=1)

    @model_validator(mode="after")
    def _untrained(self) -> Self:
        if tag_of(self.architecture):
            raise ValueError(f"architecture: {refusal(self.library, self.architecture)}")
        return self

    @model_validator(mode="after")
    def _colour(self) -> Self:
        if self.library == "torchvision" and self.in_channels != 3:
            raise ValueError(
                f"in_channels: torchvision's nets read 3 channels, not {self.in_channels}; "
                f"timm's read any: timm:{self.architecture}"
            )
        return self


GIVEN = {"classes": ("num_classes", "classes"), "in_channels": ("in_channels", "in_chans")}
"""What a net of one's own is given besides its arguments, if it has a parameter of such a name."""


def _plain(path: str, value: Any) -> Any:
    """A value of YAML without a mapping in it; lists become tuples."""
    if isinstance(value, list | tuple):
        return tuple(_plain(f"{path}.{place}", part) for place, part in enumerate(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(
        f"{path}: got {spelled(value)}; expected a number, a word, true, false, null, or a list of "
        "these"
    )


def _pairs(value: Any) -> tuple[tuple[str, Any], ...]:
    """The names and values of a mapping, sorted."""
    if not isinstance(value, dict):
        raise ValueError(f"got {spelled(value)}; expected a mapping, {{width: 16}}")
    for name in value:
        if not name.isidentifier() or iskeyword(name):
            raise ValueError(f"got {spelled(name)}, which no parameter can be called")
        for field, names in GIVEN.items():
            if name in names:
                raise ValueError(f"{name}: is given by the run, as model.{field}; leave it out")
    return tuple((name, _plain(name, part)) for name, part in sorted(value.items()))


Arguments = Annotated[
    tuple[tuple[str, Any], ...],
    PlainValidator(_pairs),
    PlainSerializer(dict, return_type=dict[str, Any]),
]


class PythonNet(Opaque):
    """A net of one's own: a class, or a function that makes a net, in a Python file.

    In YAML `python: my_nets.py:Net`. The file is code and is run where the net is built; what it
    imports is no part of the description.
    """

    family: Literal["python"]
    file: str
    """A path. No part of a run's id."""
    sha256: Sha256
    """Of the file."""
    entrypoint: str
    """What in it is called: with the arguments, and with those of `GIVEN` that it has."""
    arguments: Arguments = ()

    def __eq__(self, other: object) -> bool:
        """As the run's id tells nets apart: 1, 1.0 and true are three arguments."""
        return isinstance(other, PythonNet) and self.model_dump_json() == other.model_dump_json()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def name(self) -> str:
        """my_nets.py:Net, for messages."""
        return f"{Path(self.file).name}:{self.entrypoint}"


def _with_family(value: Any) -> Any:
    """A residual net's family need not be said."""
    return {"family": "resnet", **value} if isinstance(value, dict) else value


FAMILIES: dict[str, type[Description]] = {
    "resnet": ResNet,
    "densenet": DenseNet,
    "foreign": Foreign,
    "python": PythonNet,
}

Described = ResNet | DenseNet | Foreign | PythonNet
"""Any net that can be built."""

Net = Annotated[Described, Field(discriminator="family"), BeforeValidator(_with_family)]
"""The same as a field of a description: the family decides which it is."""

NET: TypeAdapter[Described] = TypeAdapter(Net)
"""The same by itself."""
