"""Files of weights: read without unpickling anything but tensors and plain values.

A run has one, `last.ckpt`: Lightning's, with the net under `net.` and the run's description, the
normalisation and the class names beside it, so that weights are never without their meaning. Where
a run chooses weights by held-out images those are `selected`, and are the ones that are read. Those
that travel are a safetensors file, which holds the net's tensors under their own names and the same
three, as JSON, in its metadata under `reslab`; a whitening matrix, 38 MB for CIFAR, is a tensor.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reslab import store
from reslab.config.shipped import shipped, shipped_file
from reslab.errors import UserError
from reslab.text import printable, quoted, shortened
from reslab.weights.about import About
from reslab.weights.names import translate
from reslab.weights.pickled import Saved, Stored, read_saved
from reslab.weights.wrappers import Found, find_state_dict, is_averaged


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds; a foreign one does not say what it is about."""

    tensors: dict[str, Tensor]
    about: About | None
    remark: str = ""
    """What was taken of a file in which there is more."""


def read_weights(path: Path, key: str | None = None) -> Weights:
    """The weights in a run folder, a checkpoint, a safetensors file or a state dict, or those that
    come with the package, by their name.

    `key` is the dotted path to a state dict in a file that has several. Tensors and plain values
    are read and nothing is unpickled; the code of a net of one's own is the file beside them.
    `UserError`, a short one, for anything else.
    """
    path = shipped_file(str(path)) or (path / store.CHECKPOINT if path.is_dir() else path)
    if not path.exists():
        ours = " or ".join(shipped())
        raise UserError(
            f"there is no {path}; expected a run's folder or a file of weights, or {ours}"
        )
    if not path.is_file():
        raise UserError(f"{path} is no file")
    with _in_one_line(path):
        if not os.access(path, os.R_OK):
            raise UserError("you may not read it")
        found = _read(path, key)
    return found if found.about is None else replace(found, about=found.about.beside(path.parent))


def _read(path: Path, key: str | None) -> Weights:
    if not _is_safetensors(path):
        return _read_pickled(path, key)
    if key is not None:
        raise UserError(
            f"safetensors files hold one state dict, and this one no {quoted(key)}; leave the "
            "key out"
        )
    return _read_safetensors(path)


@contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """Whatever damage or malice leads a reader to becomes a `UserError` that names the file."""
    try:
        yield
    except UserError as error:
        reason = str(error)
    except Exception as error:
        first = str(error).partition("\n")[0]
        reason = f"it is damaged ({type(error).__name__}: {shortened(printable(first))})"
    else:
        return
    raise UserError(f"{path} cannot be read as weights: {reason}")


def _is_safetensors(path: Path) -> bool:
    """Such a file begins with the length of its header, eight bytes, and the header's brace."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_pickled(path: Path, key: str | None) -> Weights:
    saved = read_saved(path)
    held = saved.held
    if isinstance(held, dict) and "reslab" in held and key is None:
        return _read_own(saved)
    found = find_state_dict(held, lambda value: isinstance(value, Stored), key)
    tensors = {name: saved.tensor(stored) for name, stored in found.state_dict.items()}
    return Weights(translate(tensors), None, _remark(path, found))


def _remark(path: Path, found: Found) -> str:
    if not found.others:
        return ""
    others = " or ".join(f"--key {shortened(name) or repr(name)}" for name in found.others[:3])
    taken = found.path or "the tensors of the file itself"
    averaged = " (averaged weights)" if any(map(is_averaged, found.others)) else ""
    return f"{path}: took {taken}; to take what else it holds{averaged}: {others}"


def _read_own(saved: Saved) -> Weights:
    """A checkpoint of a run: the net that was chosen, else that under `net.`, and what it means."""
    held = saved.held
    chosen, prefix = held.get("selected"), ""
    tensors = chosen.get("weights") if isinstance(chosen, dict) else None
    if chosen is None:
        tensors, prefix = held.get("state_dict"), "net."
    if not isinstance(tensors, dict):
        raise UserError("it holds no state dict (names and tensors)")
    net = {
        name.removeprefix(prefix): saved.tensor(stored)
        for name, stored in tensors.items()
        if isinstance(name, str) and name.startswith(prefix) and isinstance(stored, Stored)
    }
    return Weights(net, About.from_checkpoint(_read_tensors(saved, held["reslab"])))


def _read_tensors(saved: Saved, value: Any, depth: int = 0) -> Any:
    """Our own part of a checkpoint, with tensors in their places."""
    if isinstance(value, dict) and depth < DEEPEST:
        return {name: _read_tensors(saved, part, depth + 1) for name, part in value.items()}
    return saved.tensor(value) if isinstance(value, Stored) else value


DEEPEST = 3
"""Dicts in dicts of our own part."""


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = (file.metadata() or {}).get("reslab")
    except (SafetensorError, OSError) as error:
        raise UserError(f"it is no whole safetensors file: {error}") from None
    if not about:
        return Weights(translate(tensors), None)
    whitening = tensors.pop(WHITENING, None)
    return Weights(tensors, About.from_json(about, whitening))


def write_safetensors(path: Path, tensors: dict[str, Tensor], about: About) -> None:
    """Write a net's weights and what they mean; `read_weights` reads it."""
    normalization = about.normalization
    if normalization.whitening is not None:
        tensors = {**tensors, WHITENING: normalization.whitening}
        about = replace(about, normalization=replace(normalization, whitening=None))
    metadata = {"format": "pt", "reslab": about.as_json()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)


WHITENING = "reslab.normalization.whitening"
"""Its name beside the net's; versions before had it in the metadata, in base64."""
