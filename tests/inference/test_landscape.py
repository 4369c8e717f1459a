"""A slice of the loss moves weights, and nothing else, by filters of the net's own norms."""

import pytest
import torch
from tests.inference.test_responses import with_statistics
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reslab import build
from reslab.inference.landscape import filter_normalized, loss_slice, random_direction, spaced


@pytest.fixture
def net() -> nn.Module:
    return with_statistics(build("resnet8_w8"))


@pytest.fixture
def batches() -> list[tuple[Tensor, Tensor]]:
    """Of unequal sizes."""
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([3, 1, 4, 1, 5])
    return list(zip(images.split(3), targets.split(3), strict=True))


def test_each_filter_of_a_direction_has_the_norm_of_the_nets_own(net: nn.Module) -> None:
    direction = random_direction(net, 0, 0)
    for name, moved in direction.items():
        norms = net.get_parameter(name).detach().flatten(1).norm(dim=1)
        torch.testing.assert_close(moved.flatten(1).norm(dim=1), norms)
    row = filter_normalized(
        torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[0, 10.0], [1, 0]])
    )
    torch.testing.assert_close(row, torch.tensor([[6.0, 8.0], [0.0, 1.0]]))


def test_convolutions_and_the_linear_layer_move_and_nothing_else(net: nn.Module) -> None:
    """No bias, no norm: Li's `ignore=biasbn`."""
    weights = {name for name, p in net.named_parameters() if p.dim() > 1}
    assert set(random_direction(net, 0, 0)) == weights
    assert {"conv1.weight", "fc.weight"} < weights


def test_directions_are_those_of_their_seed(net: nn.Module) -> None:
    def first(seed: int, which: int) -> Tensor:
        return random_direction(net, seed, which)["conv1.weight"]

    assert torch.equal(first(0, 0), first(0, 0))
    drawn = [first(seed, which) for seed in (0, 1) for which in (0, 1)]
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@torch.no_grad()
def test_a_point_is_the_loss_at_the_weights_moved_along_both(
    net: nn.Module, batches: list[tuple[Tensor, Tensor]]
) -> None:
    """β by rows, α by columns; in the middle the loss of the net itself."""
    found = loss_slice(net, batches, [-0.5, 0.0, 0.5], seed=4)
    images, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    middle = cross_entropy(net(images), targets)
    assert found["loss"][1][1] == pytest.approx(float(middle), rel=1e-5)
    wrong = (net(images).argmax(1) != targets).sum()
    assert found["top1_error"][1][1] == pytest.approx(20 * float(wrong))
    along, across = (random_direction(net, 4, which) for which in (0, 1))
    for name, parameter in net.named_parameters():
        if name in along:
            parameter += 0.5 * along[name] - 0.5 * across[name]
    moved = cross_entropy(net(images), targets)
    assert found["loss"][0][2] == pytest.approx(float(moved), rel=1e-5)
    assert found["loss"][2][0] != pytest.approx(float(moved), rel=1e-3)


def test_the_net_is_left_as_it_was(net: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Running statistics, too."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    loss_slice(net, batches, [-1.0, 0.0, 1.0], seed=0)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_coordinates_have_the_trained_weights_in_their_middle() -> None:
    assert spaced(5, 1.0) == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert spaced(3, 0.3) == [-0.3, 0.0, 0.3]
