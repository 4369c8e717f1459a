"""A net that begins with weights of an origin: what fits is loaded, and what was not is told.

Class count and channels may differ: the head is then new, or zeros (Kolesnikov 2020, arXiv
1912.11370), and a stem for three channels becomes one for one by summing over them, which leaves
its answers to grey images as they were.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from reslab.config.nets import Described, Opaque
from reslab.config.run import RunConfig
from reslab.config.start import Start
from reslab.data.normalize import Normalization
from reslab.errors import UserError, listed, located
from reslab.text import counted
from reslab.weights.about import refuse_untrained_head
from reslab.weights.files import Weights
from reslab.weights.head import head_of
from reslab.weights.names import misfits, refuse_infinite, under_names
from reslab.weights.near import sizes_of, what_fits
from reslab.weights.normalized import known_normalization
from reslab.weights.slicing import sliced
from reslab.weights.sources import Origin

COUNTERS = "num_batches_tracked"
"""BatchNorm's counts, which nobody reads and old files lack."""


@dataclass(frozen=True)
class Loaded:
    """What a run began with, before it was adapted; `start.json` holds it."""

    origin: str
    digest: str
    """SHA-256 of the file."""
    file: str
    """Its name, without the folder."""
    head: str
    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    """Of the file."""
    new: tuple[str, ...]
    """Of the net: not loaded, but as the seed has drawn them, or zeros."""
    summed: tuple[str, ...] = ()
    """Over their input channels."""
    pruned: tuple[str, ...] = ()
    """Which convolutions have fewer filters than the file's, and how many."""
    normalization: dict[str, Any] | None = None
    """What the start's images were normalised with, as far as it is known."""

    def lines(self) -> Iterator[str]:
        """What people are told of it."""
        file = "" if self.file == self.origin else f"{self.file}, "
        yield (
            f"starts from {self.origin} ({file}SHA-256 {self.digest[:8]}…): "
            f"{counted(len(self.loaded), 'tensor')} loaded"
        )
        begins = "zeros" if self.head == "zeros" else "new"
        for what, names in (
            (begins, self.new),
            ("left out of the file", self.left_out),
            ("summed over its channels", self.summed),
            ("filters of the largest L1 norm", self.pruned),
        ):
            if names:
                yield f"  {what}: {listed(names, 6)}"


def load_start(net: nn.Module, config: RunConfig, origin: Origin, weights: Weights) -> Loaded:
    """Load into `net`, in place, what the run starts from.

    `UserError` lists what does not fit, and says what does.
    """
    assert config.start is not None
    if config.start.head == "kept":
        with located("start.head: kept"):
            refuse_untrained_head(origin.path, weights.about)
    with located(f"start: {origin.path}"):
        loaded = put(net, config.model, weights.tensors, config.start)
    known = known_normalization(config.start, config.model, origin, weights)
    return replace(
        loaded,
        origin=origin.label,
        digest=origin.digest,
        file=origin.path.name,
        normalization=summary(known) if known else None,
    )


def summary(normalization: Normalization) -> dict[str, Any]:
    """Kind and numbers; of a mean image its mean alone."""
    mean, std = (n.flatten(1).mean(1).tolist() for n in (normalization.mean, normalization.std))
    return {"kind": normalization.kind, "mean": mean, "std": std}


def put(
    net: nn.Module, described: Described, tensors: Mapping[str, Tensor], start: Start
) -> Loaded:
    """Load tensors as `start` says; where from is still to be said."""
    expected = net.state_dict()
    found, summed = _fitted_stem(expected, under_names(expected, tensors))
    found, pruned = sliced(expected, found) if start.loads == "l1" else (found, ())
    heads = head_of(net)
    keeps = start.head == "kept"
    needed = {name: value for name, value in expected.items() if keeps or name not in heads}
    given = {name: value for name, value in found.items() if keeps or name not in heads}
    if start.loads == "trunk":
        given = {name: value for name, value in given.items() if name in needed}
    if lines := misfits(needed, given):
        refuse_other_classes(expected, found, heads, keeps)
        raise UserError(_told(lines, described, tensors))
    refuse_infinite(given)
    taken = {name: given[name] for name in needed if name in given}
    zeros = heads if start.head == "zeros" else ()
    begun = {n: torch.zeros_like(v) if n in zeros else v for n, v in expected.items()}
    net.load_state_dict({**begun, **taken})
    return Loaded(
        origin="",
        digest="",
        file="",
        head=start.head,
        loaded=tuple(taken),
        left_out=tuple(sorted(found.keys() - taken.keys())),
        new=tuple(n for n in expected if n not in taken and not n.endswith(COUNTERS)),
        summed=summed,
        pruned=pruned,
    )


def _fitted_stem(
    expected: Mapping[str, Tensor], found: dict[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors with a stem for three channels as one for one, where that is the net's."""
    name = next((name for name, value in expected.items() if value.dim() == 4), None)
    if name is None or name not in found:
        return found, ()
    ours, theirs = expected[name].shape, found[name].shape
    if (ours[1], *theirs[1:2]) != (1, 3) or (ours[0], *ours[2:]) != (theirs[0], *theirs[2:]):
        return found, ()
    return {**found, name: found[name].sum(1, keepdim=True)}, (name,)


def refuse_other_classes(
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    heads: frozenset[str],
    keeps: bool,
) -> None:
    """Say it in words where a head is to be kept that is one of other classes."""
    for name in sorted(heads & found.keys()) if keeps else ():
        ours, theirs = expected[name].shape[:1], found[name].shape[:1]
        if ours and theirs and ours != theirs:
            raise UserError(
                f"head: kept, but the file's {name} is for {theirs[0]:,} classes, the net's for "
                f"{ours[0]:,}; write head: new, or head: zeros"
            )


def _told(lines: list[str], described: Described, tensors: Mapping[str, Tensor]) -> str:
    """What does not fit, and what would; a head's classes are nobody's mistake."""
    text = "\n".join(["the weights do not fit the net", *lines])
    sized = described
    if not isinstance(described, Opaque):
        sized = described.model_copy(update=sizes_of(described, tensors))
    near = what_fits(sized, tensors)
    if not near:
        return text
    return f"{text}\n  what fits: {near.replace('--set ', '').replace('--model ', 'model=')}"
