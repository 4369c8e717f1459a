"""Words for what trains: each spelled one way, and only those that mean something."""

from typing import Any

import pytest

from reslab.config.division import refuse_division
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trains import stages
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.execution import Execution


def described(trains: Any, model: Any = "resnet8_w8", **override: Any) -> RunConfig:
    tree = {"model": model, "data": "digits", "recipe": "digits", "trains": trains}
    return resolve({**tree, **override}, "here")


def test_two_spellings_are_one_run() -> None:
    spelled = (["norms", "head"], ["head", "norms", "head"])
    assert [described(words).trains for words in spelled] == [("head", "norms")] * 2
    assert len({described(words).run_id for words in spelled}) == 1
    assert described("head") == described(["head"])


def test_all_is_the_default_and_changes_no_id() -> None:
    plain = resolve({"model": "resnet8_w8", "data": "digits", "recipe": "digits"}, "here")
    assert described("all").run_id == described(["all"]).run_id == plain.run_id
    assert described("head").run_id != plain.run_id


def test_stages_are_the_names_of_the_nets_children() -> None:
    assert stages(describe("resnet20")) == ("stem", "layer1", "layer2", "layer3")
    assert stages(describe("densenet_bc_100_12")) == ("stem", "block1", "block2", "block3")
    assert stages(describe("timm:resnet18")) == ()


@pytest.mark.parametrize(
    ("trains", "model", "told"),
    [
        ([], "resnet8_w8", "trains: nothing would train; expected at least one word"),
        (["all", "head"], "resnet8_w8", "trains: got all beside head; all stands alone"),
        ("layer9", "resnet8_w8", r"no 'layer9'; did you mean .*layer3.*expected all, head, .*laye"),
        ("layer1", "densenet_40_12", "no 'layer1'; expected .*, stem, block1, block2, block3$"),
        ("adapter", "resnet8_w8", "trains: adapter: there is none; say which"),
        ("norms", {"name": "resnet8_w8", "norm": "none"}, "norms: the net has none .*word biases"),
        (["stem", "layer1", "layer2", "layer3", "head"], "resnet8_w8", "whole net; write.* all$"),
        ("layer1", "torchvision:resnet18", "torchvision does not say what the stages"),
        ("block1", "timm:resnet18", "no 'block1'; expected .*, stem, layer1, …$"),
        (3, "resnet8_w8", "trains: got 3; expected a list"),
    ],
)
def test_a_word_that_means_nothing_is_refused_with_what_there_is(
    trains: Any, model: Any, told: str
) -> None:
    data = {"data": "cifar10", "recipe": "he2015_cifar"}  # in colour, as torchvision's
    with pytest.raises(UserError, match=told):
        described(trains, model, **data)


def test_of_timms_nets_only_the_form_of_a_stage_is_known_before_they_are_built() -> None:
    assert described(["layer7", "head"], "timm:resnet18").trains == ("head", "layer7")


@pytest.mark.parametrize(
    ("model", "trains", "told"),
    [
        ("resnet20", "head", "0.5 is not read where the head alone trains"),
        ("torchvision:resnet18", "all", "0.5 is not read with a net of torchvision"),
    ],
)
def test_rates_by_depth_are_refused_where_there_are_no_depths(
    model: str, trains: str, told: str
) -> None:
    recipe = {"name": "he2015_cifar", "optimizer.layer_decay": 0.5}
    with pytest.raises(UserError, match=f"recipe.optimizer.layer_decay: {told}"):
        described(trains, model, data="cifar10", recipe=recipe)


@pytest.mark.parametrize("trains", ["head", ["layer2", "head"], ["stem", "layer1"]])
def test_norms_that_do_not_train_may_see_a_single_value(trains: Any) -> None:
    """Of 8 × 8 pixels, layer3 of strides 2, 2, 2 sees 1 × 1; its norms normalise by no batch."""
    model = {"name": "resnet8_w8", "strides": [2, 2, 2]}
    refuse_division(described(trains, model), Execution(micro_batch=1), 1)


@pytest.mark.parametrize("trains", ["all", "norms", "biases", ["layer3", "head"]])
def test_norms_that_train_may_not(trains: Any) -> None:
    model = {"name": "resnet8_w8", "strides": [2, 2, 2]}
    with pytest.raises(UserError, match="a BatchNorm of each of 1 process sees one example"):
        refuse_division(described(trains, model), Execution(micro_batch=1), 1)
