"""Adapted nets for use: merged into plain ones, unless their adapters are to be kept."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.conftest import DECODING
from tests.methods.adapted import ADAPTERS, moved, unlike_new
from tests.small_runs import SMALL, same
from torch import nn

from reslab import load
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.export import export
from reslab.inference.predict import predict
from reslab.inference.sensitivity import write_sensitivity
from reslab.inference.trained import trained
from reslab.methods.materialise import materialise
from reslab.weights.about import About
from reslab.weights.files import write_safetensors
from reslab.weights.given import NOTHING, Given

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def described(**fields: object) -> RunConfig:
    return resolve(merge(merge(SMALL, {}), fields), "a test")


@pytest.fixture(params=ADAPTERS)
def adapted_weights(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of an adapter, and a file of the weights of a run with it."""
    mean = torch.rand(1, 8, 8)
    normalization = Normalization("pixel_mean", mean, torch.ones(1, 1, 1))
    config, file = (
        described(adapter={"name": request.param, **ADAPTERS[request.param]}),
        tmp_path / "net.safetensors",
    )
    net = moved(materialise(config))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            unlike_new(layer)
    write_safetensors(file, net.state_dict(), About(config, normalization, tuple("abcdefghij")))
    return request.param, file


def test_what_is_loaded_is_merged_unless_the_adapters_are_kept(
    adapted_weights: tuple[str, Path],
) -> None:
    name, file = adapted_weights
    whole = load(file, keep_adapters=True)
    if name == "prompt":
        with pytest.raises(
            UserError, match=r"net\.safetensors: a prompt cannot .*; to keep the ad"
        ):
            load(file)
        return
    plain = load(file)
    assert set(plain.state_dict()) == set(materialise(described()).state_dict())
    assert torch.allclose(plain(IMAGES), whole(IMAGES), rtol=1e-5, atol=1e-5)
    assert not plain.training


@pytest.mark.parametrize("adapted_weights", ["prompt"], indirect=True)
def test_how_to_keep_adapters_is_told_where_they_can_be_kept(
    adapted_weights: tuple[str, Path],
) -> None:
    _, file = adapted_weights
    with pytest.raises(UserError, match=r"net\.safetensors: a prompt cannot be merged") as caught:
        write_sensitivity(file, NOTHING, (0.5,))
    assert "--keep-adapters" not in str(caught.value)


def test_what_is_exported_is_merged_unless_the_adapters_are_kept(
    adapted_weights: tuple[str, Path], tmp_path: Path
) -> None:
    name, file = adapted_weights
    whole, about = trained(file)
    kept, merged = tmp_path / "kept.safetensors", tmp_path / "merged.safetensors"
    assert export(file, "safetensors", kept, keep_adapters=True) == 0
    again, told = trained(kept)
    assert same(again.state_dict(), whole.state_dict())
    assert told.use == about.use
    with pytest.raises(UserError, match="torchvision has no names for adapters"):
        export(file, "torchvision", tmp_path / "kept.pth", keep_adapters=True)
    if name == "prompt":
        with pytest.raises(UserError, match="a prompt cannot be merged"):
            export(file, "safetensors", merged)
        return
    export(file, "safetensors", merged)
    plain, told = trained(merged)
    assert told.use.adapter is None
    assert torch.allclose(plain(IMAGES), whole(IMAGES), rtol=1e-5, atol=1e-5)
    export(file, "torchvision", tmp_path / "merged.pth")


@DECODING
def test_what_was_exported_names_images_as_the_run_does(
    adapted_weights: tuple[str, Path], tmp_path: Path
) -> None:
    name, file = adapted_weights
    pixels = torch.randint(0, 256, (8, 8), generator=torch.Generator().manual_seed(0))
    Image.fromarray(pixels.to(torch.uint8).numpy()).save(tmp_path / "digit.png")
    exported = tmp_path / "exported.safetensors"
    export(file, "safetensors", exported, keep_adapters=name == "prompt")
    words = [str(tmp_path / "digit.png")]
    [of_run] = predict(words, file, top=10).guesses.values()
    [of_file] = predict(words, exported, top=10).guesses.values()
    assert [label for label, _ in of_file] == [label for label, _ in of_run]
    assert [p for _, p in of_file] == pytest.approx([p for _, p in of_run], abs=1e-4)


@pytest.mark.process
@pytest.mark.parametrize("form", ["torch_export", "onnx"])
def test_a_computation_is_exported_with_its_adapters(
    adapted_weights: tuple[str, Path], tmp_path: Path, form: str
) -> None:
    _, file = adapted_weights
    suffix = {"torch_export": ".pt2", "onnx": ".onnx"}[form]
    assert export(file, form, tmp_path / f"net{suffix}", keep_adapters=True) <= 1e-4


def test_weights_of_an_adapted_net_are_not_a_plain_nets(adapted_weights: tuple[str, Path]) -> None:
    _, file = adapted_weights
    other = file.with_name("other.safetensors")
    save_file(load_file(file), other)
    said = Given(model="resnet8_w8", data="digits", normalization="none")
    with pytest.raises(UserError, match="do not fit the net"):
        trained(other, said)
