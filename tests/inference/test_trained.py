"""`load`: a trained net, as plain PyTorch, from a run or a file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.small_runs import MakeRun

import reslab
from reslab import store
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.training.start import start


@pytest.mark.process
def test_the_net_that_is_loaded_makes_the_errors_of_the_result(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    net = reslab.load(config.parent)
    assert not net.training
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    result = store.read_result(config.parent)
    assert result is not None
    assert evaluate_file(config.parent).score.wrong == result["test"]["wrong"]


def test_a_net_that_nobody_names_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "theirs.safetensors"
    save_file({"module.linear.bias": torch.ones(10)}, file)
    with pytest.raises(UserError, match="does not say its model; add --model"):
        reslab.load(file)
