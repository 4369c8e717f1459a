"""Runs of nets of one's own: the copy in the run's folder is what is trained, again and again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.python_nets import NET, net, net_file
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import disk, load, store
from reslab.config.resolve import read_run
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.training.start import start

pytestmark = pytest.mark.process

SHORT = {"recipe.steps": 12, "recipe.schedule.milestones": [6, 9]}

RESNET = """\
from torch import channels_last
from reslab import build
from reslab.config.zoo import describe


def resnet(name, classes, in_channels):
    sizes = {"classes": classes, "in_channels": in_channels}
    return build(describe(name).model_copy(update=sizes)).to(memory_format=channels_last)
"""
"""Ours, as somebody's; a net of one's own that is not put so has the usual order in memory."""


def test_a_net_that_is_one_of_ours_trains_as_ours_bit_for_bit(
    make_run: MakeRun, tmp_path: Path
) -> None:
    ours = make_run("ours", SHORT)
    model = net(net_file(tmp_path, RESNET), "resnet", name="resnet8_w8")
    theirs = make_run("theirs", {**SHORT, "model": model})
    assert (start(ours), start(theirs)) == (0, 0)
    assert same(weights(ours), weights(theirs))
    one, other = (store.read_result(run.parent) for run in (ours, theirs))
    assert one is not None
    assert other is not None
    costs = ("params", "multiply_adds", "train", "test", "normalization_batch")
    assert {key: one[key] for key in costs} == {key: other[key] for key in costs}


def test_a_run_goes_on_bit_for_bit_with_its_copy_wherever_it_lies(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """The original changes, then goes; the folder of the run moves."""
    file = net_file(tmp_path, NET)
    whole, cut = (make_run(name, {**SHORT, "model": net(file, width=4)}) for name in ("a", "b"))
    assert start(whole) == 0
    net_file(tmp_path, "raise SystemExit\n")
    with stopped_at(5):
        assert start(cut) == 1
    file.unlink()
    moved = Path(shutil.move(cut.parent, tmp_path / "else where" / cut.parent.name))
    assert (moved / "my_nets.py").read_text() == NET
    assert start(moved / store.CONFIG) == 0
    assert same(weights(whole), weights(moved / store.CONFIG))
    result = store.read_result(moved)
    assert result is not None
    assert evaluate_file(moved).score.wrong == result["test"]["wrong"]
    assert load(moved)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_copy_that_was_changed_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    config = make_run("a", {**SHORT, "model": net(net_file(tmp_path))})
    net_file(config.parent, NET + "#")
    with pytest.raises(UserError, match=r"my_nets.py is not the code of .*; undo the change"):
        start(config)
    assert store.state(config.parent) == "crashed"


def test_a_description_of_ones_own_gets_the_copy_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    """As `scripts/train.py my_run/run.yaml` is started: the path is from where one is."""
    monkeypatch.chdir(tmp_path)
    net_file(tmp_path)
    recipe = {"name": "digits", "steps": 3, "schedule": {"milestones": [2]}}
    tree = disk.to_json({"model": {"python": "my_nets.py:Net"}, "data": "digits", "recipe": recipe})
    own = tmp_path / "my_run" / "run.yaml"
    own.parent.mkdir()
    own.write_text(tree)
    assert start(own) == 0
    assert (own.parent / "my_nets.py").read_text() == NET


@pytest.mark.parametrize("trains", [["head"], ["norms", "biases"]], ids=str)
def test_a_part_trains_from_another_run_and_the_rest_stays_bit_for_bit(
    make_run: MakeRun, tmp_path: Path, trains: list[str]
) -> None:
    model = net(net_file(tmp_path))
    parent = make_run("parent", {**SHORT, "model": model})
    assert start(parent) == 0
    beginning = {"start": {"file": str(parent.parent), "head": "kept"}, "trains": trains}
    child = make_run("child", {**SHORT, "model": model, **beginning})
    assert start(child) == 0
    began, ended = weights(parent), weights(child)
    moved = {key for key in began if not torch.equal(began[key], ended[key])}
    head, norm = {"net.fc.weight", "net.fc.bias"}, {"net.norm.weight", "net.norm.bias"}
    assert moved == (head if trains == ["head"] else norm | {"net.fc.bias"})


NO_HEAD = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 10, 3)
        self.last = nn.Linear(3, 3)

    def forward(self, x):
        return self.conv(self.last(x.flatten(2)[..., :3])).mean(2)
"""


def test_a_head_that_nobody_finds_does_not_train(make_run: MakeRun, tmp_path: Path) -> None:
    model = net(net_file(tmp_path, NO_HEAD))
    config = make_run("a", {**SHORT, "model": model, "trains": "head"})
    with pytest.raises(UserError, match="trains: head: no layer is found that puts out the log"):
        start(config)


def test_an_adapted_net_of_ones_own_starts_another(make_run: MakeRun, tmp_path: Path) -> None:
    """Its adapters are merged by its own copy's code."""
    model: Any = net(net_file(tmp_path))
    lora = {"adapter": {"name": "lora", "rank": 1}, "trains": ["adapter", "head"]}
    parent = make_run("parent", {**SHORT, "model": model, **lora})
    assert start(parent) == 0
    child = make_run("child", {**SHORT, "model": model, "start": str(parent.parent)})
    assert start(child) == 0
    assert read_run(child).start is not None


EXACT = {
    "precision": "64-true",
    "recipe.batch_size": 36,
    "recipe.steps": 9,
    "recipe.schedule.milestones": [4, 7],
    "recipe.augmentation": {"crop_padding": 1},
}
"""As in test_group.py: what processes change is the order of sums; a GroupNorm sees one image."""


@pytest.mark.slow
def test_two_processes_train_it_as_one_does(
    make_run: MakeRun, tmp_path: Path, repository: Path
) -> None:
    """Whose original has gone: each has the copy."""
    file = net_file(tmp_path)
    whole, shared = (make_run(name, {**EXACT, "model": net(file)}) for name in ("one", "two"))
    file.unlink()
    for config, devices in ((whole, 1), (shared, 2)):
        command = [sys.executable, repository / "scripts" / "train.py", config]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, f"--devices={devices}"], check=True, env=environment)
    one, two = weights(whole), weights(shared)
    assert all(torch.allclose(one[key], two[key], rtol=1e-12, atol=1e-12) for key in one)
