"""Grad-CAM is what its paper says, and what captum makes of it."""

import pytest
import torch
from tests.inference.test_responses import with_statistics
from torch import Tensor, nn

from reslab import build
from reslab.errors import UserError
from reslab.inference.explain import beside, enlarged, grad_cam, overlay

CLASSES = torch.tensor([3, 0, 7, 3])


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net() -> nn.Module:
    return with_statistics(build("resnet20"))


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet20", "densenet_40_12", "resnet18"])
def test_a_map_is_that_of_captum(name: str, images: Tensor) -> None:
    """`LayerGradCam` with `relu_attributions`: (N, 1, h, w)."""
    from captum.attr import LayerGradCam

    net = with_statistics(build(name))
    found = grad_cam(net, images, CLASSES)
    assert len(found) >= 4
    for stage in [name for name in found if name != "stem"]:
        theirs = LayerGradCam(net, net.get_submodule(stage)).attribute(
            images, CLASSES, relu_attributions=True
        )
        torch.testing.assert_close(found[stage], theirs[:, 0], rtol=1e-4, atol=1e-6)


def test_before_a_linear_head_it_is_the_map_of_the_classs_weights(
    net: nn.Module, images: Tensor
) -> None:
    """Behind the last stage stand a mean and a linear layer: α is that layer's row, over h·w
    (Selvaraju 2017, Sec. 3.1: a generalisation of CAM)."""
    with torch.no_grad():
        trunk = net[: [name for name, _ in net.named_children()].index("layer3") + 1]
        last = trunk(images)
        expected = torch.einsum("nk,nkhw->nhw", net.fc.weight[CLASSES], last).relu() / 64
    found = grad_cam(net, images, CLASSES)["layer3"]
    assert found.shape == (4, 8, 8) and found.max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_net_of_which_nothing_trains_is_explained_as_any_other(
    net: nn.Module, images: Tensor
) -> None:
    expected = grad_cam(net, images, CLASSES)
    net.requires_grad_(False)
    with torch.no_grad():  # as `predict` calls it
        frozen = grad_cam(net, images, CLASSES)
    assert all(torch.equal(frozen[stage], cam) for stage, cam in expected.items())


def test_nothing_of_a_net_or_its_images_changes(net: nn.Module, images: Tensor) -> None:
    before, seen = {name: v.clone() for name, v in net.state_dict().items()}, images.clone()
    grad_cam(net, images, CLASSES)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(images, seen) and not images.requires_grad


def test_a_net_without_known_stages_is_refused(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 9))
    with pytest.raises(UserError, match="nobody says what its stages are"):
        grad_cam(net, images, CLASSES)


def test_small_images_are_enlarged_in_whole_pixels() -> None:
    image = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    large = enlarged(image)
    assert large.shape == (3, 224, 224)
    assert torch.equal(large[1, ::28, ::28], image[0])
    assert enlarged(torch.zeros(3, 224, 300, dtype=torch.uint8)).shape == (3, 224, 300)


def test_an_overlay_is_brightest_where_the_map_is_highest_and_dark_without_any() -> None:
    image = torch.full((3, 224, 224), 100, dtype=torch.uint8)
    cam = torch.zeros(7, 7)
    cam[0, 6] = 0.02
    brightness = overlay(image, cam).float().mean(0)
    assert brightness[:16, -16:].min() > brightness[100:, :100].max() + 100
    dark = overlay(image, torch.zeros(7, 7))
    assert dark.dtype == torch.uint8 and len(dark.flatten(1).unique(dim=1).T) == 1
    assert beside(image, cam).shape == (3, 224, 448)
