"""The stages of built nets: of ours by their children, of timm's as timm groups them."""

from collections import Counter
from pathlib import Path

import pytest
from tests.methods.adapted import ADAPTERS, SHAPE, adapter
from tests.python_nets import NET, net_file

from reslab.config.trains import stages
from reslab.config.zoo import describe
from reslab.methods.adapters import adapt, is_adapter_parameter, plain_name
from reslab.methods.stages import depth_of_each, stage_of_each
from reslab.models.nets import build


def numbers(name: str) -> dict[str, int]:
    """How many parameters each stage has."""
    described = describe(name)
    return dict(Counter(stage_of_each(build(described), described).values()))


@pytest.mark.parametrize("name", ["resnet8_w8", "preact_resnet20", "densenet_40_12", "xception"])
def test_of_our_nets_every_parameter_has_a_stage_that_the_description_names(name: str) -> None:
    described = describe(name)
    net = build(described)
    found = stage_of_each(net, described)
    assert list(found) == [parameter for parameter, _ in net.named_parameters()]
    assert list(dict.fromkeys(found.values())) == [*stages(described), "head"]


def test_what_stands_behind_a_stage_is_a_part_of_it() -> None:
    """A transition, and a closing norm, as timm has them (its densenet121, norm5 aside)."""
    described = describe("densenet_bc_100_12")
    found = stage_of_each(build(described), described)
    assert found["transition1.conv1.weight"] == "block1"
    assert found["closing_bn1.weight"] == "block3"
    assert [name for name, stage in found.items() if stage == "head"] == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # conv1 and bn1; layer1 to layer4; fc
        ("timm:resnet18", {"stem": 3, "layer1": 12, "layer2": 15, "layer3": 15, "layer4": 15}),
        # conv_head and bn2 belong to blocks.6
        (
            "timm:tf_efficientnet_lite0",
            {"stem": 3, "layer1": 6, "layer2": 18, "layer3": 18, "layer4": 27, "layer5": 27}
            | {"layer6": 36, "layer7": 12},
        ),
        # head.norm stands with the classifier and is no part of the head
        ("timm:convnext_atto", {"stem": 4, "layer1": 18, "layer2": 22, "layer3": 58, "layer4": 24}),
    ],
)
def test_of_timms_nets_they_are_its_coarse_groups(name: str, expected: dict[str, int]) -> None:
    assert numbers(name) == {**expected, "head": 2}


def test_of_torchvisions_nets_the_head_alone_is_known() -> None:
    assert numbers("torchvision:squeezenet1_1") == {"trunk": 50, "head": 2}  # a convolution


def test_a_head_of_ones_own_may_have_a_parameter_without_a_side(tmp_path: Path) -> None:
    scaled = NET.replace("self.fc = ", "self.scale = nn.Parameter(torch.tensor(9.0)); self.fc = ")
    own = "    def get_classifier(self):\n        return self\n"
    file = net_file(tmp_path, f"import torch\n{scaled}\n{own}")
    described = describe(f"python:{file}:Net")
    assert set(stage_of_each(build(described), described).values()) == {"trunk"}


@pytest.mark.parametrize("name", ["resnet20", "timm:resnet18"])
def test_depths_are_counted_from_the_head_to_the_stem(name: str) -> None:
    described = describe(name)
    net = build(described)
    depths, found = depth_of_each(net, described), stage_of_each(net, described)
    by_stage = {found[parameter]: depth for parameter, depth in depths.items()}
    last = {"resnet20": 3, "timm:resnet18": 4}[name]
    expected = {f"layer{i}": last + 1 - i for i in range(1, last + 1)}
    assert by_stage == {"stem": last + 1, **expected, "head": 0}


@pytest.mark.parametrize("name", ["resnet20", "timm:resnet18"])
@pytest.mark.parametrize("how", ADAPTERS)
def test_an_adapter_changes_no_stage_and_no_depth_of_the_net(name: str, how: str) -> None:
    described = describe(name)
    net = build(described)
    plain = depth_of_each(net, described)
    depths = depth_of_each(adapt(net, adapter(how), SHAPE, 0), described)
    added = {key for key in depths if is_adapter_parameter(key)}
    assert {plain_name(key): d for key, d in depths.items() if key not in added} == plain
    assert {depths[key] for key in added} <= set(plain.values())
