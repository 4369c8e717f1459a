"""Training on a file of arrays: scikit-learn's digits, as somebody would save them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from tests.arrays import saved
from tests.small_runs import SMALL, MakeRun, same, stopped_at, weights

from reslab import store
from reslab.config.resolve import read_run, resolve
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.data.sources import open_part
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.inference.export import export
from reslab.inference.trained import trained
from reslab.training.start import start

pytestmark = pytest.mark.process

NAMES = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
SHORT = {"recipe.steps": 20, "recipe.schedule.milestones": [10, 15]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """600 of the digits, not split."""
    with np.load(Path(store.__file__).parents[1] / "data" / "digits.npz") as held:
        images, labels = (held["images"][:600] * 15).astype("uint8"), held["targets"][:600]
    return saved(tmp_path / "my.npz", images=images, labels=labels, classes=NAMES)


def tree(file: Path, **data: Any) -> dict[str, Any]:
    return {**SHORT, "data": {"name": "arrays", "file": str(file), "test_fraction": 0.25, **data}}


def test_a_run_goes_on_bit_for_bit_where_its_file_has_moved(file: Path, make_run: MakeRun) -> None:
    whole, cut = make_run("whole", tree(file)), make_run("cut", tree(file))
    assert start(whole) == 0
    with stopped_at(9):
        assert start(cut) == 1
    moved = file.rename(file.with_name("moved.npz"))
    with pytest.raises(UserError, match=f"data.file: there is no file {file} and no "):
        start(cut)
    store.make_folder(cut.parent, resolve(merge(SMALL, tree(moved)), "here"), {})
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    result = store.read_result(cut.parent)
    assert result is not None
    splits = open_part(read_run(cut).data)
    examples = [result[split]["examples"] for split in ("train", "test")]
    assert examples == [len(splits.train), len(splits.test)] and sum(examples) == 600


def test_the_weights_carry_what_the_file_says_and_not_where_it_lies(
    file: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    config = make_run("a", tree(file, classes=["drei", "vier", "fünf"], per_class=30))
    assert start(config) == 0
    data = read_run(config).data
    out = tmp_path / "out.safetensors"
    export(config.parent, "safetensors", out)
    about = trained(out)[1]
    assert about.class_names == ("drei", "vier", "fünf")
    fitted = Normalization.fit("channel", open_part(data).train.images)
    assert about.normalization.mean.equal(fitted.mean)
    with safe_open(out, "pt") as opened:
        assert str(tmp_path) not in opened.metadata()["reslab"]
    result = store.read_result(config.parent)
    assert result is not None
    assert evaluate_file(config.parent).score.wrong == result["test"]["wrong"]


@pytest.mark.slow
def test_two_processes_train_as_one_does(file: Path, make_run: MakeRun, repository: Path) -> None:
    """Without BatchNorm and in float64: what processes change is the order of sums."""
    exact = {"model.norm": "none", "precision": "64-true", "recipe.optimizer.lr": 0.01}
    whole, shared = (make_run(name, tree(file) | exact) for name in ("whole", "two"))
    for config, devices in ((whole, 1), (shared, 2)):
        words = [sys.executable, repository / "scripts" / "train.py", config]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        subprocess.run([*words, f"--devices={devices}"], env=environment, check=True, timeout=300)
    one, two = weights(whole), weights(shared)
    assert all(float((one[key] - two[key]).abs().max()) < 1e-12 for key in one)
