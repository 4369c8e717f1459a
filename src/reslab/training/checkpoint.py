"""Checkpoints: written atomically, read without unpickling anything but tensors and plain values.

A run has one, `last.ckpt`: Lightning's, with the net under `net.` and the run's description, the
normalisation and the class names beside it, so that weights are never without their meaning. Those
that travel are a safetensors file, which holds the net's tensors under their own names and the same
three, as JSON, in its metadata under `reslab`.
"""

import json
import math
import pickle
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reslab import store
from reslab.config import RunConfig
from reslab.config.resolve import problems
from reslab.data.modules import dtype_of
from reslab.data.normalize import Normalization, NormalizationState
from reslab.errors import UserError, located
from reslab.models import build
from reslab.models.weights import fit, translate


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, flushes it, and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """A kill at any moment leaves the old checkpoint or the new one."""
        with store.replacing(Path(path)) as temporary, temporary.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's own words hide a full disk
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def load_checkpoint(self, path: str | Path, *more: Any, **named: Any) -> dict[str, Any]:
        """`UserError` says what to do with a file that is torn, or is no checkpoint of a run."""
        try:
            checkpoint = super().load_checkpoint(path, *more, **named)
            found = f"it lacks {lacking}" if (lacking := _lacking(checkpoint)) else ""
        except (pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError) as error:
            found = str(error).partition("\n")[0] or type(error).__name__
        if found:
            raise UserError(
                f"{path} is damaged: {found}; bring it back, or remove it: the run then begins "
                "again, with the same result"
            )
        return dict(checkpoint)


def _lacking(checkpoint: Any) -> str:
    """What a run goes on from and a file does not have."""
    parts = ("state_dict", "optimizer_states", "global_step", "loops", "train_tally")
    held = checkpoint.keys() if isinstance(checkpoint, dict) else ()
    return ", ".join(part for part in parts if part not in held)


@dataclass(frozen=True)
class About:
    """What a run's weights mean: which net they belong to, what it takes, and what it answers."""

    config: RunConfig
    normalization: Normalization
    class_names: tuple[str, ...]

    def as_json(self) -> str:
        """One line; `from_json` gives back equal values, bit for bit.

        Of a folder of one's own only the name is told, not where it lies.
        """
        config = self.config.model_dump(mode="json")
        if config["data"]["folder"]:
            config["data"]["folder"] = Path(config["data"]["folder"]).name
        return json.dumps(
            {
                "config": config,
                "normalization": _as_plain(self.normalization),
                "class_names": self.class_names,
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "About":
        """What `as_json` described."""
        about = json.loads(text)
        return cls(
            _config(json.dumps(about["config"])),
            _from_plain(about["normalization"]),
            tuple(about["class_names"]),
        )


def _as_plain(normalization: Normalization) -> dict[str, Any]:
    """Numbers as lists; a whitening matrix, 38 MB for CIFAR, as its bytes in base64."""
    state = normalization.state()
    plain: dict[str, Any] = {"kind": state["kind"]}
    plain |= {"mean": state["mean"].tolist(), "std": state["std"].tolist()}
    if "whitening" in state:
        plain["whitening"] = b64encode(state["whitening"].numpy().astype("<f4").tobytes()).decode()
    return plain


def _from_plain(plain: dict[str, Any]) -> Normalization:
    state: dict[str, Any] = {"kind": plain["kind"]}
    state |= {name: torch.tensor(plain[name]) for name in ("mean", "std")}
    if "whitening" in plain:
        values = np.frombuffer(b64decode(plain["whitening"]), "<f4")
        side = math.isqrt(len(values))
        state["whitening"] = torch.from_numpy(values.reshape(side, side).astype(np.float32))
    return Normalization.from_state(cast(NormalizationState, state))


def _config(text: str) -> RunConfig:
    try:
        return RunConfig.model_validate_json(text)
    except ValidationError as error:
        raise UserError(problems(error, "the run that the weights are of", RunConfig)) from None


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds; a foreign one does not say what it is about."""

    tensors: dict[str, Tensor]
    about: About | None


def read_weights(path: Path) -> Weights:
    """The weights in a run folder, a checkpoint, a safetensors file or a state dict.

    `UserError` for anything else.
    """
    path = path / store.CHECKPOINT if path.is_dir() else path
    if not path.exists():
        raise UserError(f"there is no {path}")
    return (_read_safetensors if _is_safetensors(path) else _read_pickled)(path)


def _is_safetensors(path: Path) -> bool:
    """Such a file begins with the length of its header, eight bytes, and the header's brace."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_pickled(path: Path) -> Weights:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError):
        raise UserError(
            f"{path} cannot be read as weights: expected a safetensors file, or one by torch.save "
            "that holds tensors and plain values only (anything else would have to be unpickled, "
            "which runs code)"
        ) from None
    tensors = held.get("state_dict", held) if isinstance(held, dict) else None
    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise UserError(f"{path} holds no state dict (names and tensors)")
    if "reslab" not in held:
        return Weights(translate(tensors), None)
    about = held["reslab"]
    net = {key.removeprefix("net."): v for key, v in tensors.items() if key.startswith("net.")}
    config = _config(about["config"])
    normalization = Normalization.from_state(about["normalization"])
    return Weights(net, About(config, normalization, tuple(about["class_names"])))


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = (file.metadata() or {}).get("reslab")
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}") from None
    return Weights(tensors, About.from_json(about)) if about else Weights(translate(tensors), None)


def write_safetensors(path: Path, tensors: dict[str, Tensor], about: About) -> None:
    """Write a net's weights and what they mean; `read_weights` reads it."""
    metadata = {"format": "pt", "reslab": about.as_json()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)


def trained(path: Path) -> tuple[nn.Module, About]:
    """A run's net with its weights, in evaluation mode, and what it is about; see `load`."""
    weights = read_weights(path)
    if weights.about is None:
        raise UserError(
            f"{path} does not say which net it belongs to; "
            "name one: scripts/evaluate.py --weights FILE --model NAME"
        )
    config = weights.about.config
    with located(str(path)):
        net = build(config.model).to(dtype_of(config.precision))
        return fit(net, weights.tensors).eval(), weights.about


def load(path: str | Path) -> nn.Module:
    """The net of a run folder, of one of our checkpoints or of what scripts/export.py made of it
    as safetensors, with its weights, in evaluation mode.

    Takes float32 images (N, C, H, W), normalised as in training, to logits (N, classes); of a run
    in 64-true weights, images and logits are float64. Raises `UserError` for a file that is no
    checkpoint of a run.
    """
    return trained(Path(path))[0]
