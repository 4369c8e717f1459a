"""L2-SP: what comes from the start decays to it, as each optimiser decays (Li 2018)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.methods.adapted import adapted, adapter
from tests.small_runs import MakeRun, same, stopped_at, weights
from torch import Tensor, nn

from reslab import store
from reslab.config.recipe import Optimizer
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.errors import UserError
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.trains import freeze
from reslab.models.nets import build
from reslab.training.decay import TOWARDS_START, starts_of
from reslab.training.optimizers import build_optimizer, groups
from reslab.training.start import start

LR, DECAY = 0.1, 0.2
FIELDS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.5}, "adam": {}, "adamw": {}}


def described(name: str) -> Optimizer:
    fields = {"name": name, "lr": LR, "weight_decay": DECAY, "decay_towards": "start"}
    return Optimizer.model_validate({**fields, **FIELDS[name]})


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2, bias=False).double()


def steps(net: nn.Linear, optimizer: torch.optim.Optimizer, count: int = 5) -> Tensor:
    """The weight after steps with the gradient 1, 2, … in its first row and 0 in its second."""
    for step in range(count):
        net.weight.grad = torch.zeros_like(net.weight)
        net.weight.grad[0] = 1.0 + step
        optimizer.step()
    return net.weight.detach()


@pytest.mark.parametrize("name", FIELDS)
def test_decay_towards_zeros_is_torchs_weight_decay(name: str) -> None:
    plain, pulled = layer(), layer()
    before = described(name).model_copy(update={"decay_towards": "zero"})
    expected = steps(plain, build_optimizer(plain, before))
    zeros = {"weight": torch.zeros_like(pulled.weight)}
    got = steps(pulled, build_optimizer(pulled, described(name), starts=zeros))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", FIELDS)
def test_decay_towards_a_start_is_decay_to_zero_of_the_distance(name: str) -> None:
    """With these gradients, which do not depend on w, w − w⁰ goes the way of a weight from 0."""
    moved, distance = layer(), layer()
    start = moved.weight.detach().clone()
    nn.init.zeros_(distance.weight)
    plain = described(name).model_copy(update={"decay_towards": "zero"})
    expected = steps(distance, build_optimizer(distance, plain))
    got = steps(moved, build_optimizer(moved, described(name), starts={"weight": start}))
    torch.testing.assert_close(got - start, expected, rtol=0, atol=1e-14)
    assert torch.equal(got[1], start[1])  # without a gradient nothing leaves its start


def test_a_step_of_sgd_is_li_2018s() -> None:
    """∇ + λ (w − w⁰): 1 + 0.2 (w − w⁰) times the rate 0.1, from w = w⁰ + 1."""
    net = layer()
    start = net.weight.detach() - 1
    optimizer = build_optimizer(net, described("sgd"), starts={"weight": start})
    after = steps(net, optimizer, count=1)
    torch.testing.assert_close(after[0], start[0] + 1 - LR * (1 + DECAY))
    torch.testing.assert_close(after[1], start[1] + 1 - LR * DECAY)


def starting(head: str = "new", **override: Any) -> RunConfig:
    tree = {
        "model": "resnet20",
        "data": "cifar10",
        "recipe": {"name": "he2015_cifar", "optimizer.decay_towards": "start"},
        "start": {"run": "0123456789", "head": head},
    }
    return resolve({**tree, **override}, "here")


@pytest.mark.parametrize("head", ["new", "kept"])
def test_what_the_start_does_not_have_decays_to_zero(head: str) -> None:
    """A new head; and what is frozen is in no group."""
    config = starting(head, trains=["head", "layer3"])
    net = build(config.model)
    freeze(net, config.model, config.trains)
    starts = starts_of(net, config)
    own = {name for name, p in net.named_parameters() if p.requires_grad}
    assert starts.keys() == (own if head == "kept" else own - {"fc.weight", "fc.bias"})
    decays = {
        id(p): (group["weight_decay"], group.get(TOWARDS_START, 0.0))
        for group in groups(net, config.recipe.optimizer, started=starts)
        for p in group["params"]
    }
    for name in own:
        expected = (0.0, 1e-4) if name in starts else (1e-4, 0.0)
        assert decays[id(net.get_parameter(name))] == expected


def test_an_adapters_parameters_decay_to_zero_and_what_it_wraps_to_its_start() -> None:
    config = starting()
    plain = build(config.model)
    net = adapted(plain, adapter("lora"))
    starts = starts_of(net, config)
    added = {name for name, _ in net.named_parameters() if is_adapter_parameter(name)}
    wrapped = "layer1.0.conv1.parametrizations.weight.original"
    assert wrapped in starts and not added & starts.keys()
    assert torch.equal(starts[wrapped], plain.get_parameter("layer1.0.conv1.weight"))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ({"start": None}, "where a run starts from none; say start: …"),
        ({"trains": "head"}, r"where nothing of the start trains \(trains: head\)"),
    ],
)
def test_decay_towards_what_is_not_there_is_refused(override: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=f"decay_towards: start is not read {told}"):
        starting(**override)


SHORT = {"recipe.steps": 12, "recipe.schedule.milestones": [4, 8]}


@pytest.mark.process
@pytest.mark.parametrize("name", FIELDS)
def test_a_resumed_run_decays_to_the_same_start_which_may_be_gone(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    parent = make_run("parent", SHORT)
    start(parent)
    optimizer = described(name).model_dump(mode="json", exclude_unset=True)
    override: dict[str, Any] = {
        **SHORT,
        "start": str(parent.parent),
        "trains": ["layer3", "head"],
        "recipe.optimizer": {"momentum": 0.0, **optimizer, "lr": 0.01},
    }
    whole, cut = make_run("whole", override), make_run("cut", override)
    start(whole)
    with stopped_at(5):
        assert start(cut) == 1
    (parent.parent / store.CHECKPOINT).rename(tmp_path / "gone")
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    plain = {
        **override,
        "recipe.optimizer": {**override["recipe.optimizer"], "decay_towards": "zero"},
    }
    (tmp_path / "gone").rename(parent.parent / store.CHECKPOINT)
    other = make_run("other", plain)
    start(other)
    assert not same(weights(whole), weights(other))


def test_lamb_and_no_decay_at_all_are_refused() -> None:
    unread = "decay_towards: 'start' is not read with"
    with pytest.raises(ValueError, match=f"{unread} name: 'lamb'"):
        Optimizer(name="lamb", lr=0.1, weight_decay=0.1, decay_towards="start")
    with pytest.raises(ValueError, match=f"{unread} weight_decay: 0"):
        Optimizer(name="adam", lr=0.1, decay_towards="start")
