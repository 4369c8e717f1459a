"""Parameters and multiply-adds of nets: ours summed over their words, without torch.

A net is walked as it computes: its words (spelling.py) say which layers there are, convolutions.py
with what they convolve. Nets of other libraries, and of one's own, are counted by a process with
torch (`python -m reslab.models.count`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from reslab.config import spelling
from reslab.config.convolutions import STEMS, Convolution, Layer, dense_layer, stem
from reslab.config.nets import DenseNet, Described, Opaque, ResNet
from reslab.config.spelling import Change, maker
from reslab.config.trains import ALL, stages, stages_with_training_norms
from reslab.errors import UserError
from reslab.processes import NoAnswer, answers
from reslab.text import shortened

SizedNet = tuple[Described, int]
"""A description and the side of its square images in pixels."""

MOST_PARAMETERS = 10**12
"""Four terabytes of weights."""


class Impossible(UserError):
    """A net that cannot be built, or that cannot take its images."""

    def __init__(self, net: SizedNet, reason: str) -> None:
        super().__init__(reason)
        self.net = net


@dataclass(frozen=True)
class Complexity:
    """Parameters, and multiply-adds of convolutions and linear layers for one image."""

    params: int
    multiply_adds: int


class _TooSmall(Exception):
    """An image of no pixels; its text says what was to read how many."""


@dataclass
class _Walk:
    """Images on their way through a net, their channels and side, and the costs so far."""

    net: ResNet | DenseNet
    channels: int
    size: int
    params: int = 0
    multiply_adds: int = 0
    stage: str = "stem"
    norm_sides: set[tuple[str, int]] = field(default_factory=set)
    """The stages of its norms, and the sides of the images that they have read."""
    convolutions: list[Convolution] = field(default_factory=list)
    """Those that it has gone through, of shortcuts and squeeze-and-excitation, too."""

    def spell(self, word: str, layers: Iterable[Layer], stride: int = 1) -> None:
        """Go through a word; c's are `layers`, m's stride is `stride`."""
        remaining = iter(layers)
        for letter in word.split():
            match letter:
                case "c":
                    for convolution in next(remaining):
                        self.convolve(convolution)
                case "n":
                    self.norm_sides.add((self.stage, self.size))
                    self.params += SCALES_AND_BIASES[self.net.norm] * self.channels
                case "b" | "s":
                    self.params += 1
                case "m":
                    self.shrink(3, stride, 1)
                case "e":
                    self.squeeze_and_excite()

    def convolve(self, convolution: Convolution) -> None:
        """Weights, and one multiply-add of each for every pixel that is put out."""
        inputs, outputs, kernel, stride, groups, _ = convolution
        self.shrink(kernel, stride, convolution.pads)
        weights = kernel**2 * inputs * outputs // groups
        self.convolutions.append(convolution)
        self.channels = outputs
        self.params += weights
        self.multiply_adds += weights * self.size**2

    def shrink(self, kernel: int, stride: int, padding: int = 0) -> None:
        """The images' side behind a convolution or a pooling."""
        if self.size + 2 * padding < kernel:
            raise _TooSmall(
                f"a {kernel} × {kernel} window has to fit into {self.size} × {self.size} pixels"
            )
        self.size = (self.size + 2 * padding - kernel) // stride + 1

    def squeeze_and_excite(self) -> None:
        """Two 1×1 convolutions of one pixel (Hu 2018, Sec. 3.2)."""
        assert isinstance(self.net, ResNet)
        reduced = max(1, self.channels // self.net.se)
        weights = 2 * self.channels * reduced
        self.convolutions.append(Convolution(self.channels, reduced, 1))
        self.params += weights + self.net.se_bias * (self.channels + reduced)
        self.multiply_adds += weights

    def project(self, change: Change) -> None:
        """Options B, C and D: a 1×1 convolution, with a norm exactly where F(x) ends with one."""
        self._one_by_one(change)
        self.spell("n" if change.norm else "", ())

    def gate(self, change: Change) -> None:
        """A 1×1 convolution with biases."""
        self._one_by_one(change)
        self.params += change.outputs

    def scalar(self, change: Change) -> None:
        """One learned number."""
        self.spell("s", ())

    def _one_by_one(self, change: Change) -> None:
        weights = change.inputs * change.outputs
        self.convolutions.append(Convolution(change.inputs, change.outputs, 1))
        self.params += weights
        self.multiply_adds += weights * self.size**2


SCALES_AND_BIASES = {"batch": 2, "group": 2, "layer": 2, "none": 1}
"""Parameters of a norm for each channel."""

SHORTCUT_COSTS: dict[str, Callable[[_Walk, Change], None]] = {
    "project": _Walk.project,
    "pool_project": _Walk.project,
    "gated": _Walk.gate,
    "scalar_gated": _Walk.scalar,
}
"""Functions of models/shortcuts.py that make parameters; all others make none."""


def _begun(net: ResNet | DenseNet, size: int) -> _Walk:
    walk, layers = _Walk(net, net.in_channels, size), stem(net)
    walk.spell(" ".join([spelling.stem(net)] * len(layers)), layers)
    if STEMS[net.stem].pooled:
        walk.shrink(3, 2, 1)
    return walk


def _residual(net: ResNet, size: int) -> _Walk:
    walk = _begun(net, size)
    for stage, units in enumerate(net.units):
        walk.stage = stages(net)[stage + 1]
        for place in range(units):
            word, layers, change, has_before = spelling.unit(net, stage, place)
            walk.spell(word.before if has_before else "", ())
            walk.spell(word.branch, layers, change.stride)
            if costs := SHORTCUT_COSTS.get(maker(net, change)):
                costs(walk, change)
            walk.spell(word.after, ())
    walk.spell(*spelling.closing(net))
    return walk


def _dense(net: DenseNet, size: int) -> _Walk:
    walk = _begun(net, size)
    for block, units in enumerate(net.units):
        if block:
            outputs = int(walk.channels * net.compression)
            walk.spell(spelling.dense(net, 1), [(Convolution(walk.channels, outputs, 1),)])
            walk.shrink(2, 2)
        walk.stage = stages(net)[block + 1]
        for _ in range(units):
            inputs, layers = walk.channels, dense_layer(net, walk.channels)
            walk.spell(spelling.dense(net, len(layers)), layers)
            walk.channels = inputs + net.growth
    walk.spell("n", ())
    return walk


@cache
def _walked(net: ResNet | DenseNet, size: int) -> _Walk:
    """All of a net but its linear layer; `Impossible` for images that are too small for it."""
    try:
        return _residual(net, size) if isinstance(net, ResNet) else _dense(net, size)
    except _TooSmall as found:
        reason = f"the net cannot take images of {size} × {size} pixels: {found}"
        raise Impossible((net, size), reason) from None


def norm_sides(net: Described, size: int, trains: tuple[str, ...] = ALL) -> frozenset[int]:
    """Sides in pixels of what those of a net's norms read that are in training mode where these
    words train; none are known of a net that is not ours."""
    if isinstance(net, Opaque):
        return frozenset()
    training = stages_with_training_norms(net, trains)
    return frozenset(side for stage, side in _walked(net, size).norm_sides if stage in training)


def convolutions(net: Described, size: int) -> tuple[Convolution, ...]:
    """A net's convolutions; none are known of a net that is not ours, or of one for which images
    are too small."""
    try:
        return () if isinstance(net, Opaque) else tuple(_walked(net, size).convolutions)
    except Impossible:  # told where its costs are counted
        return ()


def cost(net: ResNet | DenseNet, size: int) -> Complexity:
    """Costs of one of our nets at square images of `size` pixels, the linear layer included.

    `Impossible` for images that are too small for it, and for more parameters than anybody has.
    """
    walk = _walked(net, size)
    params = walk.params + (net.features + 1) * net.classes
    if params > MOST_PARAMETERS:
        reason = f"the net has {params:.1e} parameters; expected at most {MOST_PARAMETERS:.0e}"
        raise Impossible((net, size), reason)
    return Complexity(params, walk.multiply_adds + net.features * net.classes)


def costs(nets: Sequence[SizedNet]) -> dict[SizedNet, Complexity]:
    """Costs of nets; one process counts all that are not ours (a few seconds)."""
    opaque = [net for net in dict.fromkeys(nets) if isinstance(net[0], Opaque)]
    counted = dict(zip(opaque, counted_by_torch(opaque) if opaque else [], strict=True))
    return {
        net: counted[net] if isinstance(net[0], Opaque) else cost(net[0], net[1]) for net in nets
    }


def counted_by_torch(nets: Sequence[SizedNet]) -> list[Complexity]:
    """Costs of nets in their order, counted with torch in a process of its own.

    `Impossible` for a net that another library does not have, whose file is not right, or that
    cannot take such images.
    """
    return [Complexity(**row) for row in _ask(nets)]


def layers_by_torch(net: SizedNet) -> list[list[Any]]:
    """A net's layers as `reslab.models.count.layers` lists them, from a process with torch."""
    rows: list[list[Any]] = _ask([net], "--layers")[0]
    return rows


def _ask(nets: Sequence[SizedNet], *options: str) -> list[Any]:
    asked = [
        {"description": description.model_dump(mode="json"), "image_size": size}
        for description, size in nets
    ]
    try:
        found = answers("reslab.models.count", asked, *options)
    except NoAnswer as error:
        told = f"reslab.models.count has not counted the nets: {shortened(str(error))}"
        raise UserError(told) from None
    for net, answer in zip(nets, found, strict=True):
        if isinstance(answer, str):
            raise Impossible(net, answer)
    return found
