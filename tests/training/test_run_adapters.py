"""Runs of adapted nets: what trains and what stays, and that they go on where they were stopped."""

from typing import Any

import pytest
import torch
from tests.methods.adapted import ADAPTERS
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import load, store
from reslab.config.resolve import read_run
from reslab.inference.evaluate import evaluate_file
from reslab.inference.trained import trained
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.materialise import materialise
from reslab.training.start import start

pytestmark = pytest.mark.process

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def short(name: str) -> dict[str, Any]:
    """A run of an adapter that trains what it has, and the head; a mask has nothing."""
    trains = {} if name == "mask" else {"trains": ["adapter", "head"]}
    return {
        "recipe.steps": 12,
        "recipe.schedule.milestones": [6, 9],
        "adapter": {"name": name, **ADAPTERS[name]},
        **trains,
    }


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapted_run_ends_is_evaluated_and_goes_on_bit_for_bit(
    make_run: MakeRun, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut = (make_run(run, short(name)) for run in ("whole", "cut"))
    assert start(whole) == 0
    told = {"mask": "adapter mask: 5,", "prompt": "adapter prompt: 60 parameters more, at the b"}
    assert told.get(name, "parameters more, at 7 layers") in capsys.readouterr().out
    with stopped_at(5):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    result = store.read_result(whole.parent)
    assert result is not None
    assert evaluate_file(whole.parent).score.wrong == result["test"]["wrong"]
    net, _ = trained(whole.parent)
    assert result["params"] == sum(parameter.numel() for parameter in net.parameters())
    if name != "prompt":
        assert torch.allclose(load(whole.parent)(IMAGES), net(IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "mask"])
def test_where_the_adapter_and_the_head_train_all_else_stays_bit_for_bit(
    make_run: MakeRun, name: str
) -> None:
    """Running statistics included; every part of the adapter moves."""
    config = make_run("a", short(name))
    began = materialise(read_run(config)).state_dict(prefix="net.")
    assert start(config) == 0
    ended = weights(config)
    moved = {key for key, value in began.items() if not torch.equal(value, ended[key])}
    trains = {
        key for key in began if is_adapter_parameter(key.removeprefix("net.")) or ".fc." in key
    }
    assert moved == trains


def test_masked_weights_of_a_run_are_zero_at_its_end(make_run: MakeRun) -> None:
    """With momentum and weight decay."""
    config = make_run("a", short("mask"))
    began = materialise(read_run(config)).state_dict(prefix="net.")
    assert start(config) == 0
    ended = weights(config)
    masks = [key for key in began if key.endswith(".0.mask")]
    for key in masks:
        original = key.replace(".0.mask", ".original")
        assert torch.equal(ended[key], began[key])
        assert (ended[original][~ended[key]] == 0).all()
        assert (ended[original][ended[key]] != 0).all()
    assert len(masks) == 7


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapted_net_trains_in_mixed_precision(
    make_run: MakeRun, name: str, precision: str
) -> None:
    config = make_run("a", {**short(name), "precision": precision})
    assert start(config) == 0
    result = store.read_result(config.parent)
    assert result is not None
    assert result["status"] == "done"
    assert evaluate_file(config.parent).score.wrong == result["test"]["wrong"]
