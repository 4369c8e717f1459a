"""Weights from files: anybody's, with exactly the error that their author reports."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reslab.config import describe
from reslab.errors import UserError
from reslab.models import build
from reslab.training.checkpoint import load, read_weights
from reslab.training.evaluate import Net, evaluate_file

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
            evaluate_file(file, *options)
    assert evaluate_file(file, "resnet8_w8", "digits", "channel").score.examples == 360
    with pytest.raises(UserError, match="does not say which net"):
        load(file)


def test_weights_that_do_not_fit_list_missing_and_unexpected_keys(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    tensors = build("resnet8_w8").state_dict()
    tensors["stranger"] = tensors.pop("fc.weight")
    torch.save(tensors, file)
    with pytest.raises(
        UserError, match=r"missing keys: fc.weight(.|\n)*unexpected keys: str"
    ) as at:
        evaluate_file(file, "resnet8_w8", "digits", "channel")
    assert str(at.value).startswith(f"{file}: the weights do not fit the net\n")


def test_a_net_for_other_images_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(build("resnet20").state_dict(), file)
    with pytest.raises(UserError, match=r"other shapes: conv1.weight is 16×3×3×3, the net's 16×1"):
        evaluate_file(file, "resnet20", "digits", "none")
    with pytest.raises(UserError, match="--normalization imagenet is for colour; digits is grey"):
        evaluate_file(file, "resnet20", "digits", "imagenet")


def test_a_runs_net_is_not_tested_on_images_of_other_kinds(digit_weights: Path) -> None:
    with pytest.raises(UserError, match="takes 1 channels to 10 classes; cifar10 has 3 and 10"):
        evaluate_file(digit_weights, data="cifar10")


def test_a_name_stands_for_the_net_with_the_datas_classes(tmp_path: Path) -> None:
    """That of weights for CIFAR-100 is resnet20 too; its images are missing here."""
    file = tmp_path / "weights.pt"
    hundred = describe("resnet20").model_copy(update={"classes": 100})
    torch.save(build(hundred).state_dict(), file)
    with pytest.raises(UserError, match=r"cifar100|cifar-100"):
        evaluate_file(file, "resnet20", "cifar100", "channel")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
@torch.no_grad()
def test_a_net_computes_as_in_its_training(precision: str) -> None:
    torch.manual_seed(0)
    module = build("resnet8_w8").eval()
    images = torch.randn(4, 1, 8, 8)
    expected = module(images)
    net = Net(module, precision)
    logits = net(images.to(net.dtype))
    assert logits.dtype == net.dtype == (torch.float64 if precision == "64-true" else torch.float32)
    assert torch.equal(logits, expected) == (precision == "32-true")
    torch.testing.assert_close(logits.float(), expected, rtol=0.05, atol=0.05)


class Payload:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.mkdir, ("unpickled",)  # type: ignore[return-value]


@pytest.mark.parametrize("content", ["pickle", "torch", "text", "empty", "list"])
def test_nothing_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "weights.pt"
    match content:
        case "pickle":
            file.write_bytes(pickle.dumps({"state_dict": Payload()}, protocol=2))
        case "torch":
            torch.save({"state_dict": Payload()}, file)
        case "text":
            file.write_text("no weights")
        case "empty":
            file.touch()
        case _:
            torch.save([1, 2], file)
    with pytest.raises(UserError, match=r"weights\.pt (cannot be read as weights|holds no state)"):
        read_weights(file)
    assert not (tmp_path / "unpickled").exists()


def test_a_missing_file_and_a_folder_without_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*none\.pt"):
        read_weights(tmp_path / "none.pt")
    with pytest.raises(UserError, match=r"there is no .*last\.ckpt"):
        read_weights(tmp_path)


def test_weights_of_a_run_that_is_unknown_here_are_refused_in_words(digit_weights: Path) -> None:
    about = read_weights(digit_weights)
    assert about.about is not None
    text = about.about.as_json().replace('"gate_bias"', '"gate_bios"')
    save_file(about.tensors, digit_weights, {"format": "pt", "reslab": text})
    with pytest.raises(UserError, match="the run that the weights are of: model"):
        read_weights(digit_weights)
