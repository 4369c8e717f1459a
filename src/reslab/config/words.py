"""Residual units as words: the order of layers in a unit is a string; tables of shortcuts, stems.

A unit computes y = after(shortcut(u, F(u))) with u = enter(x). Its layers, read along the branch,
are a word over c (convolution), n (norm) and a (activation):

    before c (n a c)* end + after          e.g. original: c n a c n + a

The five orders of He et al. 2016 (arXiv 1603.05027), Fig. 4, differ only in the three strings.
Further letters: d (dropout) before the last c; m (max-pooling), e (squeeze-excitation), s (scale),
p (stochastic depth) after `end`, in this order; b (one scalar bias), which Fixup writes for n and
before c.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reslab.config.nets import ResNet


class Order(NamedTuple):
    """What stands before the first convolution, after the last, and after the addition; and whether
    a projecting shortcut reads before(x) instead of x."""

    before: str
    end: str
    after: str
    projects_before: bool

    @property
    def closing(self) -> str:
        """What closes a net: what would open one more unit, ending with an activation."""
        return self.before if self.before in ("", "a", "n a") else f"{self.before} a"


ORDERS: dict[str, Order] = {
    #                               before  end    after  a projection reads before(x)
    "original":               Order("",     "n",   "a",   False),
    "bn_after_addition":      Order("",     "",    "n a", False),
    "relu_before_addition":   Order("",     "n a", "",    False),
    "relu_only_preactivation": Order("a",   "n",   "",    True),
    "full_preactivation":     Order("n a",  "",    "",    True),
    # Pre-activation as in PyramidNet (arXiv 1610.02915), Fig. 6, which hysts measures on preact-56:
    "no_first_activation":    Order("n",    "",    "",    True),
    "last_norm":              Order("n a",  "n",   "",    True),
    "no_first_activation_last_norm": Order("n", "n", "",  True),
}  # fmt: skip


class Shortcut(NamedTuple):
    """Which functions of models/shortcuts.py make a shortcut, where F(x) has the shape of x and
    where it has not, and whether x then comes by option A, padded with zero channels."""

    stays: str
    changes: str
    pads: bool


SHORTCUTS: dict[str, Shortcut] = {
    #                        shape stays     shape changes   pads
    "none":         Shortcut("drop",         "drop",         False),
    "A":            Shortcut("add",          "add",          True),
    "B":            Shortcut("add",          "project",      False),
    "C":            Shortcut("project",      "project",      False),
    "D":            Shortcut("add",          "pool_project", False),
    "A_pooled":     Shortcut("add",          "pool_pad",     True),
    "scaled":       Shortcut("scaled",       "scaled",       True),
    "gated":        Shortcut("gated",        "gated",        True),
    "scalar_gated": Shortcut("scalar_gated", "scalar_gated", True),
    "dropout":      Shortcut("dropped",      "dropped",      True),
}  # fmt: skip


class Stem(NamedTuple):
    """A stem's convolutions, (kernel, stride, padding, part of the stem's width) each, and whether
    a 3×3 max-pooling of stride 2 follows."""

    convolutions: tuple[tuple[int, int, int, float], ...]
    pooled: bool


STEMS: dict[str, Stem] = {
    "3x3":      Stem(((3, 1, 1, 1),), False),
    "7x7_pool": Stem(((7, 2, 3, 1),), True),
    "deep":     Stem(((3, 2, 1, 0.5), (3, 1, 1, 0.5), (3, 1, 1, 1)), True),
    "xception": Stem(((3, 2, 0, 0.5), (3, 1, 0, 1)), False),
}  # fmt: skip


class Word(NamedTuple):
    """A unit's word in three parts: before(x), the branch with its end, what follows the `+`."""

    before: str
    branch: str
    after: str

    def __str__(self) -> str:
        return " ".join(filter(None, [self.before, self.branch, "+", self.after]))


def word(net: "ResNet", convolutions: int, pooled: bool = False) -> Word:
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
    return Word(*(rewritten(net, part) for part in parts))


def rewritten(net: "ResNet", word: str) -> str:
    """The word as `net` has it: Fixup puts scalar biases in place of norms (Zhang 2019, Sec. 3)."""
    return word.replace("n", "b") if net.scaling == "fixup" else word
