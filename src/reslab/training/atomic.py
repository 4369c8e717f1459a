"""A run's checkpoint as a file: written whole, and read back as it was written or not at all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from reslab import disk
from reslab.errors import UserError, first_line
from reslab.exhaustion import exhausted
from reslab.weights.pickled import read_saved

DIGEST = "sha256"
"""The part of a checkpoint that says what the others are; those of before have none."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file in the same folder, flushes it, and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """A kill at any moment leaves the old checkpoint or the new one; the old one is left, too,
        where `storage_options`, called when all is written, raises."""
        with disk.replacing(Path(path), storage_options) as temporary, temporary.open("wb") as file:
            try:
                torch.save({**checkpoint, DIGEST: digest(checkpoint)}, file)
            except RuntimeError as error:  # torch's own words hide a full disk
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def load_checkpoint(self, path: str | Path, *more: Any, **named: Any) -> dict[str, Any]:
        """`UserError` says what to do with a file that is torn, or is no checkpoint of a run."""
        try:
            read_saved(Path(path))  # torch's reader would take whatever memory a file asks for
            checkpoint = super().load_checkpoint(path, *more, **named)
            found = _damage(checkpoint)
        except Exception as error:  # of a dozen kinds
            if exhausted(error):
                raise
            found = first_line(error)
        if found:
            raise UserError(
                f"{path} is damaged: {found}; bring it back, or remove it: the run then begins "
                "again, with the same result"
            )
        return {part: value for part, value in checkpoint.items() if part != DIGEST}


def _damage(checkpoint: Any) -> str:
    """What is wrong with what a file holds; nothing: ""."""
    if lacking := _lacking(checkpoint):
        return f"it lacks {lacking}"
    said = checkpoint.get(DIGEST)
    others = {part: value for part, value in checkpoint.items() if part != DIGEST}
    return "" if said in (None, digest(others)) else "its values are not those that were written"


def digest(checkpoint: dict[str, Any]) -> str:
    """SHA-256 of tensors and plain values by their names, wherever the tensors lie."""
    found = hashlib.sha256()
    for part in _parts(checkpoint):
        found.update(part)
    return found.hexdigest()


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        yield f"{len(value)}".encode()
        for name, item in items:
            yield repr(name).encode()
            yield from _parts(item)
    elif isinstance(value, torch.Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    else:
        yield repr(value).encode("utf-8", "surrogatepass")


def _lacking(checkpoint: Any) -> str:
    """What a run goes on from and a file does not have."""
    parts = ("state_dict", "optimizer_states", "global_step", "loops", "train_tally")
    held = checkpoint.keys() if isinstance(checkpoint, dict) else ()
    return ", ".join(part for part in parts if part not in held)
