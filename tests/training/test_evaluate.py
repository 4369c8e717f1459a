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

from reslab.errors import UserError
from reslab.models import build
from reslab.training.checkpoint import load, read_weights
from reslab.training.evaluate import evaluate_file

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
    with pytest.raises(UserError, match=r"missing keys: fc.weight(.|\n)*unexpected keys: stranger"):
        evaluate_file(file, "resnet8_w8", "digits", "channel")


def test_a_net_for_other_images_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(build("resnet20").state_dict(), file)
    with pytest.raises(UserError, match="takes 3 channels to 10 classes; digits has 1 and 10"):
        evaluate_file(file, "resnet20", "digits", "none")


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
