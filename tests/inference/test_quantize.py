"""A net in int8: what it is made of, that it computes nearly the same, and what is refused."""

import platform

import pytest
import torch
from torch import nn

from reslab.config.zoo import describe
from reslab.data.modules import ImageData
from reslab.errors import UserError
from reslab.inference import quantize as module
from reslab.inference.quantize import bytes_of, calibration_images, obstacle_to_int8, quantize
from reslab.models.nets import build

needs_int8 = pytest.mark.skipif(obstacle_to_int8() is not None, reason=str(obstacle_to_int8()))
IMAGES = torch.randn(64, 1, 8, 8)


def net(name: str = "resnet8_w8") -> nn.Module:
    return build(describe(name)).eval()


@needs_int8
@torch.no_grad()
def test_logits_are_nearly_those_of_the_net_for_any_number_of_images() -> None:
    trained = net()
    made = quantize(trained, IMAGES)
    for count in (1, 5, 64):
        expected = trained(IMAGES[:count])
        difference = (made.graph(IMAGES[:count]) - expected).abs().max()
        assert 0 < difference < 0.1 * expected.abs().max()


@needs_int8
def test_every_convolution_and_linear_layer_is_in_int8() -> None:
    trained = net()
    layers = [m for m in trained.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    graph = quantize(trained, IMAGES).graph
    weights = [t for n, t in graph.state_dict().items() if n.startswith("_frozen_param")]
    assert {tuple(w.shape) for w in weights} == {tuple(m.weight.shape) for m in layers}
    assert len(weights) == len(layers) and {w.dtype for w in weights} == {torch.int8}


@needs_int8
def test_size_is_of_what_is_read() -> None:
    """A byte for each weight; for each output channel a bias and a scale, float32, and a zero
    point, int64: torchao's."""
    trained = net()
    layers = [m for m in trained.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    weights = sum(m.weight.numel() for m in layers)
    channels = sum(m.weight.shape[0] for m in layers)
    assert quantize(trained, IMAGES).bytes == weights + channels * (4 + 4 + 8)
    assert bytes_of(trained) > 4 * weights


@needs_int8
@pytest.mark.parametrize("has_vnni", [True, False])
def test_without_vnni_what_goes_into_layers_has_seven_bits(
    has_vnni: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: has_vnni)
    made = quantize(net(), IMAGES)
    assert made.as_dict()["reduce_range"] is not has_vnni
    nodes = [n for n in made.graph.graph.nodes if "quantize_per_tensor" in str(n.target)]
    assert {node.args[4] for node in nodes} == {255 if has_vnni else 127}


@needs_int8
def test_the_net_itself_stays_as_it_was() -> None:
    trained = net()
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    quantize(trained, IMAGES)
    assert all(torch.equal(tensor, before[n]) for n, tensor in trained.state_dict().items())


def test_scales_are_found_on_images_of_all_parts_of_the_training_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reslab.config.data import Data

    monkeypatch.setattr(module, "IMAGES", 100)
    data = ImageData(Data(name="digits"), None, "none", "32-true")
    data.setup()
    images = calibration_images(data)
    assert images.shape == (100, 1, 8, 8)
    everything = torch.cat([part for part, _ in data.evaluation(data.train)])
    assert torch.equal(images[0], everything[0])
    assert torch.equal(images[99], everything[99 * len(everything) // 100])


def test_without_torchao_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(UserError, match=r"torchao, which is not installed: pip install 'reslab\["):
        quantize(net(), IMAGES)


def test_other_processors_than_x86_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(UserError, match="int8 is for x86 processors; this one is aarch64"):
        quantize(net(), IMAGES)


@needs_int8
def test_a_net_that_cannot_be_exported_is_refused() -> None:
    class Undecided(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    with pytest.raises(UserError, match="torch cannot export the net, so there is no int8: "):
        quantize(Undecided(), IMAGES)
