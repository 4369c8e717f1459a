"""A run that starts from other weights: loaded once, told, recorded, and kept at resume."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.python_nets import net, net_file
from tests.small_runs import SMALL, MakeRun, same, stopped_at, weights

from reslab import disk, load, store
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.training.beginning import begin_with
from reslab.training.start import start
from reslab.weights.about import About
from reslab.weights.files import Weights, read_weights
from reslab.weights.sources import Origin

SHORT = {"recipe.steps": 6, "recipe.schedule.milestones": [3, 4]}
STILL = {**SHORT, "recipe.optimizer.lr": 1e-30}
"""Weights that do not move: a step is below the last bit of each."""


def begun(config: Path) -> dict[str, Any]:
    return dict(json.loads(config.with_name(store.START).read_text()))


@pytest.mark.process
def test_a_run_begins_with_the_weights_of_its_start_and_says_so(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = make_run("parent", SHORT)
    start(parent)
    child = make_run("child", {**STILL, "start": str(parent.parent)})
    capsys.readouterr()
    start(child)
    mine, theirs = weights(child), weights(parent)
    trained = [name for name, value in mine.items() if value.is_floating_point()]
    for name in trained:
        if "running" not in name:
            assert torch.equal(mine[name], theirs[name]), "the head, too: the classes are the same"
    told = capsys.readouterr().out
    called = parent.parent.name
    assert f"starts from {called} (last.ckpt, SHA-256" in told and "tensors loaded" in told
    found = begun(child)
    assert found["origin"] == called and found["head"] == "kept" and not found["new"]
    assert store.read_begun(child.parent) == found
    assert store.read_begun(parent.parent) is None


@pytest.mark.process
def test_the_starts_normalization_is_the_runs_bit_for_bit_and_survives_resume(
    make_run: MakeRun, tmp_path: Path
) -> None:
    parent = make_run("parent", {**SHORT, "recipe.normalization": "pixel_mean"})
    start(parent)
    own = read_weights(parent.parent).about
    change = {**SHORT, "recipe.normalization": "start", "start": str(parent.parent)}
    child, whole = make_run("child", change), make_run("whole", change)
    with stopped_at(2):
        assert start(child) == 1
    (parent.parent / store.CHECKPOINT).rename(tmp_path / "gone")
    assert start(child) == 0, "at resume the origin is not needed"
    (tmp_path / "gone").rename(parent.parent / store.CHECKPOINT)
    start(whole)
    assert same(weights(child), weights(whole))
    about = read_weights(child.parent).about
    assert own is not None and about is not None
    assert torch.equal(about.normalization.mean, own.normalization.mean)
    assert begun(child)["normalization"]["kind"] == "pixel_mean"
    result = store.read_result(child.parent)
    assert result is not None
    assert evaluate_file(child.parent).score.wrong == result["test"]["wrong"]


@pytest.mark.process
def test_a_run_of_the_same_plan_is_found_beside_its_own_folder(make_run: MakeRun) -> None:
    parent = make_run("parent", SHORT)
    child = make_run("child", {**SHORT, "start": {"run": parent.parent.name[-10:], "head": "kept"}})
    with pytest.raises(UserError, match=r"parent-.* is pending in .*; train it first"):
        start(child)
    start(parent)
    assert start(child) == 0
    assert begun(child)["origin"] == f"run {parent.parent.name[-10:]}"


@pytest.mark.process
def test_a_grey_run_on_other_classes_starts_from_a_run_on_them(make_run: MakeRun) -> None:
    """Numbers said in the recipe are the run's, and the net that is loaded knows its classes."""
    numbers = {"mean": [0.25], "std": [0.5]}
    parent = make_run("parent", SHORT)
    start(parent)
    change = {"start": {"file": str(parent.parent), "head": "zeros"}, **SHORT}
    child = make_run("child", {**change, "recipe.normalization": numbers})
    start(child)
    assert set(begun(child)["new"]) == {"fc.weight", "fc.bias"}
    about = read_weights(child.parent).about
    assert about is not None
    told = Normalization.given([0.25], [0.5])
    assert torch.equal(about.normalization.mean, told.mean)
    assert load(child.parent)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


PRUNED = {**SHORT, "start.loads": "l1", "start.keep": [0.5, 0.75, 0.9]}


@pytest.mark.process
def test_a_run_that_begins_sliced_resumes_bit_for_bit_and_is_read_as_any(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = make_run("parent", SHORT)
    start(parent)
    change = {"start.file": str(parent.parent), **PRUNED}
    whole, cut = make_run("whole", change), make_run("cut", change)
    assert start(whole) == 0
    assert "filters of the largest L1 norm: layer1.0.conv1: 4 of 8, " in capsys.readouterr().out
    with stopped_at(2):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(cut), weights(whole))
    assert begun(cut)["pruned"] == begun(whole)["pruned"] != []
    assert begun(cut)["head"] == "kept"
    net = load(whole.parent)
    assert net.get_parameter("layer3.0.conv2.weight").shape == (32, 28, 3, 3)
    result = store.read_result(whole.parent)
    assert result is not None
    assert evaluate_file(whole.parent).score.wrong == result["test"]["wrong"]


def test_a_start_that_does_not_fit_is_recorded_as_the_runs_error(
    make_run: MakeRun, tmp_path: Path
) -> None:
    file = tmp_path / "other.pth"
    torch.save({"a.weight": torch.zeros(3, 3)}, file)
    config = make_run("a", {"start": str(file)})
    with pytest.raises(UserError, match=r"start: .*other\.pth: the weights do not fit the net"):
        start(config)
    message = disk.read_json(config.with_name(store.ERROR))["message"]
    assert "unexpected keys: a.weight" in message
    assert store.state(config.parent) == "crashed"


@pytest.mark.process
def test_a_run_that_starts_from_an_adapted_one_has_its_adapters_in_its_weights(
    make_run: MakeRun,
) -> None:
    adapter = {"name": "lora", "rank": 2}
    parent = make_run("parent", {**SHORT, "adapter": adapter, "trains": ["adapter", "head"]})
    start(parent)
    child = make_run("child", {**STILL, "start": str(parent.parent), "adapter": "none"})
    start(child)
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(
        weights(child)["net.conv1.weight"], load(parent.parent).state_dict()["conv1.weight"]
    )
    assert load(child.parent)(images).shape == (4, 10)


@pytest.mark.process
def test_what_was_adapted_and_what_trains_is_recorded_beside_what_was_loaded(
    make_run: MakeRun,
) -> None:
    parent = make_run("parent", SHORT)
    start(parent)
    adapter = {"name": "lora", "rank": 2, "kernels": "spatial"}
    change = {"start": str(parent.parent), "adapter": adapter, "trains": ["adapter", "head"]}
    child = make_run("child", {**SHORT, **change})
    start(child)
    found, net = begun(child), load(child.parent, keep_adapters=True)
    spatial = [name for name, layer in net.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    assert found["adapted"] == spatial, "3×3 each; its shortcuts have no weights"
    rewritten = [f"{name}.parametrizations.weight.0" for name in spatial]
    added = {f"{name}.lora_{part}" for name in rewritten for part in "AB"}
    assert set(found["trains"]) == {"fc.weight", "fc.bias", *added}
    whole = make_run("whole", {**SHORT, "start": str(parent.parent)})
    start(whole)
    assert begun(whole)["adapted"] == []
    assert begun(whole)["trains"] == [name for name, _ in load(whole.parent).named_parameters()]


def adapted_beside(file: Path) -> Weights:
    """What a file of weights says that is of an adapted net of one's own, whose code lies there."""
    tree = {"model": net(file), "adapter": {"name": "lora", "rank": 1}}
    about = About(resolve(merge(SMALL, tree), "here"), Normalization.given((0.5,), (1,)), NAMES)
    return Weights({}, about)


NAMES = tuple("0123456789")


@pytest.mark.parametrize("model", ["resnet8_w8", "python"])
def test_the_code_beside_weights_is_not_run_to_merge_them_but_where_it_is_the_runs(
    tmp_path: Path, model: str
) -> None:
    theirs = net_file(tmp_path / "theirs", f"raise SystemExit({tmp_path})\n")
    ours = net(net_file(tmp_path / "ours")) if model == "python" else model
    origin = Origin("theirs", tmp_path / "theirs.safetensors", "")
    config = resolve(merge(SMALL, {"model": ours}), "here")
    with pytest.raises(
        UserError,
        match=r"would be run to merge them.*merge first: .*export\.py WEIGHTS --to safetensors",
    ):
        begin_with(config, origin, adapted_beside(theirs))
    same = resolve(merge(SMALL, {"model": net(theirs)}), "here")
    with pytest.raises(UserError, match=r"my_nets\.py:1: "):
        begin_with(same, origin, adapted_beside(theirs))


@pytest.mark.process
def test_what_was_taken_of_a_file_with_two_nets_is_told(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = make_run("parent", SHORT)
    start(parent)
    tensors = {name.removeprefix("net."): value for name, value in weights(parent).items()}
    torch.save(
        {"state_dict": tensors, "state_dict_ema": dict(tensors)}, file := tmp_path / "two.pth"
    )
    start(make_run("child", {**STILL, "start": str(file)}))
    told = capsys.readouterr().out
    assert "took state_dict; to take what else it holds" in told
    assert "start.key: state_dict_ema" in told
