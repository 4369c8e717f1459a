"""A run's checkpoint as a file: written whole, and read back whole or not at all."""

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from reslab import disk
from reslab.errors import UserError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, flushes it, and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """A kill at any moment leaves the old checkpoint or the new one; the old one is left, too,
        where `storage_options`, called when all is written, raises."""
        with disk.replacing(Path(path), storage_options) as temporary, temporary.open("wb") as file:
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
