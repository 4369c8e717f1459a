"""What runs begin with, tried before any of them starts: which weights do not fit is known before
hours of other runs. No net is computed, and of ours none takes memory (torch's meta device).

    python -m reslab.training.rehearsal < runs.json

reads a list of {"config": {…}, "folder": "…"}; where a run starts from one that is not done, also
"start" with that one's, and where such a run teaches it, "teacher"; prints for each null, or the
words in which the run itself would fail; experiments/rehearse.py asks it.
"""

import contextlib
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reslab import store
from reslab.config.data import facts_of
from reslab.config.nets import Opaque
from reslab.config.run import RunConfig, input_size
from reslab.data.normalize import Normalization
from reslab.errors import UserError, exit_code, located
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.materialise import materialise
from reslab.methods.merging import merge
from reslab.training.beginning import Beginning, begin, begin_with
from reslab.training.lesson import lesson_with
from reslab.weights.about import About
from reslab.weights.files import Weights
from reslab.weights.sources import Origin, read_origin

Parent = tuple[RunConfig, Path]
"""The run that a run rests on, which is not done, and its folder."""


def rehearse(
    config: RunConfig, folder: Path, start: Parent | None = None, teacher: Parent | None = None
) -> None:
    """Begin a run, but for the numbers. `UserError` where it would."""
    begun = begin(config, folder, None) if start is None else after(config, *start)
    taught = teaching(config, folder, teacher)
    with (
        warnings.catch_warnings(),
        torch.device("cpu" if isinstance(config.model, Opaque) else "meta"),
    ):
        warnings.filterwarnings("ignore", ".*copying from a non-meta parameter", UserWarning)
        net = materialise(config, begun.load)
        if taught is not None:
            lesson_with(config, *taught, net)


def teaching(
    config: RunConfig, folder: Path, teacher: Parent | None
) -> tuple[Origin, Weights] | None:
    """The weights of a run's teacher, which may not have trained yet; None for a run without."""
    if config.teacher is None:
        return None
    if teacher is None:
        return read_origin(config.teacher, folder, "teacher")
    parent, path = teacher[0], teacher[1] / store.CHECKPOINT
    with located(f"teacher: {path}"):
        return Origin(config.teacher.origin, path, ""), untrained(parent)


def after(config: RunConfig, parent: RunConfig, folder: Path) -> Beginning:
    """How a run begins that starts from one that has not trained yet: by names and shapes."""
    assert config.start is not None
    origin, path = config.start.origin, folder / store.CHECKPOINT
    with located(f"start: {path}"):
        weights = untrained(parent)
    if normalization_of(parent) is None:
        weights = replace(weights, about=None)
    if weights.about is None and config.recipe.normalization == "start":
        recipe = config.recipe.model_copy(update={"normalization": "none"})
        config = config.model_copy(update={"recipe": recipe})
    return begin_with(config, Origin(origin, path, ""), weights)


def untrained(parent: RunConfig) -> Weights:
    """What a run will leave, by names and shapes; its normalisation is another's where it is not
    known yet."""
    plain = parent.model_copy(update={"adapter": None, "trains": ("all",)})
    channels = parent.model.in_channels
    known = normalization_of(parent) or Normalization.given([0.0] * channels, [1.0] * channels)
    names = tuple(map(str, range(parent.model.classes)))
    return Weights(left_by(parent).state_dict(), About(plain, known, names))


def left_by(parent: RunConfig) -> nn.Module:
    """A plain net as a run will leave it, whatever its numbers; `UserError` where its adapter
    cannot be merged."""
    net = materialise(parent.model_copy(update={"trains": ("all",)}))
    if parent.adapter is None:
        return net
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if is_adapter_parameter(name):
                parameter.fill_(1)  # not 0, which some could be merged with that cannot be later
    return merge(net.eval())


def normalization_of(parent: RunConfig) -> Normalization | None:
    """One of the shape that a run's will have; None where that is not known before it trains."""
    said, size = parent.recipe.normalization, input_size(parent)
    if not isinstance(said, str):
        return Normalization.given(said.mean, said.std)
    if said == "start" or said == "gcn_zca":
        return None
    images = torch.arange(2 * facts_of(parent.data).in_channels * size**2) % 256
    return Normalization.fit(said, images.view(2, -1, size, size).to(torch.uint8))


def answer(row: dict[str, Any]) -> str | None:
    """Why a run cannot begin; None where it can, or where only the run itself will show it."""
    rests = (row.get(word) for word in ("start", "teacher"))
    try:
        rehearse(*_read(row), *(_read(parent) if parent else None for parent in rests))
    except UserError as error:
        return str(error)
    except Exception:  # memory, a library's own: no word on the weights
        return None
    return None


def _read(row: dict[str, Any]) -> Parent:
    return RunConfig.model_validate_json(json.dumps(row["config"])), Path(row["folder"])


def main() -> None:
    """Answer the runs on standard input."""
    with contextlib.redirect_stdout(sys.stderr):  # what a net of one's own prints
        answers = [answer(row) for row in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    sys.exit(exit_code(main))
