"""The named nets, and what their names promise."""

import re

import pytest

from reslab.config import ZOO, describe
from reslab.config.zoo import IMAGENET_UNITS, cifar
from reslab.errors import UserError


@pytest.mark.parametrize("depth", [0, 2, 7, 19, 21, 54])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match=rf"6n\+2 layers .* not {depth}"):
        cifar(depth)


@pytest.mark.parametrize(("depth", "n"), [(8, 1), (20, 3), (56, 9), (110, 18), (1202, 200)])
def test_a_cifar_net_has_n_units_per_stage(depth: int, n: int) -> None:
    """He 2015, Sec. 4.2: n = 3, 5, 7, 9; 18 for 110 layers, 200 for 1202."""
    assert cifar(depth).units == (n, n, n)


@pytest.mark.parametrize("name", ZOO)
def test_the_number_in_a_name_is_the_count_of_weighted_layers(name: str) -> None:
    digits = re.search(r"\d+", name)
    assert digits and describe(name).layers == int(digits.group())


def test_a_plain_net_differs_from_its_residual_twin_in_the_shortcut_alone() -> None:
    plain = [name for name in ZOO if name.startswith("plain")]
    assert plain
    for name in plain:
        twin = describe(name.replace("plain", "resnet"))
        assert describe(name).model_copy(update={"shortcut": twin.shortcut}) == twin


def test_cifar_names_mean_option_a_and_imagenet_names_torchvisions_nets() -> None:
    assert describe("resnet56").shortcut == "A"
    for depth in IMAGENET_UNITS:
        net = describe(f"resnet{depth}")
        assert (net.shortcut, net.stride_on, net.classes) == ("B", "middle", 1000)


def test_no_two_names_stand_for_one_net() -> None:
    assert len({entry.description for entry in ZOO.values()}) == len(ZOO)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no net is called 'resnet65'; did you mean resnet"):
        describe("resnet65")
