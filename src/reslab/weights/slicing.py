"""Filters pruned by their L1 norm: tensors of a net as those of one with narrower units.

Of each unit's first convolution the filters of the largest norm stay, in their order; the norm
behind it and the next convolution's inputs go along (Li et al. 2017, arXiv 1608.08710, Sec. 3.1).
What is cut are the axes along which a unit's tensors are longer than the narrower net's, wherever
its order puts the norm.
"""

import re
from collections.abc import Mapping

from torch import Tensor

FIRST = re.compile(r"(layer\d+\.\d+\.)conv1\.weight")
"""A unit's first convolution, behind the unit's name."""


def sliced(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors with the units of a net whose state dict is `expected`, and for each unit that
    was narrowed how many filters stay. What is no longer than it should be stays as it is."""
    narrowed, told = dict(found), list[str]()
    for name, ours in expected.items():
        unit, theirs = FIRST.fullmatch(name), found.get(name)
        if unit is None or theirs is None or theirs.dim() != 4 or len(theirs) <= len(ours):
            continue
        kept = largest_filters(theirs, len(ours))
        for key in (key for key in found if key.startswith(unit[1]) and key in expected):
            narrowed[key] = _cut(found[key], expected[key], len(theirs), kept)
        told.append(f"{name.removesuffix('.weight')}: {len(ours)} of {len(theirs)}")
    return narrowed, tuple(told)


def largest_filters(weight: Tensor, count: int) -> Tensor:
    """Which filters of a convolution's weight (outputs, inputs, height, width) have the largest L1
    norm, of equal ones the first; int64 (count,), ascending."""
    norms = weight.detach().double().abs().flatten(1).sum(1)
    return norms.sort(descending=True, stable=True).indices[:count].sort().values


def _cut(theirs: Tensor, ours: Tensor, filters: int, kept: Tensor) -> Tensor:
    """A tensor without what belongs to other filters, along the axes where it has too many."""
    if theirs.dim() != ours.dim():
        return theirs
    for axis, sides in enumerate(zip(theirs.shape, ours.shape, strict=True)):
        if sides == (filters, len(kept)):
            theirs = theirs.index_select(axis, kept)
    return theirs
