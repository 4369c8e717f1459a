"""What a description says of its norms' images is what torch's norms see."""

from typing import Any

import pytest
import torch
from torch import nn

from reslab.config.convolutions import STEMS
from reslab.config.costs import norm_sides
from reslab.config.division import refuse_division
from reslab.config.nets import DenseNet, Described, ResNet
from reslab.config.resolve import resolve
from reslab.config.words import ORDERS, SHORTCUTS
from reslab.config.zoo import ZOO, describe
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.models.nets import build

SMALL = {"units": (1, 2), "widths": (8, 16), "strides": (2, 2), "stem_width": 8}
BRANCHES: list[dict[str, Any]] = [
    {"branch": "basic", "kernels": (3, 1, 3)},
    {"branch": "single"},
    {"branch": "bottleneck", "stride_on": "first", "shortcut": "B"},
    {"branch": "bottleneck", "stride_on": "middle", "shortcut": "C"},
    {"branch": "separable", "inner": ((8,), (8, 8)), "downsample": "max_pool", "shortcut": "B"},
    {"downsample": "max_pool"},
    {"branch": "bottleneck", "shortcut": "B", "downsample": "max_pool"},
    {"branch": "separable", "exit": (24, 32), "shortcut": "B"},
]
DENSE = {"family": "densenet", "units": (1, 1, 2), "growth": 4}


def seen_by_torch(net: Described, image_size: int) -> set[int]:
    """The sides that BatchNorms read on the meta device."""
    sides: set[int] = set()
    with torch.device("meta"), torch.no_grad():
        module = build(net)
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.register_forward_pre_hook(lambda _, read: sides.add(read[0].shape[-1]))
        module.eval()(torch.empty(1, net.in_channels, image_size, image_size))
    return sides


@pytest.mark.parametrize("size", [3, 16])
@pytest.mark.parametrize("order", ORDERS)
def test_sides_are_those_that_torchs_norms_see(order: str, size: int) -> None:
    orders = [{"shortcut": shortcut} for shortcut in SHORTCUTS]
    for fields in [*orders, *BRANCHES, *({"stem": stem} for stem in STEMS)]:
        if fields.get("stem") == "xception" and size < 8:
            continue  # its convolutions have no padding
        net = ResNet.model_validate({**SMALL, **fields, "order": order})
        assert norm_sides(net, size) == seen_by_torch(net, size), fields


@pytest.mark.parametrize("stem", ["3x3", "7x7_pool"])
def test_sides_of_dense_nets_are_those_that_torchs_norms_see(stem: str) -> None:
    net = DenseNet.model_validate({**DENSE, "stem": stem})
    for size in (16, 19, 32):
        assert norm_sides(net, size) == seen_by_torch(net, size)


@pytest.mark.process
@pytest.mark.parametrize(
    "name", [n for n, named in ZOO.items() if named.description.family != "foreign"]
)
def test_sides_of_the_zoo_are_those_that_torchs_norms_see(name: str) -> None:
    net, size = describe(name), ZOO[name].image_size
    if getattr(net, "norm", "") == "batch":
        assert norm_sides(net, size) == seen_by_torch(net, size)


TREE = {
    "model": {"name": "resnet8_w8", "strides": [2, 2, 2]},  # 8 × 8 pixels become 1 × 1
    "data": "digits",
    "recipe": {"name": "digits", "batch_size": 8},
}


@pytest.mark.parametrize(
    ("execution", "ranks"),
    [(Execution(micro_batch=1), 1), (Execution(devices=8), 8), (Execution(micro_batch=1), 4)],
)
def test_one_value_per_channel_is_refused(execution: Execution, ranks: int) -> None:
    with pytest.raises(UserError, match=r"batch_size is 8, .*sees one example .* 8 × 8 to 1 × 1"):
        refuse_division(resolve(TREE, "here"), execution, ranks)


@pytest.mark.parametrize(
    ("change", "execution"),
    [
        ({}, Execution(micro_batch=2)),
        ({"model": {**TREE["model"], "norm": "group"}}, Execution(micro_batch=1)),
        ({"model": {**TREE["model"], "strides": [1, 2, 2]}}, Execution(micro_batch=1)),
        ({"model": "timm:resnet18"}, Execution(micro_batch=1)),  # not known here
    ],
)
def test_two_values_other_norms_and_larger_images_are_not(
    change: dict[str, Any], execution: Execution
) -> None:
    refuse_division(resolve({**TREE, **change}, "here"), execution, 1)


def test_synchronised_norms_see_the_examples_of_all_processes() -> None:
    config = resolve(TREE, "here")
    refuse_division(config, Execution(devices=8, sync_batchnorm=True), 8)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_norms_beside_a_net_see_more_than_one_example(norm: str) -> None:
    """Those of SimSiam's layers have no pixels to normalise over."""
    recipe = {"name": "simsiam_cifar", "objective": {"name": "simsiam", "norm": norm}}
    config = resolve({"model": "resnet20", "data": "cifar10", "recipe": recipe}, "a test")
    refuse_division(config, Execution(micro_batch=2), 1)
    refused = ""
    try:
        refuse_division(config, Execution(micro_batch=1), 1)
    except UserError as error:
        refused = str(error)
    assert refused.startswith("recipe.objective: the norms of simsiam") == (norm == "batch")


@pytest.mark.parametrize("name", ["kd", "fitnet", "at", "dkd", "rkd", "dist"])
def test_losses_of_whole_batches_are_refused_where_a_batch_is_divided(name: str) -> None:
    """The others are means over examples, which add up."""
    recipe = {"name": "he2015_cifar", "normalization": "channel", "loss": name}
    tree = {"model": "resnet20", "data": "cifar10", "recipe": recipe}
    config = resolve({**tree, "teacher": "akamaster:resnet56"}, "a test")
    for execution, ranks in ((Execution(micro_batch=32), 1), (Execution(devices=2), 2)):
        refused = ""
        try:
            refuse_division(config, execution, ranks)
        except UserError as error:
            refused = str(error)
        assert bool(refused) == (name in ("rkd", "dist"))
        assert not refused or f"recipe.loss: {name} holds all examples of a batch" in refused
    refuse_division(config, Execution(), 1)
