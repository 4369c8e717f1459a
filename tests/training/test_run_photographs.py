"""Training on real photographs: a hundred of imagenette-mini at 32 × 32 pixels."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DECODING, WORKERS
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import store
from reslab.data.photographs.prepared import prepare
from reslab.errors import UserError
from reslab.store.wrong import read_wrong
from reslab.training.start import start

pytestmark = [pytest.mark.process, DECODING, WORKERS]

TREE = {
    "data": {"name": "imagenette_mini", "per_class": 10},
    "recipe": {
        "name": "imagenette",
        "steps": 20,
        "batch_size": 16,
        "schedule.milestones": [10, 15],
        "photographs.size": 32,
        "photographs.shorter_side": [36, 60],
        "photographs.jitter": 0.4,
        "photographs.test_shorter_side": 36,
    },
}


CHOOSING = {"holdout": 20, "tested_on": "test", "selected_on": "holdout"}


@pytest.mark.parametrize(
    ("prepared", "precision", "data"),
    [
        (None, "32-true", {}),
        (64, "32-true", CHOOSING),
        (64, "64-true", {}),
        (64, "16-mixed", {}),
    ],
)
def test_a_run_on_photographs_resumes_bit_for_bit_with_any_number_of_workers(
    mini: Path,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    prepared: int | None,
    precision: str,
    data: dict[str, Any],
) -> None:
    if prepared:
        prepare(mini, prepared, 0)
    tree = {**TREE, "data": {**TREE["data"], "prepared": prepared, **data}, "precision": precision}
    whole, cut = make_run("whole", tree), make_run("cut", tree)
    assert start(whole) == 0
    monkeypatch.setenv("RESLAB_WORKERS", "2")
    with stopped_at(9):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    result = store.read_result(cut.parent)
    assert result is not None
    assert (result["train"]["examples"], result["test"]["examples"]) == (80 if data else 100, 500)
    wrong = read_wrong(cut.parent)
    assert (len(wrong), wrong.sum()) == (500, result["test"]["wrong"])
    assert wrong.tolist() == read_wrong(whole.parent).tolist()
    assert ("selected_step" in result) == bool(data)
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)


@pytest.fixture
def dirty(mini: Path, tmp_path: Path) -> dict[str, Any]:
    """A run on two classes of the real photographs, two of whose 30 files are none."""
    copies = tmp_path / "copies"
    for split, count in {"train": 12, "val": 2}.items():
        for name in ("n01440764", "n02102040"):
            (copies / split / name).mkdir(parents=True)
            for file in sorted((mini / split / name).iterdir())[:count]:
                (copies / split / name / file.name).symlink_to(file)
    for split, content in {"train": b"", "val": b"no image"}.items():
        (copies / split / "n01440764" / "bad.JPEG").write_bytes(content)
    return {**TREE, "data": {"name": "imagefolder", "folder": str(copies)}}


def test_a_run_that_is_refused_for_its_files_has_no_log_in_wandb(
    dirty: dict[str, Any], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = make_run("dirty", dirty)
    with pytest.raises(UserError, match="2 of 30 files cannot be decoded"):
        start(config)
    assert store.state(config.parent) == "crashed"
    assert not (config.parent / "wandb").exists()


def test_a_result_says_how_many_files_were_left_out(
    dirty: dict[str, Any], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    config = make_run("dirty", dirty)
    assert start(config) == 0
    result = store.read_result(config.parent)
    assert result is not None
    counts = result["train"]["examples"], result["test"]["examples"], result["undecodable"]
    assert counts == (24, 4, 2)
