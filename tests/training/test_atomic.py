"""A run's checkpoint is a whole file, whatever happens while it is written."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from reslab import disk, store
from reslab.errors import UserError
from reslab.training.atomic import AtomicCheckpointIO, digest


def test_a_full_disk_is_told_as_such_and_not_in_torchs_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch says `unexpected pos 576 vs 534`. /dev/full is a disk without room."""
    file = tmp_path / store.CHECKPOINT
    file.write_bytes(b"the last one")
    full = nullcontext((Path("/dev/full"), 0o644))
    monkeypatch.setattr(disk, "_temporary", lambda _: full)
    with pytest.raises(UserError, match=r"last\.ckpt cannot be written: the disk is full, or your"):
        AtomicCheckpointIO().save_checkpoint({"a": torch.zeros(1_000_000)}, file)
    assert file.read_bytes() == b"the last one"


@pytest.mark.parametrize("damage", ["torn", "empty", "text", "other"])
def test_a_run_with_a_damaged_checkpoint_is_told_what_to_do(tmp_path: Path, damage: str) -> None:
    file = tmp_path / store.CHECKPOINT
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, file)
    whole = file.read_bytes()
    damaged = {"torn": whole[:2000], "empty": b"", "text": b"no checkpoint", "other": whole}
    file.write_bytes(damaged[damage])
    with pytest.raises(UserError) as caught:
        AtomicCheckpointIO().load_checkpoint(file, weights_only=True)
    message = str(caught.value)
    assert message.startswith(f"{file} is damaged: ") and "\n" not in message
    assert message.endswith("or remove it: the run then begins again, with the same result")
    assert ("lacks optimizer_states, global_step" in message) == (damage == "other")


HELD = {
    "state_dict": {"net.weight": torch.arange(6.0).reshape(2, 3)},
    "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(2, 3)}}}],
    "global_step": 7,
    "loops": {"fit_loop": {"ready": 7}},
    "train_tally": {"loss": 0.1},
}


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / store.CHECKPOINT
    AtomicCheckpointIO().save_checkpoint(HELD, file)
    assert torch.load(file, weights_only=True)["sha256"] == digest(HELD)
    read = AtomicCheckpointIO().load_checkpoint(file, weights_only=True)
    assert read.keys() == HELD.keys() and digest(read) == digest(HELD)


def test_a_checkpoint_of_before_has_no_digest(tmp_path: Path) -> None:
    file = tmp_path / store.CHECKPOINT
    torch.save(HELD, file)
    read = AtomicCheckpointIO().load_checkpoint(file, weights_only=True)
    assert digest(read) == digest(HELD)


CHANGES: dict[str, Any] = {
    "state_dict": {"net.weight": torch.arange(6.0).reshape(3, 2)},
    "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(2, 3).double()}}}],
    "global_step": "7",
    "loops": torch.zeros(3, 3),
    "train_tally": {"loss": torch.zeros(1).expand(10**12)},
    "sha256": torch.zeros(64),
}


@pytest.mark.parametrize("part", CHANGES)
def test_other_values_than_those_written_are_damage_and_take_no_memory(
    tmp_path: Path, part: str
) -> None:
    file = tmp_path / store.CHECKPOINT
    AtomicCheckpointIO().save_checkpoint(HELD, file)
    torch.save(torch.load(file, weights_only=True) | {part: CHANGES[part]}, file)
    with pytest.raises(UserError, match=r"last\.ckpt is damaged: "):
        AtomicCheckpointIO().load_checkpoint(file, weights_only=True)


def test_a_piece_of_a_pickle_is_damage(tmp_path: Path) -> None:
    """torch.load raises a struct.error."""
    file = tmp_path / store.CHECKPOINT
    file.write_bytes(b"\x80\x02}q\x00(X\x05\x00\x00\x00epochq\x01K\x00X\n\x00\x00")
    with pytest.raises(UserError, match=r"last\.ckpt is damaged: "):
        AtomicCheckpointIO().load_checkpoint(file, weights_only=True)
