"""Experiments of one variant that a command line says in full: a net trained, a net fine-tuned."""

import re
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.public_weights import weights_of
from reslab.config.trees import IN_PYTHON
from reslab.config.zoo import describe
from reslab.errors import UserError, located
from reslab.experiments.file import Experiment
from reslab.folders import ARRAYS, as_path
from reslab.text import printable, quoted

RECIPES = {"head": "finetune_head"}
"""What fine-tuning on photographs has where no recipe is said, by what trains; else finetune."""
OF_ONE_SIZE = "finetune_cifar"
"""What it has on a file of arrays."""


def train_experiment(model: str, data: str, recipe: str) -> tuple[str, Experiment]:
    """The name and the experiment of `make train`."""
    folder = as_path(data)
    called = printable(folder.name) if folder else data
    base, label = {"data": data, "recipe": recipe}, _label(model)
    return f"train-{store.slug(f'{label} {called} {recipe}')}", Experiment(
        title=f"{label} on {called}", base=base, variants={label: {"model": model}}
    )


def _label(model: str) -> str:
    """A net's name; of one's own the file without its folder."""
    return Path(model.removeprefix(IN_PYTHON)).name if model.startswith(IN_PYTHON) else model


def finetune_experiment(
    folder: str, model: str, weights: str | None, trains: str | None, recipe: str | None
) -> tuple[str, Experiment]:
    """The name and the experiment of `make finetune`: a net with published weights, by default
    those that its name stands for, on photographs in a folder, or a file of arrays.

    `UserError` for a folder that is not there and for a net without published weights.
    """
    path = _folder(folder)
    called = printable(path.name)
    base: dict[str, Any] = {
        "data": str(path),
        "recipe": recipe or _recipe(path, trains),
        "start": _start(weights) if weights else _published(model),
    }
    if trains:
        base["trains"] = re.split(r"[,\s]+", trains.strip())
    label = _label(model)
    name = store.slug(" ".join(filter(None, (label, called, recipe, trains))))
    return f"finetune-{name}", Experiment(
        title=f"{label}, fine-tuned on {called}",
        base=base,
        variants={label: {"model": _without_tag(model)}},
    )


def _recipe(path: Path, trains: str | None) -> str:
    return RECIPES.get(trains or "all", "finetune") if path.is_dir() else OF_ONE_SIZE


def _folder(word: str) -> Path:
    path = as_path(word) or Path(word).absolute()
    if not path.is_dir() and path.suffix.lower() != ARRAYS:
        found = f"{path} is a file" if path.exists() else f"there is no folder {path}"
        raise UserError(
            f"FOLDER={word}: {found}; expected a folder in which every class is a folder of "
            "photographs: photos/cat/1.jpg, photos/dog/1.jpg"
        )
    return path


def _without_tag(model: str) -> str:
    return model if model.startswith(IN_PYTHON) else model.partition(".")[0]


def _published(model: str) -> str:
    with located(f"MODEL={model}"):
        describe(_without_tag(model))
    try:
        return weights_of(model)
    except UserError as error:
        raise UserError(
            f"MODEL={model}: {error}; say WEIGHTS=FILE (or a run's folder), or take resnet18, "
            "resnet50, torchvision:<net> or timm:<net>, whose weights are published"
        ) from None


def _start(weights: str) -> str | dict[str, str]:
    """A file, a name, a run's folder; a URL with its digest behind it."""
    if not re.match("https?://", weights):
        return weights
    url, _, digest = weights.partition("#sha256=")
    with located(f"WEIGHTS={quoted(weights)}"):
        if not digest:
            raise UserError(
                "a URL does not say what lies there: put its SHA-256 behind it, "
                "URL#sha256=…; sha256sum FILE tells it"
            )
    return {"url": url, "sha256": digest}
