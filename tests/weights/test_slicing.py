"""A net sliced to fewer filters computes what the whole one does with the others at zero."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reslab.config.nets import ResNet
from reslab.config.pruning import kept_by_stage
from reslab.config.start import Start
from reslab.config.zoo import describe
from reslab.models.nets import build
from reslab.models.units import Unit
from reslab.weights.slicing import largest_filters, sliced
from reslab.weights.starting import Loaded, put


def narrower(net: ResNet, keep: Any = (0.4, 0.7, 0.9)) -> ResNet:
    widths = kept_by_stage(net, keep if isinstance(keep, float) else list(keep))
    return ResNet.model_validate(net.model_dump() | {"inner_widths": widths})


def trained(described: ResNet) -> nn.Module:
    """In float64 and evaluation mode, with norms that are neither 0 nor 1."""
    torch.manual_seed(0)
    net = build(described).double().eval()
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1)
        elif value.dim() == 1 and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return net


def loaded_into(described: ResNet, tensors: dict[str, Tensor]) -> tuple[nn.Module, Loaded]:
    net = build(described).double()
    start = Start(name="akamaster:resnet56", loads="l1", head="kept")
    return net.eval(), put(net, described, tensors, start)


def zero_pruned(net: nn.Module, smaller: ResNet) -> None:
    """What the next convolution reads of the filters of the smallest L1 norm becomes 0."""
    units = [module for module in net.modules() if isinstance(module, Unit)]
    places = [(s, p) for s, number in enumerate(smaller.units) for p in range(number)]
    for unit, place in zip(units, places, strict=True):
        norms = unit.conv1.weight.abs().sum((1, 2, 3))
        gone = norms.argsort()[: len(norms) - smaller.inner_width(*place)]
        unit.conv2.weight.data[:, gone] = 0


ORDERS = {
    "original": "resnet20",
    "pre-activated": "preact_resnet20",
    "bottleneck": "preact_resnet164",
    "no norms": "skipinit_wrn_16_4",
    "fixup": "fixup_resnet56",
}


@torch.no_grad()
@pytest.mark.parametrize("name", ORDERS.values(), ids=ORDERS.keys())
def test_a_sliced_net_is_the_whole_one_with_the_pruned_channels_at_zero(name: str) -> None:
    """In float64, to 1e-12 of logits of about 1."""
    whole = describe(name).model_copy(update={"units": (2, 2, 2)})
    parent, smaller = trained(whole), narrower(whole)
    child, _ = loaded_into(smaller, parent.state_dict())
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = parent(images)
    zero_pruned(parent, smaller)
    after, found = parent(images), child(images)
    assert (found - after).abs().max() < 1e-12 * max(1.0, float(after.abs().max()))
    if whole.scaling not in ("skipinit", "fixup"):  # whose branches begin as 0
        assert not torch.allclose(before, after)


def test_a_sliced_net_has_the_parameters_of_its_description() -> None:
    smaller = narrower(describe("resnet20"))
    child, loaded = loaded_into(smaller, trained(describe("resnet20")).state_dict())
    assert child.layer1[0].conv1.weight.shape == (6, 16, 3, 3)
    assert child.layer1[0].bn1.running_mean.shape == (6,)
    assert child.layer1[0].conv2.weight.shape == (16, 6, 3, 3)
    assert not loaded.new and not loaded.left_out
    assert loaded.pruned[0] == "layer1.0.conv1: 6 of 16" and len(loaded.pruned) == 9
    assert any(
        "filters of the largest L1 norm: layer1.0.conv1: 6 of 16," in line
        for line in loaded.lines()
    )


def test_filters_stay_in_their_order_and_of_equal_ones_the_first_stay() -> None:
    weight = torch.tensor([1.0, -3.0, 0.5, 1.0]).view(4, 1, 1, 1)
    assert largest_filters(weight, 2).tolist() == [0, 1]
    assert largest_filters(weight, 3).tolist() == [0, 1, 3]


def test_what_is_pruned_can_be_pruned_again() -> None:
    """Once to half and then to a quarter leaves the filters of a quarter at once."""
    whole = describe("resnet20")
    parent = trained(whole).state_dict()
    half, quarter = narrower(whole, 0.5), narrower(whole, 0.25)
    between, _ = loaded_into(half, parent)
    twice, _ = loaded_into(quarter, between.state_dict())
    once, _ = loaded_into(quarter, parent)
    ours, theirs = twice.state_dict(), once.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_units_that_are_as_wide_as_they_should_be_stay_as_they_are() -> None:
    tensors = trained(describe("resnet20")).state_dict()
    found, told = sliced(tensors, tensors)
    assert not told and all(found[name] is tensors[name] for name in tensors)
