"""Weights of anybody's are evaluated, with exactly the error that their author reports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.inference.evaluate import as_trained, evaluate_file
from reslab.inference.trained import load
from reslab.models.nets import build
from reslab.weights.given import Given

AKAMASTER = "resnet20-12fca82f.th"


@pytest.mark.process
@pytest.mark.slow
def test_akamasters_resnet20_gets_827_of_10000_wrong(
    require_data: Callable[[str], Path], shared_data: Path, repository: Path
) -> None:
    """github.com/akamaster/pytorch_resnet_cifar10 reports a test error of 8.27 %."""
    require_data("cifar10")
    weights = shared_data / "weights" / AKAMASTER
    options = ["--model=resnet20", "--data=cifar10", "--normalization=imagenet", "--json"]
    done = subprocess.run(
        [sys.executable, repository / "scripts" / "evaluate.py", f"--weights={weights}", *options],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    score = json.loads(done.stdout)
    assert (score["examples"], score["wrong"], score["top1_error"]) == (10_000, 827, 8.27)


def test_foreign_weights_must_be_told_their_net_data_and_normalization(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(build("resnet8_w8").state_dict(), file)
    for options, missing in (
        ((None, None, None), "model"),
        (("resnet8_w8", None, None), "data"),
        (("resnet8_w8", "digits", None), "normalization"),
    ):
        with pytest.raises(UserError, match=f"does not say its {missing}; add --{missing}"):
            evaluate_file(file, Given(*options))
    assert evaluate_file(file, Given("resnet8_w8", "digits", "channel")).score.examples == 360
    with pytest.raises(UserError, match="does not say its model; add --model"):
        load(file)


def test_weights_that_do_not_fit_list_missing_and_unexpected_keys(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    tensors = build("resnet8_w8").state_dict()
    tensors["stranger"] = tensors.pop("fc.weight")
    torch.save(tensors, file)
    with pytest.raises(
        UserError, match=r"missing keys: fc.weight(.|\n)*unexpected keys: str"
    ) as at:
        evaluate_file(file, Given("resnet8_w8", "digits", "channel"))
    assert str(at.value).startswith(f"{file}: the weights do not fit the net\n")


def test_a_net_for_other_images_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(build("resnet20").state_dict(), file)
    with pytest.raises(UserError, match=r"other shapes: conv1.weight is 16×3×3×3, the net's 16×1"):
        evaluate_file(file, Given("resnet20", "digits", "none"))
    with pytest.raises(UserError, match="--normalization imagenet is for colour; digits is grey"):
        evaluate_file(file, Given("resnet20", "digits", "imagenet"))


def test_a_runs_net_is_not_tested_on_images_of_other_kinds(digit_weights: Path) -> None:
    with pytest.raises(UserError, match="takes 1 channels to 10 classes; cifar10 has 3 and 10"):
        evaluate_file(digit_weights, Given(data="cifar10"))


def test_a_name_stands_for_the_net_with_the_datas_classes(tmp_path: Path) -> None:
    """That of weights for CIFAR-100 is resnet20 too; its images are missing here."""
    file = tmp_path / "weights.pt"
    hundred = describe("resnet20").model_copy(update={"classes": 100})
    torch.save(build(hundred).state_dict(), file)
    with pytest.raises(UserError, match=r"cifar100|cifar-100"):
        evaluate_file(file, Given("resnet20", "cifar100", "channel"))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", "64-true"])
@torch.no_grad()
def test_a_net_computes_as_in_its_training(precision: str) -> None:
    torch.manual_seed(0)
    module = build("resnet8_w8").eval()
    images = torch.randn(4, 1, 8, 8)
    expected = module(images)
    dtype = torch.float64 if precision == "64-true" else torch.float32
    logits = as_trained(module, precision)(images.to(dtype))
    assert logits.dtype == dtype
    assert torch.equal(logits, expected) == (precision == "32-true")
    torch.testing.assert_close(logits.float(), expected, rtol=0.05, atol=0.05)
