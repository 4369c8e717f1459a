"""Descriptions of nets: what cannot work is refused with its reason, and what a net reads."""

import pytest
from pydantic import ValidationError

from reslab.config import DenseNet, ResNet, describe, resolve
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
        ("resnet20", {"groups": 2}, "groups: 2 is read by nothing with branch basic"),
        ("resnet20", {"base_width": 4}, "base_width: 4 is read by nothing with branch basic"),
        ("resnet50", {"kernels": (3,)}, "is read by nothing with branch bottleneck"),
        ("resnet20", {"inner": ((16,),) * 3}, "is read by nothing with branch basic"),
        ("resnet20", {"gate_bias": -6.0}, "gate_bias: -6.0 is read by nothing"),
        ("resnet20", {"scale": (0.5, 1.0)}, "is read by nothing with branch basic, shortcut A"),
        ("resnet20", {"shortcut_dropout": 0.1}, "is read by nothing"),
        ("resnet20", {"scale_init": 0.1}, "scale_init: 0.1 is read by nothing"),
        ("resnet20", {"shortcut": "C", "zeros": "after"}, "zeros: after is read by nothing"),
        ("resnet20", {"projection_reads": "x"}, "projection_reads: x is read by nothing"),
        ("resnet50", {"projection_reads": "x"}, "order original"),
        ("resnet20", {"padding_reads": "order"}, "padding_reads: order is read by nothing"),
        ("preact_resnet164", {"padding_reads": "order"}, "padding_reads: order is read by nothing"),
        ("resnet20", {"stem_init": "uniform"}, "stem_init: uniform is read by nothing"),
        ("fixup_resnet56", {"init": "uniform"}, "stem_init: uniform is read by nothing"),
        ("fixup_resnet56", {"linear_init": "small"}, "linear_init: small is read by nothing"),
        ("resnet20", {"gate_init": "same"}, "gate_init: same is read by nothing"),
        ("resnet20", {"norm": "none", "gamma_init": "uniform"}, "gamma_init: uniform is read by n"),
        ("resnet20", {"widths": (16, 32, 16)}, "A pads with zero channels and cannot shrink"),
        ("resnet20", {"widths": (16, 32, 16), "shortcut": "gated"}, "gated pads with zero chan"),
        ("resnet164", {"base_width": 6}, "base_width: 6 of 64 times width 16 is no whole number"),
        ("xception", {"inner": ((128,),)}, "inner: needs one entry per stage: 5"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(
    name: str, fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        with_fields(name, **fields)
    assert reason in str(caught.value)


def test_a_compression_that_leaves_no_channels_is_refused() -> None:
    dense = describe("densenet_bc_100_12").model_dump()
    with pytest.raises(
        ValidationError, match=r"compression: 0\.01 leaves a transition no channels"
    ):
        DenseNet.model_validate(dense | {"compression": 0.01})


def test_a_dense_nets_scales_without_norms_are_refused() -> None:
    dense = describe("densenet_bc_100_12").model_dump()
    with pytest.raises(ValidationError, match="gamma_init: uniform is read by nothing with norm n"):
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
