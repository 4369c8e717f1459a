"""Weights of the first lowest error on the held-out images: through kills, and wherever read."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, same, stopped_at, weights
from tests.training.test_group import distance

from reslab import load, store
from reslab.inference.evaluate import evaluate_file, evaluate_run
from reslab.inference.export import export
from reslab.store.wrong import read_wrong
from reslab.training.start import start

CHOOSING = {
    "data": {"name": "digits", "holdout": 237, "tested_on": "test", "selected_on": "holdout"},
    "recipe.batch_size": 120,
    "recipe.steps": 64,
    "recipe.optimizer.lr": 1.0,
    "recipe.schedule": {"name": "constant", "milestones": []},
}
"""1,200 images are ten steps; a rate at which the last error is not the lowest."""


def chosen(config: Path) -> dict[str, torch.Tensor]:
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    return dict(held["selected"]["weights"])


def result_of(config: Path) -> dict[str, Any]:
    result = store.read_result(config.parent)
    assert result is not None
    return {key: value for key, value in result.items() if key != "seconds"}


@pytest.fixture
def done(make_run: MakeRun) -> Path:
    config = make_run("whole", CHOOSING)
    assert start(config) == 0
    return config


@pytest.mark.process
def test_the_first_lowest_error_chooses_and_every_reader_takes_its_weights(
    done: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    rows = [row for row in store.read_metrics(done.parent) if "holdout_loss" in row]
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60, 64]
    errors = [float(row["holdout_top1_error"] or 0) for row in rows]
    first = rows[errors.index(min(errors))]["step"]
    result = result_of(done)
    assert (result["selected_step"], result["step"], result["split"]) == (first, 64, "test")
    assert first != 64
    there = make_run("there", {**CHOOSING, "recipe.steps": first})  # the rate is constant
    start(there)
    at_that_step = {name.removeprefix("net."): value for name, value in weights(there).items()}
    assert same(chosen(done), at_that_step)
    assert same(load(done.parent).state_dict(), at_that_step)
    file = tmp_path / "net.safetensors"
    export(done.parent, "safetensors", file)
    assert same(load(file).state_dict(), at_that_step)
    assert read_wrong(done.parent).sum() == result["test"]["wrong"]
    for score in (evaluate_file(done.parent).score, evaluate_file(file).score):
        assert score.wrong == result["test"]["wrong"]
    assert result["test"]["examples"] == 360 and result["train"]["examples"] == 1200


@pytest.mark.process
def test_a_run_that_is_cut_chooses_the_same_weights(done: Path, make_run: MakeRun) -> None:
    """Cut before the first epoch's end, right at one, and behind the one that is chosen."""
    cut = make_run("cut", CHOOSING)
    for step in (4, 20, 62):
        with stopped_at(step):
            assert start(cut) == 1
    assert start(cut) == 0
    assert same(chosen(done), chosen(cut)) and same(weights(done), weights(cut))
    assert result_of(done) == result_of(cut)
    assert store.read_metrics(done.parent) == store.read_metrics(cut.parent)


@pytest.mark.process
def test_a_run_that_is_killed_chooses_the_same_weights(
    done: Path, make_run: MakeRun, repository: Path
) -> None:
    cut = make_run("cut", CHOOSING)
    with stopped_at(23):
        start(cut)
    process = subprocess.Popen([sys.executable, repository / "scripts" / "train.py", cut])
    deadline = time.monotonic() + 300
    while store.last_step(cut.parent) < 31 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert start(cut) == 0
    assert same(chosen(done), chosen(cut))
    assert result_of(done) == result_of(cut)


@pytest.mark.process
def test_choosing_changes_no_step_of_the_training(done: Path, make_run: MakeRun) -> None:
    data = {"name": "digits", "holdout": 237, "tested_on": "test"}
    plain = make_run("plain", {**CHOOSING, "data": {**data}, "data.selected_on": "none"})
    assert start(plain) == 0
    assert same(weights(done), weights(plain))
    assert "selected_step" not in result_of(plain)


@pytest.mark.slow
def test_two_processes_choose_what_one_chooses(make_run: MakeRun, repository: Path) -> None:
    tree = {**CHOOSING, "model.norm": "none", "precision": "64-true", "recipe.steps": 54}
    tree |= {"recipe.optimizer.lr": 0.1}
    one, two = make_run("one", tree), make_run("two", tree)
    assert start(one) == 0
    train = repository / "scripts" / "train.py"
    subprocess.run([sys.executable, train, two, "--devices=2"], check=True)
    assert result_of(one)["selected_step"] == result_of(two)["selected_step"]
    assert distance(chosen(one), chosen(two)) < 1e-8  # the order of sums
    assert result_of(one)["test"]["wrong"] == result_of(two)["test"]["wrong"]


def test_views_of_a_run_are_of_the_chosen_weights(done: Path) -> None:
    assert evaluate_run(done.parent, "center").score.wrong == result_of(done)["test"]["wrong"]
