"""Checkpoints hold tensors and plain values, and say what they are about; others are refused."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tests.small_runs import MakeRun

from reslab import store
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.trained import trained
from reslab.training.start import start
from reslab.weights.about import About
from reslab.weights.files import read_weights, write_safetensors


@pytest.mark.process
def test_checkpoints_hold_tensors_and_plain_values_only(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    about = held["reslab"]
    assert json.loads(about["config"])["recipe"]["steps"] == 40
    assert about["normalization"]["kind"] == "channel"
    assert about["class_names"] == [str(i) for i in range(10)]
    assert not list(config.parent.glob(".*")), "temporary files are left behind"


@pytest.fixture
def whitened(digit_weights: Path) -> About:
    images = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8)
    return replace(trained(digit_weights)[1], normalization=Normalization.fit("gcn_zca", images))


def test_a_whitening_travels_bit_for_bit(whitened: About) -> None:
    images = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8)
    told = About.from_json(whitened.as_json()).normalization
    assert torch.equal(told(images), whitened.normalization(images))
    assert told.kind == "gcn_zca"


def test_a_whitening_is_a_tensor_of_the_file_and_none_of_the_nets(
    digit_weights: Path, whitened: About
) -> None:
    """Of (3, 32, 32) images it has 38 MB, 50 MB as text in a header that is parsed as a whole."""
    net = read_weights(digit_weights).tensors
    write_safetensors(digit_weights, net, whitened)
    with safe_open(digit_weights, framework="pt") as file:
        assert set(file.keys()) - net.keys() == {"reslab.normalization.whitening"}
        assert len(file.metadata()["reslab"]) < 10_000
    again = read_weights(digit_weights)
    assert again.tensors.keys() == net.keys() and again.about is not None
    told = again.about.normalization.whitening
    assert told is not None and whitened.normalization.whitening is not None
    assert torch.equal(told, whitened.normalization.whitening)


def test_a_whitening_in_the_metadata_is_read_as_versions_before_wrote_it(
    digit_weights: Path, whitened: About
) -> None:
    net = read_weights(digit_weights).tensors
    save_file(net, digit_weights, {"format": "pt", "reslab": whitened.as_json()})
    about = read_weights(digit_weights).about
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    assert about is not None
    assert torch.equal(about.normalization(images), whitened.normalization(images))


@pytest.mark.parametrize(
    ("whitening", "message"),
    [
        ({}, "'gcn_zca' without its whitening"),
        ({"reslab.normalization.whitening": torch.ones(2, 2)}, "whitening is 2×2; the images are"),
        ({"reslab.normalization.whitening": torch.ones(64, 64).half()}, "whitening is not all"),
    ],
)
def test_a_whitening_that_lacks_or_does_not_fit_is_refused(
    digit_weights: Path, whitened: About, whitening: dict[str, torch.Tensor], message: str
) -> None:
    net = read_weights(digit_weights).tensors
    write_safetensors(digit_weights, net, whitened)
    with safe_open(digit_weights, framework="pt") as file:
        metadata = file.metadata()
    save_file({**net, **whitening}, digit_weights, metadata)
    with pytest.raises(UserError, match=message):
        read_weights(digit_weights)


def test_safetensors_of_others_are_weights_that_do_not_say_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "theirs.safetensors"
    save_file({"module.linear.bias": torch.ones(10)}, file)
    weights = read_weights(file)
    assert weights.about is None
    assert list(weights.tensors) == ["fc.bias"]


def test_a_torn_safetensors_file_is_named(digit_weights: Path) -> None:
    digit_weights.write_bytes(digit_weights.read_bytes()[:-1])
    with pytest.raises(
        UserError, match=r"net\.safetensors cannot be read as weights: it is no whole safetensors"
    ):
        read_weights(digit_weights)


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
    with pytest.raises(UserError, match=r"weights\.pt cannot be read as weights: "):
        read_weights(file)
    assert not (tmp_path / "unpickled").exists()


def test_a_missing_file_and_a_folder_without_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*none\.pt; expected a run's folder or"):
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
