"""A run's checkpoint is a whole file, whatever happens while it is written."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from reslab import disk, store
from reslab.errors import UserError
from reslab.training.atomic import AtomicCheckpointIO


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
