"""What is exported computes what the net computes, and says what it is."""

from pathlib import Path

import pytest
import torch
from tests.small_runs import write_weights

from reslab import load
from reslab.config.resolve import resolve
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference import export as exporting
from reslab.inference.export import CONVERTERS, Converter, example, export
from reslab.inference.formats import FORMATS
from reslab.inference.trained import trained
from reslab.weights.about import About


def test_safetensors_hold_the_weights_and_what_they_mean_bit_for_bit(digit_weights: Path) -> None:
    net, about = trained(digit_weights)
    again = digit_weights.with_name("again.safetensors")
    assert export(digit_weights, "safetensors", again) == 0
    same, told = trained(again)
    assert told.config == about.config
    assert told.class_names == tuple("abcdefghij")
    assert told.normalization.kind == "pixel_mean"
    assert torch.equal(told.normalization.mean, about.normalization.mean)
    assert torch.equal(told.normalization.std, about.normalization.std)
    images = example(about)
    assert torch.equal(same(images), net(images))
    assert not load(again).training


@pytest.mark.parametrize(
    "form",
    [
        "safetensors",
        "torchvision",
        # These import much, and take seconds.
        pytest.param("torch_export", marks=pytest.mark.process),
        pytest.param("onnx", marks=pytest.mark.process),
    ],
)
def test_every_format_computes_the_same_after_it_was_read_back(
    digit_weights: Path, form: str
) -> None:
    for package in FORMATS[form].needs:
        pytest.importorskip(package)
    row = FORMATS[form]
    file = digit_weights.with_name(f"out{row.suffix}")
    assert export(digit_weights, form, file) <= 1e-5
    net, about = trained(digit_weights)
    images = torch.rand(5, 1, 8, 8)  # more than it was made with
    torch.testing.assert_close(
        CONVERTERS[form].read(file, about)(images), net(images), rtol=1e-4, atol=1e-5
    )
    assert [path.name for path in digit_weights.parent.glob("*out*")] == [file.name]
    if form in METADATA:
        told = About.from_json(METADATA[form](file))
        assert told.class_names == about.class_names
        assert torch.equal(told.normalization.mean, about.normalization.mean)


def of_torch_export(file: Path) -> str:
    extra = {"reslab": ""}
    torch.export.load(str(file), extra_files=extra)
    return extra["reslab"]


def of_onnx(file: Path) -> str:
    import onnx

    [found] = [entry.value for entry in onnx.load(file).metadata_props if entry.key == "reslab"]
    return str(found)


METADATA = {"torch_export": of_torch_export, "onnx": of_onnx}


def test_a_file_that_computes_something_else_is_not_kept(
    digit_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = CONVERTERS["safetensors"]

    def read(file: Path, about: About) -> exporting.Function:
        net = right.read(file, about)
        return lambda images: net(images) * 1.01

    monkeypatch.setitem(CONVERTERS, "safetensors", Converter(right.write, read))
    file = digit_weights.with_name("wrong.safetensors")
    with pytest.raises(UserError, match="computes other logits than the net"):
        export(digit_weights, "safetensors", file)
    assert [path.name for path in digit_weights.parent.iterdir() if "wrong" in path.name] == []


def test_what_cannot_be_written_is_said_before(digit_weights: Path) -> None:
    with pytest.raises(UserError, match=r"the name of a onnx file ends in \.onnx"):
        export(digit_weights, "onnx", digit_weights.with_name("net.pt"))
    with pytest.raises(UserError, match="there is no folder"):
        export(digit_weights, "safetensors", digit_weights.parent / "nowhere" / "net.safetensors")


def test_missing_packages_are_named(digit_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnx, onnxscript, onnxruntime\n.*reslab\[export\]"):
        export(digit_weights, "onnx", digit_weights.with_name("net.onnx"))


@pytest.mark.process
def test_torchvisions_format_is_read_by_torchvision(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    tree = {"model": "resnet18", "data": "imagenet", "recipe": "he2015_imagenet"}
    imagenet = Normalization.fit("imagenet", torch.zeros(0, 3, 1, 1))
    names = tuple(f"class {label}" for label in range(1000))
    ours = write_weights(tmp_path / "ours.safetensors", resolve(tree, "here"), imagenet, names)
    theirs = tmp_path / "theirs.pth"
    export(ours, "torchvision", theirs)
    net = resnet18().eval()
    net.load_state_dict(torch.load(theirs, weights_only=True))
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(net(images), load(ours)(images))
