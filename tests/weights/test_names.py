"""State dicts of other code under our names, and what is said when they do not fit."""

import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from reslab.config.zoo import ZOO
from reslab.errors import UserError
from reslab.models.nets import build
from reslab.weights.names import fit, from_torchvision, to_torchvision, translate, under_names

AKAMASTER = Path(__file__).parents[2].parent / "shared/data/weights/resnet20-12fca82f.th"


def test_weights_of_akamasters_resnet20_fit() -> None:
    """github.com/akamaster/pytorch_resnet_cifar10: saved from DataParallel, classifier `linear`."""
    if not AKAMASTER.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{AKAMASTER} is missing")
        pytest.skip(f"{AKAMASTER} is not at hand")
    theirs = torch.load(AKAMASTER, map_location="cpu", weights_only=True)["state_dict"]
    net = fit(build("resnet20"), translate(theirs))
    assert torch.equal(net.fc.weight, theirs["module.linear.weight"])
    assert torch.equal(net.layer3[2].bn2.running_var, theirs["module.layer3.2.bn2.running_var"])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("module.conv1.weight", "conv1.weight"),
        ("_orig_mod.module.linear.bias", "fc.bias"),
        ("layer2.0.shortcut.1.running_mean", "layer2.0.downsample.1.running_mean"),
        ("layer1.0.bn2.weight", "layer1.0.bn2.weight"),
        ("model.conv1.weight", "conv1.weight"),
        ("net.conv1.weight", "conv1.weight"),
        ("backbone.conv1.weight", "conv1.weight"),
        ("module.model._orig_mod.backbone.net.conv1.weight", "conv1.weight"),
    ],
)
def test_keys_are_translated(theirs: str, ours: str) -> None:
    assert list(translate({theirs: torch.zeros(1)})) == [ours]


WHOLE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "akamaster": ({}, {"fc.": "module.linear."}),
    "kuangliu": ({"shortcut": "B"}, {"fc.": "linear.", ".downsample.": ".shortcut."}),
    "chenyaofo": ({"shortcut": "B"}, {}),
    "torchvision": ({"shortcut": "B", "stem": "7x7_pool"}, {}),
}
"""What their nets have that ours by default have not, and what they call otherwise than we."""


@pytest.mark.parametrize("code", WHOLE)
def test_a_whole_net_is_found_under_the_names_that_others_give_it(code: str) -> None:
    """github.com/akamaster/pytorch_resnet_cifar10 (saved from DataParallel), kuangliu's
    pytorch-cifar, chenyaofo's pytorch-cifar-models, torchvision."""
    fields, renames = WHOLE[code]
    described = ZOO["resnet8_w8"].description.model_copy(update=fields)
    ours = build(described).state_dict()
    theirs = {}
    for key, value in ours.items():
        for own, other in renames.items():
            key = key.replace(own, other)
        theirs[key] = value + 1
    net = fit(build(described), under_names(ours, translate(theirs)))
    assert all(torch.equal(value, ours[key] + 1) for key, value in net.state_dict().items())


def test_translated_own_weights_are_the_same_weights() -> None:
    weights = build("resnet8_w8").state_dict()
    assert list(translate(weights)) == list(weights)
    fit(build("resnet8_w8"), weights)


def test_weights_that_do_not_fit_are_listed_and_change_nothing() -> None:
    net, weights = build("resnet8_w8"), build("resnet8_w8").state_dict()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    weights["linear.bias"] = weights.pop("fc.bias")
    weights["conv1.weight"] = torch.zeros(8, 3, 3, 3)
    with pytest.raises(UserError) as caught:
        fit(net, weights)
    text = str(caught.value)
    assert "missing keys: fc.bias" in text
    assert "unexpected keys: linear.bias" in text
    assert "conv1.weight is 8×3×3×3, the net's 8×1×3×3" in text
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_weights_of_another_net_are_listed_briefly() -> None:
    with pytest.raises(UserError, match=r"unexpected keys: .* and \d+ more"):
        fit(build("resnet8"), build("resnet20").state_dict())


def test_weights_from_before_num_batches_tracked_fit() -> None:
    weights = build("resnet8_w8").state_dict()
    old = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    fit(build("resnet8_w8"), old)


@pytest.mark.process
@pytest.mark.parametrize("name", ["resnet20", "resnext29_32x4d", "densenet_bc_100_12",
                                  "densenet_40_12"])  # fmt: skip
def test_weights_travel_to_torchvisions_names_and_back(name: str) -> None:
    weights = build(name).state_dict()
    back = from_torchvision(build(name), to_torchvision(weights))
    assert list(back) == list(weights)
    assert all(back[key] is value for key, value in weights.items())
    fit(build(name), back)


@pytest.mark.process
def test_names_that_torchvision_has_not_are_left_for_fit_to_refuse() -> None:
    net = build("densenet_40_12")
    assert list(from_torchvision(net, {"features.denseblock9.x": torch.zeros(1)})) == [
        "features.denseblock9.x"
    ]


def test_two_nets_in_one_state_dict_are_not_mixed() -> None:
    with pytest.raises(UserError, match=r"net\.fc\.bias and model\.fc\.bias are one name"):
        translate({"net.fc.bias": torch.zeros(1), "model.fc.bias": torch.zeros(1)})


class Wrapped(torch.nn.Module):
    """A net whose own names look like those that other code puts before ours."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Linear(2, 3)
        self.linear = torch.nn.Linear(3, 1)


def test_names_that_a_net_has_itself_are_its_own() -> None:
    weights = Wrapped().state_dict()
    net = fit(Wrapped(), translate(weights))
    assert torch.equal(net.backbone.weight, weights["backbone.weight"])
    assert torch.equal(fit(Wrapped(), weights).linear.bias, weights["linear.bias"])


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("key", ["conv1.weight", "bn1.running_var"])
def test_weights_that_are_not_finite_are_refused(key: str, number: float) -> None:
    weights = build("resnet8_w8").state_dict()
    weights[key].view(-1)[1] = number
    with pytest.raises(UserError, match=rf"not finite \(NaN or infinite\): 1 of \d+ in {key}"):
        fit(build("resnet8_w8"), weights)


def test_numbers_of_another_kind_are_refused() -> None:
    weights = build("resnet8_w8").state_dict()
    weights["fc.bias"] = weights["fc.bias"].to(torch.complex64)
    weights["conv1.weight"] = weights["conv1.weight"].to(torch.int8)
    with pytest.raises(UserError, match=r"kinds of numbers: conv1.weight is int8, .*complex64"):
        fit(build("resnet8_w8"), weights)


def test_half_precision_fits() -> None:
    halves = {k: v.half() if v.is_floating_point() else v
              for k, v in build("resnet8_w8").state_dict().items()}  # fmt: skip
    assert fit(build("resnet8_w8"), halves).fc.weight.dtype == torch.float32


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50_gn", "seresnet50", "resnet50c", "resnet50d", "densenet121"],
)
def test_timms_names_of_a_nets_parts_are_found(name: str) -> None:
    """A deep stem is one Sequential there; squeeze and excitation is called se."""
    with torch.device("meta"):
        ours = build(name).state_dict()
        theirs = timm.create_model(name).state_dict()
    found = under_names(ours, translate(theirs))
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in ours.items()
    }


def test_torchvisions_old_names_of_a_dense_layer_are_read() -> None:
    """densenet121-a639ec97.pth has denselayer1.norm.1; its own loader renames them."""
    old = "features.denseblock1.denselayer2.conv.2.weight"
    assert list(translate({old: torch.zeros(1)})) == [
        "features.denseblock1.denselayer2.conv2.weight"
    ]
