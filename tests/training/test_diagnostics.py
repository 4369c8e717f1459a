"""A run that measures its net: what it keeps, and that it is the run which does not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, stopped_at
from tests.soak.compare import differences
from torch import nn

from reslab import load, store
from reslab.config.resolve import read_run
from reslab.data.modules import data_module
from reslab.inference.responses import layer_responses
from reslab.store.diagnostics import read_diagnostics
from reslab.training.diagnostics import gradient_norms, is_due
from reslab.training.start import start

LAYERS = ["conv1", *(f"layer{i}.0.conv{j}" for i in (1, 2, 3) for j in (1, 2)), "fc"]
"""Those of an 8-layer net that have weights."""

DROPS = {"model": {"name": "resnet8_w8", "dropout": 0.3, "survival": 0.5}}
"""A net that draws in training, from torch and from the run's own streams."""


def renamed(config: Path, name: str) -> Path:
    """The run folder under another's name, so that both can be compared."""
    folder = config.parents[1] / name / "run"
    folder.parent.mkdir()
    return config.parent.rename(folder)


@pytest.mark.process
@pytest.mark.parametrize(
    "kind",
    [{}, DROPS, {"precision": "64-true"}],
    ids=["a net", "dropout and stochastic depth", "float64"],
)
def test_measuring_changes_no_bit_of_a_run(make_run: MakeRun, kind: dict[str, Any]) -> None:
    """Metrics, result and every tensor of the checkpoint; the description says that it measures."""
    plain, measured = make_run("plain", kind), make_run("plain2", {**kind, "diagnostics": True})
    assert read_run(plain).run_id == read_run(measured).run_id
    assert start(plain) == start(measured) == 0
    one, other = renamed(plain, "one"), renamed(measured, "other")
    assert not (one / store.DIAGNOSTICS).exists() and read_diagnostics(other)
    assert list(differences([one], [other])) == ["run: last.ckpt: reslab.config"]


@pytest.mark.process
def test_a_run_keeps_gradients_from_its_first_step_to_its_last_and_final_responses(
    make_run: MakeRun,
) -> None:
    config = make_run("a", {"diagnostics": True})
    assert start(config) == 0
    *rows, last = read_diagnostics(config.parent)
    assert [row["step"] for row in rows] == [1, *range(2, 41, 2)]
    assert all(list(row["gradients"]) == LAYERS for row in rows)
    assert all(norm > 0 for row in rows for norm in row["gradients"].values())
    assert (last["step"], list(last["responses"])) == (40, LAYERS[:-1])
    data = data_module(read_run(config))
    data.setup()
    again = layer_responses(load(config.parent), data.val_dataloader(), 1000)
    assert last["responses"] == pytest.approx(again, rel=1e-5)


@pytest.mark.process
def test_a_resumed_run_measures_what_an_undisturbed_one_does(make_run: MakeRun) -> None:
    whole, cut = (make_run(name, {"diagnostics": True}) for name in ("whole", "cut"))
    start(whole)
    with stopped_at(9):
        assert start(cut) == 1
    assert len(read_diagnostics(cut.parent)) == 5
    assert start(cut) == 0
    assert read_diagnostics(cut.parent) == read_diagnostics(whole.parent)


@pytest.mark.process
def test_two_processes_measure_the_gradient_of_their_whole_batch(
    make_run: MakeRun, repository: Path
) -> None:
    """In float64 and without BatchNorm, as one does; and the responses to the same images."""
    kind = {"model.norm": "group", "precision": "64-true", "recipe.steps": 2, "diagnostics": True}
    kind["recipe.schedule.milestones"] = [1]
    one, two = make_run("one", kind), make_run("two", kind)
    command = [sys.executable, repository / "scripts" / "train.py"]
    subprocess.run([*command, one], check=True, capture_output=True)
    subprocess.run([*command, two, "--devices=2"], check=True, capture_output=True)
    alone, together = read_diagnostics(one.parent), read_diagnostics(two.parent)
    assert len(alone) == len(together) == 3
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys() and a["step"] == b["step"]
        kind_of = "gradients" if "gradients" in a else "responses"
        assert b[kind_of] == pytest.approx(a[kind_of], rel=1e-9)


def test_about_twenty_steps_are_measured_the_first_and_the_last_among_them() -> None:
    def due(steps: int) -> list[int]:
        return [step for step in range(1, steps + 1) if is_due(step, steps)]

    assert due(3) == [1, 2, 3]
    assert due(64_000) == [1, *range(3200, 64_001, 3200)]
    assert due(101) == [1, *range(6, 101, 6), 101]


def test_a_gradient_norm_is_that_of_the_weight_of_a_layer_that_trains() -> None:
    """L = sum of w·x over the batch: ∂L/∂w = Σx. A frozen layer and a bias have none."""
    net = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    net[0].weight.requires_grad_(False)
    images = torch.tensor([[1.0, 2.0], [2.0, 2.0]])
    hidden = net[0](images)
    net(images).sum().backward()
    assert gradient_norms(net[1:]) and gradient_norms(net[:1]) == {}
    assert gradient_norms(net) == {"1": pytest.approx(abs(float(hidden.detach().sum())), rel=1e-6)}
