"""Residual units as words: the tables of orders and of shortcuts.

A unit computes y = after(shortcut(u, F(u))) with u = enter(x). Its layers, read along the branch,
are a word over c (convolution), n (norm) and a (activation):

    before c (n a c)* end + after          e.g. original: c n a c n + a

The five orders of He et al. 2016 (arXiv 1603.05027), Fig. 4, differ only in the three strings.
Further letters: d (dropout) before the last c; m (max-pooling), e (squeeze-excitation), s (scale),
p (stochastic depth) after `end`, in this order; b (one scalar bias), which Fixup writes for n and
before c.
"""

from typing import NamedTuple


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

PROJECTIONS = ("project", "pool_project")
"""Functions of models/shortcuts.py that make a projecting shortcut."""
