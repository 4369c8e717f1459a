"""`reslab.build`: a net by its name, for other classes and channels, with weights of an origin."""

from pathlib import Path

import pytest
import torch
from tests.small_runs import MakeRun
from tests.small_runs import weights as weights_of

import reslab
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.training.start import start


@pytest.fixture
def weights(digit_weights: Path) -> Path:
    """Of a resnet8_w8 that reads grey digits."""
    return digit_weights


def test_a_net_is_for_the_classes_and_channels_that_are_said() -> None:
    net = reslab.build("resnet8_w8", classes=5, in_channels=3)
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    assert reslab.build(describe("resnet8_w8"), classes=7)(torch.zeros(1, 1, 8, 8)).shape == (1, 7)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"classes": 0}, "classes=0: Input should be greater than 0"),
        ({"in_channels": 2.5}, "in_channels=2.5: Input should be a valid integer"),
        ({"classes": object()}, "is not JSON serializable"),
    ],
)
def test_what_no_net_can_have_is_refused_in_words(said: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        reslab.build("resnet8_w8", **said)  # type: ignore[arg-type]


def test_weights_are_loaded_with_their_head_where_no_classes_are_said(weights: Path) -> None:
    net, theirs = reslab.build("resnet8_w8", weights=weights), reslab.load(weights)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in theirs.state_dict().items())
    other = reslab.build("resnet8_w8", classes=5, weights=str(weights))
    assert torch.equal(other.state_dict()["conv1.weight"], theirs.state_dict()["conv1.weight"])
    assert other(torch.zeros(1, 1, 8, 8)).shape == (1, 5)


def test_weights_are_said_as_in_an_experiments_start(weights: Path) -> None:
    net = reslab.build("resnet8_w8", weights={"file": str(weights), "head": "zeros"})
    assert not net.get_submodule("fc").weight.any()
    trunk = {"file": str(weights), "loads": "trunk"}
    assert reslab.build("resnet8_w8", weights=trunk).get_submodule("fc").weight.any()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no/such.pth", "^weights: there is no file .*/no/such.pth, and no "),
        ("torchvision:ResNet50_Weights.V9", "^weights: .*ResNet50_Weights"),
        ("https://x.org/a.pth", "^weights: got 'https://x.org/a.pth'; a URL needs its digest"),
        ({"file": "x", "head": "odd"}, "^weights: "),
        ({}, "^weights: got nothing|^weights: says no origin"),
    ],
)
def test_an_origin_that_is_none_is_refused_as_in_a_start(said: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        reslab.build("resnet8_w8", weights=said)  # type: ignore[arg-type]


def test_weights_of_another_net_are_refused_with_what_fits(weights: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)the weights do not fit the net.*what fits"):
        reslab.build("resnet20_w8", weights=weights)
    with pytest.raises(UserError, match=r"head: kept, but the file's fc\.bias is for 10 classes"):
        reslab.build("resnet8_w8", classes=5, weights={"file": str(weights), "head": "kept"})


@pytest.mark.process
def test_a_runs_folder_is_an_origin(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    net, theirs = reslab.build("resnet8_w8", weights=config.parent), reslab.load(config.parent)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in theirs.state_dict().items())


@pytest.mark.process
def test_a_head_that_was_never_trained_is_not_kept(make_run: MakeRun) -> None:
    objective = {"name": "simsiam", "width": 16, "bottleneck": 8, "neighbors": 20}
    schedule = {"name": "cosine", "milestones": []}
    config = make_run("a", {"recipe": {"objective": objective, "steps": 2, "schedule": schedule}})
    start(config)
    with pytest.raises(UserError, match=r"^weights: .* was trained without labels"):
        reslab.build("resnet8_w8", weights=config.parent)
    net = reslab.build("resnet8_w8", classes=10, weights=config.parent)
    assert torch.equal(net.state_dict()["conv1.weight"], weights_of(config)["net.conv1.weight"])
