"""The named nets, and what their names promise."""

import re

import pytest

from reslab.config.zoo import ZOO, cifar, cifar_bottleneck, describe, imagenet, wide
from reslab.errors import UserError


@pytest.mark.parametrize("depth", [0, 2, 7, 19, 21, 54])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match=rf"6n\+2 layers .* not {depth}"):
        cifar(depth)


@pytest.mark.parametrize(("depth", "n"), [(8, 1), (20, 3), (56, 9), (110, 18), (1202, 200)])
def test_a_cifar_net_has_n_units_per_stage(depth: int, n: int) -> None:
    """He 2015, Sec. 4.2: n = 3, 5, 7, 9; 18 for 110 layers, 200 for 1202."""
    assert cifar(depth).units == (n, n, n)


@pytest.mark.parametrize("depth", [0, 2, 12, 57, 166])
def test_a_depth_of_bottlenecks_that_is_not_9n_plus_2_is_refused(depth: int) -> None:
    """He 2016's 164 and 1001."""
    with pytest.raises(UserError, match=rf"9n\+2 layers .* not {depth}"):
        cifar_bottleneck(depth)


@pytest.mark.parametrize("depth", [4, 20, 29])
def test_a_depth_of_a_wide_net_that_is_not_6n_plus_4_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match=rf"6n\+4 layers \(10, 16, 22, …\), not {depth}"):
        wide(depth, 2)


@pytest.mark.parametrize("depth", [0, 19, 1001])
def test_a_depth_that_is_no_imagenet_nets_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match=f"18, 34, 50, 101, 152, 200 layers, not {depth}"):
        imagenet(depth)


def counted_otherwise(name: str) -> int:
    """Layers that a paper does not count, or counts besides, in a net's name."""
    if "wrn" in name and "imagenet" not in name:
        return -2  # the paper's 6n+4 counts the projections of three stages, but no linear layer
    if re.fullmatch(r"resnet\d+[cd]", name):
        return 2  # three convolutions in the stem
    return {"densenet264": 1}.get(name, 0)  # (6 + 12 + 64 + 48) · 2 + 5 is 265


@pytest.mark.parametrize("name", [n for n in ZOO if re.search(r"\d", n) and "2_b" not in n])
def test_the_number_in_a_name_is_the_count_of_weighted_layers(name: str) -> None:
    digits = re.search(r"\d+", name)
    assert digits and describe(name).layers == int(digits.group()) + counted_otherwise(name)


@pytest.mark.parametrize("name", [name for name in ZOO if "pruned" in name])
def test_a_pruned_net_differs_from_the_whole_one_in_its_inner_widths_alone(name: str) -> None:
    whole = describe(name.partition("_")[0])
    assert describe(name).model_copy(update={"inner_widths": ()}) == whole  # type: ignore[union-attr]


def test_xception_has_36_convolutions() -> None:
    """Chollet 2017, Sec. 4: "36 convolutional layers"; and a linear one."""
    assert describe("xception").layers == 36 + 1


def test_a_plain_net_differs_from_its_residual_twin_in_the_shortcut_alone() -> None:
    plain = [name for name in ZOO if name.startswith("plain")]
    assert plain
    for name in plain:
        twin = describe(name.replace("plain", "resnet"))
        assert describe(name).model_copy(update={"shortcut": twin.shortcut}) == twin


def test_cifar_names_mean_option_a_and_imagenet_names_torchvisions_nets() -> None:
    assert describe("resnet56").shortcut == "A"
    for depth in (18, 34, 50, 101, 152, 200):
        net = describe(f"resnet{depth}")
        assert (net.shortcut, net.stride_on, net.classes) == ("B", "middle", 1000)


def test_no_two_names_stand_for_one_net() -> None:
    assert len({entry.description for entry in ZOO.values()}) == len(ZOO)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no net is called 'resnet65'; did you mean resnet"):
        describe("resnet65")


def test_other_libraries_nets_are_named_with_their_library() -> None:
    net = describe("timm:mobilenetv3_small_050")
    assert (net.library, net.architecture) == ("timm", "mobilenetv3_small_050")
    assert describe("torchvision:shufflenet_v2_x0_5").library == "torchvision"


@pytest.mark.parametrize("name", ["tim:resnet50", "timm:", ":resnet50"])
def test_another_library_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected timm:<name> or torchvision:<name>"):
        describe(name)
