"""A run without labels: two views, one loss, a spread that is logged, errors of neighbours."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import load, store
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.inference.looks import Options, draw
from reslab.inference.mistakes import images_of_test
from reslab.inference.sensitivity import write_sensitivity
from reslab.training.start import start
from reslab.weights.given import NOTHING

VIEWS: dict[str, Any] = {
    "recipe": {
        "objective": {"name": "simsiam", "width": 16, "bottleneck": 8, "neighbors": 20},
        "steps": 12,
        "schedule": {"name": "cosine", "milestones": []},
        "augmentation": {"crop_padding": 1, "flip": True},
    }
}


def rows(config: Path) -> list[dict[str, Any]]:
    text = config.with_name(store.METRICS).read_text()
    return [json.loads(line) for line in text.splitlines()]


def held(config: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(config.with_name(store.CHECKPOINT), weights_only=True)["state_dict"])


@pytest.mark.process
def test_a_run_logs_its_spread_and_is_tested_by_its_neighbors(make_run: MakeRun) -> None:
    config = make_run("views", VIEWS)
    assert start(config) == 0
    written = rows(config)
    trained = [row for row in written if "train_loss" in row]
    assert len(trained) == 12
    assert all(-1 <= row["train_loss"] <= 1 for row in trained)
    assert all(0 < row["train_spread"] < 2 / math.sqrt(16) for row in trained)
    assert not any("train_top1_error" in row for row in written)
    result = store.read_result(config.parent)
    assert result is not None and result["status"] == "done"
    # The pixels of digits alone are enough for their neighbours; ten classes, one in ten by chance.
    assert result["test"]["top1_error"] < 40
    assert result["train"]["examples"] == 1437
    assert next(row for row in written if "test_loss" in row)["step"] == 12


@pytest.mark.process
def test_a_run_that_is_stopped_goes_on_bit_for_bit(make_run: MakeRun) -> None:
    whole, stopped = make_run("whole", VIEWS), make_run("stopped", VIEWS)
    assert start(whole) == 0
    with stopped_at(5):
        assert start(stopped) == 1
    assert any(name.startswith("beside.predictor") for name in held(stopped))
    assert start(stopped) == 0
    assert same(weights(whole), weights(stopped))
    assert rows(whole) == rows(stopped)
    one, other = (store.read_result(config.parent) for config in (whole, stopped))
    assert one is not None and other is not None
    assert (one["train"], one["test"]) == (other["train"], other["test"])


@pytest.mark.process
def test_a_head_is_trained_on_top_in_a_run_of_its_own(make_run: MakeRun) -> None:
    parent = make_run("views", VIEWS)
    assert start(parent) == 0
    child = make_run("probe", {"start": str(parent.parent), "trains": "head", "recipe.steps": 40})
    assert start(child) == 0
    begun = store.read_begun(child.parent)
    assert begun is not None
    assert (begun["head"], begun["new"], begun["left_out"]) == (
        "new",
        ["fc.weight", "fc.bias"],
        ["fc.bias", "fc.weight"],
    )
    mine, theirs = weights(child), weights(parent)
    trunk = [name for name in mine if name.startswith("net.") and ".fc." not in name]
    assert trunk and all(torch.equal(mine[name], theirs[name]) for name in trunk)


@pytest.mark.process
def test_neither_projector_nor_an_answer_is_read_from_its_weights(make_run: MakeRun) -> None:
    config = make_run("views", VIEWS)
    assert start(config) == 0
    net = load(config.parent)
    assert not any("projector" in name for name in net.state_dict())
    drawn = {name: value for name, value in held(config).items() if ".fc." in name}
    assert {name for name in drawn if name.startswith("net.")} == {"net.fc.weight", "net.fc.bias"}
    with pytest.raises(UserError, match=r"trained without labels.*start: and trains: head"):
        evaluate_file(config.parent)
    assert len(images_of_test(config.parent)) == 360  # its mistakes are those of its neighbours
    for reads in (
        lambda: draw("landscape", config.parent, None, Options()),
        lambda: write_sensitivity(config.parent, NOTHING, (0.5,)),
        lambda: start(
            make_run("kept", {"start": {"file": str(config.parent), "head": "kept"}}),
        ),
        lambda: start(make_run("kd", {"teacher": str(config.parent), "recipe.loss": "kd"})),
    ):
        with pytest.raises(UserError, match="trained without labels"):
            reads()


@pytest.mark.process
def test_features_that_saw_no_label_teach(make_run: MakeRun) -> None:
    parent = make_run("views", VIEWS)
    assert start(parent) == 0
    taught = {"teacher": str(parent.parent), "recipe.loss": "rkd", "recipe.steps": 4}
    assert start(make_run("rkd", {**taught, "recipe.schedule.milestones": [2, 3]})) == 0


EXACT = {
    "model.norm": "none",
    "precision": "64-true",
    "recipe": {
        **VIEWS["recipe"],
        "objective": {**VIEWS["recipe"]["objective"], "norm": "none"},
        "steps": 6,
        "batch_size": 36,
        "optimizer.lr": 0.01,
    },
}
"""No BatchNorm and float64: what processes change is the order of sums."""


@pytest.mark.process
def test_two_processes_train_what_one_does(make_run: MakeRun, repository: Path) -> None:
    one, two = make_run("one", EXACT), make_run("two", EXACT)
    assert start(one) == 0
    script = repository / "scripts" / "train.py"
    subprocess.run([sys.executable, script, two, "--devices=2"], check=True, capture_output=True)
    ours, theirs = held(one), held(two)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-9, atol=1e-12)
    for row, other in zip(rows(one), rows(two), strict=True):
        # The spread is over a process's own part of the batch.
        spreads = [each.pop("train_spread", 1) for each in (row, other)]
        assert spreads[0] == pytest.approx(spreads[1], rel=0.1)
        assert row == pytest.approx(other, rel=1e-5)
    results = [store.read_result(config.parent) for config in (one, two)]
    assert results[0] and results[1]
    for split in ("train", "test"):
        assert results[0][split] == pytest.approx(results[1][split], rel=1e-5)
    assert (one.with_name("wrong.bin")).read_bytes() == two.with_name("wrong.bin").read_bytes()
