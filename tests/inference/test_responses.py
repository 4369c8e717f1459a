"""Layer responses as He 2015, Fig. 7 reads them: behind the norm, before what comes then."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from reslab import build
from reslab.data.batches import Batch
from reslab.inference.responses import layer_responses


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def batches(images: Tensor, size: int) -> Iterator[Batch]:
    for part in images.split(size):
        yield part, torch.zeros(len(part), dtype=torch.int64)


def with_statistics(net: nn.Module) -> nn.Module:
    """In evaluation mode, with norms that are no identity."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean)
            nn.init.normal_(module.weight)
    return net.eval()


def spread(responses: Tensor) -> float:
    """Over images, channels and positions together, n in the denominator."""
    return float(responses.double().std(correction=0))


@torch.no_grad()
def test_a_response_is_what_the_norm_behind_a_3x3_convolution_puts_out(images: Tensor) -> None:
    net = with_statistics(build("resnet20"))
    found = layer_responses(net, batches(images, 6), 6)
    blocks = [f"layer{i}.{k}.conv{j}" for i in (1, 2, 3) for k in (0, 1, 2) for j in (1, 2)]
    assert list(found) == ["conv1", *blocks]
    stem = net.bn1(net.conv1(images))
    unit = net.layer1[0]
    first = unit.bn1(unit.conv1(stem.relu()))
    second = unit.bn2(unit.conv2(first.relu()))
    assert found["conv1"] == pytest.approx(spread(stem), rel=1e-9)
    assert found["layer1.0.conv1"] == pytest.approx(spread(first), rel=1e-6)
    assert found["layer1.0.conv2"] == pytest.approx(spread(second), rel=1e-6)


@torch.no_grad()
def test_where_the_addition_comes_before_a_norm_it_is_the_convolutions_output(
    images: Tensor,
) -> None:
    """Pre-activation: the first convolution has a norm behind it, the second has not."""
    net = with_statistics(build("preact_resnet20"))
    found = layer_responses(net, batches(images, 6), 6)
    unit, stem = net.layer1[1], net.layer1[0](net.relu1(net.bn1(net.conv1(images))))
    first = unit.bn2(unit.conv1(unit.relu1(unit.bn1(stem))))
    assert found["layer1.1.conv1"] == pytest.approx(spread(first), rel=1e-5)
    assert found["layer1.1.conv2"] == pytest.approx(spread(unit.conv2(first.relu())), rel=1e-5)


def test_parts_of_the_images_add_up_and_no_more_than_asked_for_are_seen(images: Tensor) -> None:
    net = with_statistics(build("resnet20"))
    whole = layer_responses(net, batches(images[:5], 5), 5)
    assert layer_responses(net, batches(images, 2), 5) == pytest.approx(whole, rel=1e-6)
    assert layer_responses(net, batches(images, 6), 6) != pytest.approx(whole, rel=1e-6)


def test_of_a_bottleneck_the_3x3_alone_are_read(images: Tensor) -> None:
    found = layer_responses(with_statistics(build("resnet50")), batches(images, 6), 6)
    assert len(found) == 16 and {name.rpartition(".")[2] for name in found} == {"conv2"}


@torch.no_grad()
def test_of_a_norm_with_an_activation_inside_it_is_the_norm_alone(images: Tensor) -> None:
    """timm's BatchNormAct2d."""
    from timm.layers import BatchNormAct2d

    conv, norm = nn.Conv2d(3, 4, 3), BatchNormAct2d(4)
    net = with_statistics(nn.Sequential(conv, norm))
    [response] = layer_responses(net, batches(images, 6), 6).values()
    plain = nn.functional.batch_norm(
        conv(images), norm.running_mean, norm.running_var, norm.weight, norm.bias
    )
    assert response == pytest.approx(spread(plain), rel=1e-6)
    assert response != pytest.approx(spread(net(images)), rel=1e-3)


def test_the_net_is_left_as_it_was(images: Tensor) -> None:
    net = with_statistics(build("resnet20"))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    layer_responses(net, batches(images, 6), 6)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
