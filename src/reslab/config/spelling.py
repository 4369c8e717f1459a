"""The words of a net: of its stem, its units, what closes it, and of the layers of a dense net.

`models` spells these words with layers, costs.py sums over them. The letters and the tables are in
words.py, what stands for a letter c in convolutions.py. He et al. 2016 (arXiv 1603.05027), Fig. 4.
"""

from typing import NamedTuple

from reslab.config.convolutions import BRANCHES, Layer, exits
from reslab.config.nets import DenseNet, ResNet
from reslab.config.words import ORDERS, SHORTCUTS


class Word(NamedTuple):
    """A unit's word in three parts: before(x), the branch with its end, what follows the `+`."""

    before: str
    branch: str
    after: str

    def __str__(self) -> str:
        return " ".join(filter(None, [self.before, self.branch, "+", self.after]))


class Change(NamedTuple):
    """What a shortcut has to bridge: channels in and out, the branch's stride, whether F(x) ends
    with a norm."""

    inputs: int
    outputs: int
    stride: int
    norm: bool

    @property
    def stays(self) -> bool:
        """F(x) has the shape of x."""
        return self.stride == 1 and self.inputs == self.outputs


class SpelledUnit(NamedTuple):
    """A unit as a value: its word, what its letters c stand for, and what its shortcut bridges.

    The net's first unit has no `before`: the stem ends with a norm and an activation already, and
    both paths read them (He 2016, appendix). Its layers are counted as if it had.
    """

    word: Word
    layers: list[Layer]
    change: Change
    has_before: bool


def unit(net: ResNet, stage: int, place: int) -> SpelledUnit:
    """The unit at a place in a stage, both counted from 0; a stage's first one strides."""
    inputs, stride = net.outputs[stage + (place > 0)], 1 if place else net.strides[stage]
    pooled = net.downsample == "max_pool" and stride > 1
    layers = BRANCHES[net.branch](net, (stage, place), inputs, 1 if pooled else stride)
    spelled = word(net, len(layers), pooled)
    ends_with_norm = "n" in spelled.branch.rpartition("c")[2]
    change = Change(inputs, net.outputs[stage + 1], stride, ends_with_norm)
    return SpelledUnit(spelled, layers, change, bool(stage or place))


def word(net: ResNet, convolutions: int, pooled: bool = False) -> Word:
    """The word of a unit of `net`, letters separated by spaces, as Fig. 4 reads downwards."""
    order, is_fixup = ORDERS[net.order], net.scaling == "fixup"
    c = "b c" if is_fixup else "c"
    last = [*(["d"] if net.dropout else []), c, *(["s"] if is_fixup else [])]
    further = {
        "m": pooled,
        "e": net.se > 0,
        "s": net.scaling in ("skipinit", "rezero"),
        "p": net.survival < 1,
    }
    inner = " n a ".join([c] * (convolutions - 1) + [" ".join(last)])
    end = [order.end, *(letter for letter, is_on in further.items() if is_on)]
    parts = order.before, " ".join(filter(None, [inner, *end])), order.after
    return Word(*(_rewritten(net, part) for part in parts))


def maker(net: ResNet, change: Change) -> str:
    """The name of the function in models/shortcuts.py that makes the shortcut of a unit."""
    option = SHORTCUTS[net.shortcut]
    return option.stays if change.stays else option.changes


STEM_WORDS = {"3x3": "c", "7x7_pool": "c n a"}
"""A CIFAR dense net's first layer begins with a norm: its stem needs none."""


def stem(net: ResNet | DenseNet) -> str:
    """What is written once for each convolution of a stem."""
    return STEM_WORDS[net.stem] if isinstance(net, DenseNet) else _rewritten(net, "c n a")


def closing(net: ResNet) -> tuple[str, list[Layer]]:
    """What closes the net: what would stand before one more unit, or convolutions of their own
    (Xception's exit). Fixup adds a bias before the linear layer."""
    layers = exits(net)
    words = ["c n a"] * len(layers) or [ORDERS[net.order].closing]
    bias = ["b"] if net.scaling == "fixup" else []
    return _rewritten(net, " ".join([*words, *bias])), layers


def dense(net: DenseNet, convolutions: int) -> str:
    """The word of a dense layer or of a transition (Huang 2017, Sec. 3)."""
    return " ".join(["n a c d" if net.dropout else "n a c"] * convolutions)


def _rewritten(net: ResNet, word: str) -> str:
    """The word as `net` has it: Fixup puts scalar biases in place of norms (Zhang 2019, Sec. 3)."""
    return word.replace("n", "b") if net.scaling == "fixup" else word
