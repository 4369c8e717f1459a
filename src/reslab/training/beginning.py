"""What a run begins with, where it starts from other weights: they are loaded, told and recorded.

A run that is resumed reads no origin again: its own checkpoint has all that it needs.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import nn

from reslab import disk, store
from reslab.config.run import RunConfig
from reslab.data.normalize import Normalization
from reslab.methods.adapters import adapted_layers
from reslab.methods.building import without_adapter
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
    plain = without_adapter(config.model, origin, weights)
    fit = partial(load_start, config=config, origin=origin, weights=plain)
    return Beginning(fit, normalization, remark=weights.remark.replace("--key ", "start.key: "))
