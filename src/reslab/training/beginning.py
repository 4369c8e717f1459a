"""What a run begins with, where it starts from other weights: they are loaded, told and recorded.

A run that is resumed reads no origin again: its own checkpoint has all that it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from reslab import disk, store
from reslab.config.run import RunConfig
from reslab.data.normalize import Normalization
from reslab.errors import located
from reslab.execution import place
from reslab.methods.materialise import restore
from reslab.methods.merging import merge
from reslab.weights.files import Weights, read_weights
from reslab.weights.normalized import start_normalization
from reslab.weights.sources import Origin, read
from reslab.weights.starting import load_start


@dataclass(frozen=True, eq=False)
class Beginning:
    """What is done to a net that has just been built, and a normalisation that is not fitted."""

    load: Callable[[nn.Module], None] | None = None
    normalization: Normalization | None = None


def begin(config: RunConfig, folder: Path, resumed: Path | None) -> Beginning:
    """How the run in `folder` begins; `UserError` where what it starts from cannot be had."""
    if config.start is None:
        return Beginning()
    takes = config.recipe.normalization == "start"
    if resumed is not None:
        about = read_weights(resumed).about if takes else None
        return Beginning(normalization=about.normalization if about else None)
    origin, weights = read(config.start, folder)
    normalization = start_normalization(config, origin, weights) if takes else None
    plain = _without_adapter(origin, weights)
    return Beginning(partial(_load, config, folder, origin, plain), normalization)


def _without_adapter(origin: Origin, weights: Weights) -> Weights:
    """Those of an adapted run with its adapters in them; `UserError` where no net has such."""
    if weights.about is None or weights.about.use.adapter is None:
        return weights
    with located(f"start: {origin.path}"):
        net = merge(restore(weights.about.use, weights.tensors))
    return replace(weights, tensors=net.state_dict())


def _load(
    config: RunConfig, folder: Path, origin: Origin, weights: Weights, net: nn.Module
) -> None:
    loaded = load_start(net, config, origin, weights)
    if place().rank == 0:
        print(*loaded.lines(), sep="\n", flush=True)
        disk.write_json(folder / store.START, loaded.as_dict())
