"""Whole nets: equal to torchvision's where it has them, trainable everywhere."""

from collections.abc import Callable, Iterable

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from reslab.config.costs import cost
from reslab.config.nets import Described
from reslab.config.words import ORDERS, SHORTCUTS
from reslab.config.zoo import ZOO, describe
from reslab.errors import UserError
from reslab.models.layers import Depths
from reslab.models.nets import build
from reslab.models.shortcuts import ScalarGated

pytestmark = pytest.mark.process

slow = pytest.mark.slow


def changed(name: str, **fields: object) -> Described:
    """A named net with other fields, validated."""
    net = describe(name)
    return type(net).model_validate(net.model_dump() | fields)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101",
                                  pytest.param("resnet152", marks=slow)])  # fmt: skip
def test_imagenet_nets_are_torchvisions_key_for_key_and_logit_for_logit(
    name: str, randomised: Callable[[str], nn.Module]
) -> None:
    ours = randomised(name)
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict(), assign=True)
    images = torch.randn(2, 3, 40, 40, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_resnet152_has_torchvisions_keys_and_shapes() -> None:
    with torch.device("meta"):
        ours, theirs = build("resnet152"), torchvision.models.resnet152()
    shapes = [
        {key: value.shape for key, value in net.state_dict().items()} for net in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]


def multiply_adds(name: str) -> int:
    return cost(ZOO[name].description, ZOO[name].image_size).multiply_adds


def big(name: str) -> bool:
    return multiply_adds(name) > 5e8


def marked(names: Iterable[str]) -> list[object]:
    """Deep and wide nets are left to the slow tests."""
    is_slow = {n: multiply_adds(n) > 2e9 or describe(n).layers > 120 for n in names}
    return [pytest.param(n, marks=slow) if is_slow[n] else n for n in names]


@pytest.mark.parametrize("name", marked([name for name in ZOO if not big(name)]))
def test_every_small_net_steps_on_images_of_its_own_shape(name: str) -> None:
    torch.manual_seed(0)
    description, size = ZOO[name].description, ZOO[name].image_size
    net = build(description)
    logits = net(torch.randn(2, description.in_channels, size, size))
    assert logits.shape == (2, description.classes)
    functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", marked([name for name in ZOO if big(name)]))
def test_every_big_net_steps_in_shape(name: str) -> None:
    """On torch's meta device: shapes are computed, numbers are not."""
    description, size = ZOO[name].description, ZOO[name].image_size
    with torch.device("meta"):
        net = build(description)
        logits = net(torch.empty(2, description.in_channels, size, size))
        assert logits.shape == (2, description.classes)
        functional.cross_entropy(logits, torch.zeros(2, dtype=torch.long)).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


TINY = {
    "bottlenecks": ("preact_resnet164", {"units": (2, 1, 1)}),
    "ResNeXt": ("resnext29_32x4d", {"widths": (16, 32, 64), "base_width": 16, "groups": 2,
                                    "stem_width": 16}),
    "wide": ("wrn_16_4", {"widths": (32, 64, 128), "dropout": 0.3}),
    "stochastic depth": ("stochdepth_resnet110", {"units": (2, 2, 2)}),
    "SE": ("se_preact_resnet110", {"units": (1, 1, 1), "se": 4}),
    "ResNet-D": ("resnet50d", {"units": (1, 1), "widths": (8, 16), "strides": (1, 2),
                               "stem_width": 16}),
    "Fixup": ("fixup_resnet110", {"units": (2, 1, 1)}),
    "Fixup, bottlenecks": ("fixup_resnet50", {"units": (1, 1), "widths": (8, 16), "strides": (1, 2),
                                              "stem_width": 16}),
    "SkipInit": ("skipinit_wrn_16_4", {"widths": (16, 32, 64)}),
    "ReZero": ("rezero_resnet56", {"units": (2, 1, 1)}),
    "Xception": ("xception", {"units": (1, 2), "widths": (16, 24), "strides": (2, 1),
                              "inner": ((8,), (16, 16)), "exit": (32,), "stem_width": 8}),
    "DenseNet": ("densenet_40_12", {"units": (2, 1), "dropout": 0.2}),
    "DenseNet-BC": ("densenet_bc_100_12", {"units": (2, 1)}),
    "zero-gamma": ("resnet20", {"units": (1, 1, 1), "zero_gamma": True}),
    "group norm, SiLU": ("resnet20", {"norm": "group", "activation": "silu"}),
    "layer norm, GELU": ("resnet20", {"norm": "layer", "activation": "gelu"}),
    "one-layer skips": ("resnet110_1layer", {"units": (2, 1, 1)}),
    "pyramid's unit": ("preact_resnet20", {"order": "no_first_activation_last_norm",
                                           "shortcut": "B", "projection_reads": "x"}),
    "pooled A": ("resnet20", {"shortcut": "A_pooled"}),
    "scaled": ("resnet20", {"shortcut": "scaled", "scale": (0.5, 0.5)}),
    "gated": ("resnet20", {"shortcut": "gated", "gate_bias": -6.0}),
    "scalar gated": ("resnet20", {"shortcut": "scalar_gated"}),
    "gated shortcut": ("resnet20", {"shortcut": "gated", "gate": "shortcut_only"}),
    "dropped": ("resnet20", {"shortcut": "dropout"}),
}  # fmt: skip


@pytest.mark.parametrize("family", TINY)
def test_every_family_learns_a_handful_of_images(family: str) -> None:
    """A few steps on eight images lower the loss: also where branches begin as zero."""
    torch.manual_seed(0)
    name, fields = TINY[family]
    net = build(changed(name, **fields))
    images, targets = torch.randn(8, 3, 32, 32), torch.arange(8) % 4
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    losses, drawn = [], Depths(net)
    for step in range(12):
        drawn.draw((0, step))
        loss = functional.cross_entropy(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("branch", ["basic", "bottleneck", "separable", "single"])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_combination_trains_all_its_parameters(
    order: str, shortcut: str, branch: str
) -> None:
    torch.manual_seed(0)
    fields = {"order": order, "shortcut": shortcut, "branch": branch, "units": (2, 2, 1)}
    net = build(changed("resnet8_w8", **fields))
    for layer in net.modules():
        if isinstance(layer, ScalarGated):
            layer.alpha.data.fill_(0.5)  # at 0, where it begins, branches have no gradient
    net(torch.randn(4, 1, 8, 8)).square().sum().backward()
    untrained = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert untrained == []


@pytest.mark.parametrize("size", [8, 28, 32, 33])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_any_image_size_and_channel_count_will_do(shortcut: str, size: int) -> None:
    net = build(changed("resnet8", in_channels=2, classes=7, shortcut=shortcut)).eval()
    assert net(torch.randn(3, 2, size, size)).shape == (3, 7)


def test_a_net_is_a_sequential_without_a_forward_of_its_own() -> None:
    net = build("resnet20")
    assert type(net) is nn.Sequential
    assert [name for name, _ in net.named_children()] == [
        "conv1", "bn1", "relu1", "layer1", "layer2", "layer3", "avgpool", "flatten", "fc",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "closing"),
    [
        ("original", []),
        ("relu_only_preactivation", ["closing_relu1"]),
        ("full_preactivation", ["closing_bn1", "closing_relu1"]),
    ],
)
def test_a_preactivation_net_closes_with_what_would_open_one_more_unit(
    order: str, closing: list[str]
) -> None:
    """He 2016, appendix: the last unit is followed by "an extra activation"."""
    children = [name for name, _ in build(changed("resnet20_w8", order=order)).named_children()]
    assert children[children.index("layer3") + 1 : children.index("avgpool")] == closing


def test_the_seed_decides_the_weights() -> None:
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        nets.append(build("resnet8_w8").conv1.weight)
    assert torch.equal(nets[0], nets[1]) and not torch.equal(nets[0], nets[2])


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no net is called 'resnet21'; did you mean resnet"):
        build("resnet21")
