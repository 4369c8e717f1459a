"""Descriptions of nets: what cannot work is refused with its reason, and what a net reads."""

from typing import Any

import pytest
from pydantic import ValidationError

from reslab.config.nets import DenseNet, ResNet
from reslab.config.resolve import resolve
from reslab.config.zoo import describe
from reslab.errors import UserError

RUN = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


def with_fields(name: str, **fields: object) -> ResNet:
    return ResNet.model_validate(describe(name).model_dump() | fields)


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("plain20", {"survival": 0.5}, "a dropped unit without a shortcut lets nothing through"),
        ("plain20", {"zero_gamma": True}, "is a dead net"),
        ("plain20", {"scaling": "rezero"}, "is a dead net"),
        ("plain20", {"scaling": "fixup", "norm": "none"}, "is a dead net"),
        ("preact_resnet20", {"zero_gamma": True}, "needs a norm at the branch's end"),
        ("resnet20", {"zero_gamma": True, "order": "bn_after_addition"}, "needs a norm at the br"),
        ("resnet20", {"zero_gamma": True, "order": "relu_before_addition"}, "needs a norm at th"),
        ("resnet20", {"zero_gamma": True, "norm": "none"}, "needs a norm at the branch's end"),
        ("resnet20", {"scaling": "fixup"}, "fixup stands in place of norms; add norm: none"),
        ("resnet20", {"scaling": "skipinit"}, "skipinit stands in place of norms; add norm: none"),
        ("fixup_resnet56", {"order": "relu_before_addition"}, "a ReLU before the addition is dead"),
        ("resnet110_1layer", {"dropout": 0.3}, "a branch has only one"),
        ("resnet20", {"kernels": (3,), "dropout": 0.3}, "a branch has only one"),
        ("resnet20", {"kernels": (2, 2)}, "kernels: [2, 2]; only odd sizes keep the size"),
        ("resnet20", {"stem": "deep", "stem_width": 1}, "stem_width: 1; stem deep begins with hal"),
        ("xception", {"stem_width": 1}, "stem_width: 1; stem xception begins with half of it"),
        ("resnet20", {"groups": 2}, "groups: 2 is not read with branch: 'basic'"),
        ("resnet20", {"base_width": 4}, "base_width: 4 is not read with branch: 'basic'"),
        ("resnet50", {"kernels": (3,)}, "is not read with branch: 'bottleneck'"),
        ("resnet20", {"inner": ((16,),) * 3}, "is not read with branch: 'basic'"),
        ("resnet20", {"gate_bias": -6.0}, "gate_bias: -6.0 is not read"),
        (
            "resnet20",
            {"scale": (0.5, 1.0)},
            "is not read with shortcut: 'A', but with shortcut: 'scaled'",
        ),
        ("resnet20", {"shortcut_dropout": 0.1}, "is not read"),
        ("resnet20", {"scale_init": 0.1}, "scale_init: 0.1 is not read"),
        ("resnet20", {"shortcut": "C", "zeros": "after"}, "zeros: 'after' is not read"),
        ("resnet20", {"projection_reads": "x"}, "projection_reads: 'x' is not read"),
        (
            "resnet50",
            {"projection_reads": "x"},
            "is not read with order: 'original' and scaling: 'none'",
        ),
        ("resnet20", {"padding_reads": "order"}, "padding_reads: 'order' is not read"),
        ("preact_resnet164", {"padding_reads": "order"}, "padding_reads: 'order' is not read"),
        ("resnet20", {"stem_init": "uniform"}, "stem_init: 'uniform' is not read"),
        ("fixup_resnet56", {"init": "uniform"}, "stem_init: 'uniform' is not read"),
        ("fixup_resnet56", {"linear_init": "small"}, "linear_init: 'small' is not read"),
        ("resnet20", {"gate_init": "same"}, "gate_init: 'same' is not read"),
        (
            "resnet20",
            {"norm": "none", "gamma_init": "uniform"},
            "gamma_init: 'uniform' is not read",
        ),
        ("resnet20", {"widths": (16, 32, 16)}, "A pads with zero channels and cannot shrink"),
        ("resnet20", {"widths": (16, 32, 16), "shortcut": "gated"}, "gated pads with zero chan"),
        ("resnet164", {"base_width": 6}, "base_width: 6 of 64 times width 16 is no whole number"),
        ("xception", {"inner": ((128,),)}, "inner: needs one entry per stage: 5"),
        ("resnet8", {"inner_widths": ((8,), (8,))}, "[1, 1, 1] numbers, got [1, 1]"),
        ("resnet20", {"inner_widths": ((8,),) * 3}, "[3, 3, 3] numbers, got [1, 1, 1]"),
        ("resnet8", {"inner_widths": ((16,), (32,), (64,))}, "are those of the whole net; leave"),
        ("resnet8", {"inner_widths": ((0,), (8,), (8,))}, "greater than 0"),
        (
            "resnet8",
            {"inner_widths": ((8,), (8,), (8,)), "kernels": (3,)},
            "inner_widths: a branch of one convolution has nothing inside",
        ),
        ("resnet110_1layer", {"inner_widths": ((8,),)}, "is not read with branch: 'single'"),
        (
            "resnext29_2x64d",
            {"inner_widths": ((64,) * 3,) * 3},
            "inner_widths: are not those of convolutions in groups; groups is 2",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(
    name: str, fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        with_fields(name, **fields)
    assert reason in str(caught.value)


NET = {"units": (1, 1), "widths": (16, 32), "strides": (1, 2)}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"units": (1, 1, 1)}, "one entry per stage each; they have 3, 2 and 2"),
        ({"strides": (1,)}, "one entry per stage each; they have 2, 2 and 1"),
        ({"units": (), "widths": (), "strides": ()}, "at least 1 item"),
        ({"units": (0, 1)}, "greater than 0"),
        ({"widths": (16, -32)}, "greater than 0"),
        ({"classes": 0}, "greater than 0"),
        ({"stride_on": "first"}, "stride_on: 'first' is not read with branch: 'basic'"),
        ({"shortcut": "B", "zeros": "after"}, "zeros: 'after' is not read with shortcut: 'B'"),
        ({"widths": (32, 16)}, "A pads with zero channels and cannot shrink the width"),
        ({"stem_width": 64}, r"cannot shrink the width.* \[64, 16, 32\] .*; use B or C"),
        ({"shortcut": "E"}, "'none', 'A', 'B'"),
        ({"branch": "wide"}, "'basic'"),
        ({"order": "preactivation"}, "'full_preactivation'"),
        ({"dept": 20}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_net_that_cannot_be_built_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ResNet(**{**NET, **fields})


@pytest.mark.parametrize("shortcut", ["none", "B", "C"])
def test_only_option_a_needs_a_growing_width(shortcut: str) -> None:
    assert ResNet(**{**NET, "widths": (32, 16), "shortcut": shortcut})


def test_a_bottlenecks_width_counts_four_times_in_option_a() -> None:
    """He 2015, Fig. 5: a bottleneck of width 16 puts out 64 channels."""
    assert ResNet(**NET, branch="bottleneck", stem_width=64, stride_on="first")


def test_a_compression_that_leaves_no_channels_is_refused() -> None:
    dense = describe("densenet_bc_100_12").model_dump()
    with pytest.raises(
        ValidationError, match=r"compression: 0\.01 leaves a transition no channels"
    ):
        DenseNet.model_validate(dense | {"compression": 0.01})


def test_a_dense_nets_scales_without_norms_are_refused() -> None:
    dense = describe("densenet_bc_100_12").model_dump()
    with pytest.raises(
        ValidationError, match="gamma_init: 'uniform' is not read with norm: 'none'"
    ):
        DenseNet.model_validate(dense | {"norm": "none", "gamma_init": "uniform"})


def test_a_scalar_that_does_not_begin_with_zero_leaves_a_plain_net_alive() -> None:
    assert with_fields("plain20", scaling="rezero", scale_init=0.5).layers == 20


def test_torchvisions_nets_read_three_channels() -> None:
    with pytest.raises(UserError, match=r"model\.in_channels: torchvision's nets read 3 chan"):
        resolve({**RUN, "model": "torchvision:resnet18", "data": "mnist", "recipe": "mnist"}, "x")


def test_run_ids_are_those_of_before_there_were_other_families() -> None:
    assert resolve(RUN, "here").run_id == "f666acc217"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "resnet20", "shortcut": "E"}, "model.shortcut: got 'E'; expected 'none', 'A'"),
        ({"name": "resnet20", "growth": 3}, "model.growth: no such field"),
        (
            {"name": "densenet_40_12", "growht": 3},
            "model.growht: no such field (got 3); did you mean gr",
        ),
        ({"family": "densnet"}, "model.family: got 'densnet'; expected 'resnet', 'densenet', 'f"),
        ({"name": "timm:resnet18", "depth": 3}, "model.depth: no such field"),
    ],
)
def test_mistakes_are_told_with_the_path_that_was_written(
    model: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        resolve({**RUN, "model": model}, "here")
    assert f"here: {message}" in str(caught.value)


@pytest.mark.parametrize("name", ["densenet_40_12", "timm:resnet10t", "xception", "resnet20"])
def test_a_run_of_any_family_is_read_back_as_it_was(name: str) -> None:
    config = resolve({**RUN, "model": name}, "here")
    again = resolve(config.model_dump(mode="json"), "here")
    assert again == config and again.run_id == config.run_id
    assert (again.model.in_channels, again.model.classes) == (3, 10)


def test_names_of_other_libraries_enter_the_run_id() -> None:
    ids = {resolve({**RUN, "model": m}, "x").run_id for m in ("timm:resnet18", "timm:resnet34")}
    assert len(ids) == 2


def test_depth_counts_weighted_layers() -> None:
    assert [describe(f"resnet{n}").layers for n in (20, 50, 110)] == [20, 50, 110]
