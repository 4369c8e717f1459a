"""What a run begins with, where it starts from other weights: they are loaded, told and recorded.

A run that is resumed reads no origin again: its own checkpoint has all that it needs.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from reslab import disk, store
from reslab.config.nets import Described, PythonNet
from reslab.config.run import RunConfig
from reslab.data.normalize import Normalization
from reslab.errors import UserError, located
from reslab.methods.adapters import adapted_layers
from reslab.methods.materialise import restore
from reslab.methods.merging import merge
from reslab.weights.files import Weights, read_weights
from reslab.weights.normalized import start_normalization
from reslab.weights.sources import Origin, read_origin
from reslab.weights.starting import Loaded, load_start


@dataclass(eq=False)
class Beginning:
    """What is done to a net that has just been built, and a normalisation that is not fitted."""

    fit: Callable[[nn.Module], Loaded] | None = None
    normalization: Normalization | None = None
    loaded: Loaded | None = None
    """What was loaded, once it has been."""
    remark: str = ""
    """What was taken of a file in which there is more."""

    def load(self, net: nn.Module) -> None:
        """Put the start's weights into a net, in place, where a run starts from any."""
        if self.fit is not None:
            self.loaded, self.fit = self.fit(net), None

    def record(self, folder: Path, net: nn.Module) -> None:
        """Tell and write down what was loaded into a net, where it is adapted, and what trains."""
        if self.loaded is None:
            return
        told = [self.remark] if self.remark else []
        print(*told, *self.loaded.lines(), sep="\n", flush=True)
        trains = [name for name, value in net.named_parameters() if value.requires_grad]
        more = {"adapted": adapted_layers(net), "trains": trains}
        disk.write_json(folder / store.START, {**asdict(self.loaded), **more})


def begin(config: RunConfig, folder: Path, resumed: Path | None) -> Beginning:
    """How the run in `folder` begins; `UserError` where what it starts from cannot be had."""
    if config.start is None:
        return Beginning()
    takes = config.recipe.normalization == "start"
    if resumed is not None:
        about = read_weights(resumed).about if takes else None
        return Beginning(normalization=about.normalization if about else None)
    return begin_with(config, *read_origin(config.start, folder))


def begin_with(config: RunConfig, origin: Origin, weights: Weights) -> Beginning:
    """How a run begins that starts from these weights."""
    takes = config.recipe.normalization == "start"
    normalization = start_normalization(config, origin, weights) if takes else None
    plain = _without_adapter(config, origin, weights)
    fit = partial(load_start, config=config, origin=origin, weights=plain)
    return Beginning(fit, normalization, remark=weights.remark.replace("--key ", "start.key: "))


def _without_adapter(config: RunConfig, origin: Origin, weights: Weights) -> Weights:
    """Those of an adapted run with its adapters in them; `UserError` where no net has such, and
    where that would run code that is not the run's own."""
    if weights.about is None or weights.about.use.adapter is None:
        return weights
    with located(f"start: {origin.path}"):
        _refuse_other_code(weights.about.use.model, config.model)
        net = merge(restore(weights.about.use, weights.tensors))
    return replace(weights, tensors=net.state_dict())


def _refuse_other_code(theirs: Described, ours: Described) -> None:
    """A file of weights is no reason to run what lies beside it."""
    if not isinstance(theirs, PythonNet):
        return
    if not isinstance(ours, PythonNet) or ours.sha256 != theirs.sha256:
        raise UserError(
            f"its adapters are in a net of {theirs.file}, which would be run to merge them, and is "
            "not the run's net; if you trust that file, merge first: "
            "python scripts/export.py WEIGHTS --to safetensors FILE, and start from that"
        )
