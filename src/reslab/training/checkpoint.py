"""Checkpoints: written atomically, read without unpickling anything but tensors and plain values.

A run has one, `last.ckpt`: Lightning's, with the net under `net.` and the run's description, the
normalisation and the class names beside it, so that weights are never without their meaning.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor, nn

from reslab import store
from reslab.config import RunConfig
from reslab.data.augment import Normalization
from reslab.errors import UserError
from reslab.models import build
from reslab.models.weights import fit, translate


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, flushes it, and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """A kill at any moment leaves the old checkpoint or the new one."""
        with store.replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds; foreign files have no config and no normalisation."""

    tensors: dict[str, Tensor]
    config: RunConfig | None
    normalization: Normalization | None
    class_names: tuple[str, ...] | None


def read_weights(path: Path) -> Weights:
    """The weights in a checkpoint, a state dict, or a run folder. `UserError` for anything else."""
    path = path / store.CHECKPOINT if path.is_dir() else path
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no {path}") from None
    except (pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError):
        raise UserError(
            f"{path} cannot be read as weights: expected a file by torch.save that holds tensors "
            "and plain values only (anything else would have to be unpickled, which runs code)"
        ) from None
    tensors = held.get("state_dict", held) if isinstance(held, dict) else None
    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise UserError(f"{path} holds no state dict (names and tensors)")
    if "reslab" not in held:
        return Weights(translate(tensors), None, None, None)
    about = held["reslab"]
    net = {key.removeprefix("net."): v for key, v in tensors.items() if key.startswith("net.")}
    return Weights(
        net,
        RunConfig.model_validate_json(about["config"]),
        Normalization.from_state(about["normalization"]),
        tuple(about["class_names"]),
    )


def load(path: str | Path) -> nn.Module:
    """The net of a run folder or of one of our checkpoints, with its weights, in evaluation mode.

    Takes float32 images (N, C, H, W), normalised as in training, to logits (N, classes). Raises
    `UserError` for a file that is no checkpoint of a run.
    """
    weights = read_weights(Path(path))
    if weights.config is None:
        raise UserError(
            f"{path} does not say which net it belongs to; "
            "name one: scripts/evaluate.py --weights FILE --model NAME"
        )
    return fit(build(weights.config.model), weights.tensors).eval()
