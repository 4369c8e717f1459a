"""What a step's net draws: of seed and step; and a net that draws nothing is left in peace."""

import pytest
import torch
from tests.methods.adapted import adapted, adapter
from torch import Tensor, nn

from reslab.config.zoo import describe
from reslab.methods.adapters import ADAPTERS
from reslab.models.layers import StochasticDepth
from reslab.models.nets import build
from reslab.training import draws
from reslab.training.draws import NetDraws, may_draw

CPU = torch.device("cpu")


def depths(net: nn.Module) -> list[bool]:
    return [bool(m.kept) for m in net.modules() if isinstance(m, StochasticDepth)]


def drawn_at(
    step: int, seed: int = 0, rank: int = 0, micro_batch: int = 0
) -> tuple[list[bool], Tensor]:
    """The depths of a step and the first numbers that dropout would draw."""
    net = build("stochdepth_resnet110")
    NetDraws([net, nn.Dropout()], seed, rank, CPU)(step, micro_batch)
    return depths(net), torch.rand(3)


def test_depths_are_of_seed_and_step_and_dropout_is_also_of_rank_and_micro_batch() -> None:
    kept, numbers = drawn_at(5)
    assert len(kept) == 54 and 0 < sum(kept) < 54
    for elsewhere, others in (drawn_at(5, rank=1), drawn_at(5, micro_batch=1)):
        assert elsewhere == kept
        assert not torch.equal(others, numbers)
    again, same = drawn_at(5)
    assert again == kept
    assert torch.equal(same, numbers)
    assert drawn_at(6)[0] != kept
    assert drawn_at(5, seed=1)[0] != kept


def test_the_draws_of_a_step_are_those_they_have_always_been() -> None:
    """As written down when every step reseeded and walked through its modules."""
    kept, numbers = drawn_at(5)
    assert [unit for unit, is_kept in enumerate(kept) if not is_kept] == [
        15,
        25,
        36,
        39,
        41,
        47,
        50,
        53,
    ]
    torch.testing.assert_close(numbers, torch.tensor([0.6735482, 0.4119937, 0.1635036]))


QUIET = "resnet20", "preact_resnet20", "densenet_40_12", "resnet18"


@pytest.mark.parametrize("name", QUIET)
def test_a_net_that_is_left_in_peace_draws_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = build(name)
    monkeypatch.setattr(draws, "reseed", lambda *_: pytest.fail("reseeded"))
    NetDraws([net], 0, 0, CPU)(3, 0)
    state = torch.get_rng_state()
    net.train()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_draw_nothing_in_a_step(name: str) -> None:
    net = adapted(build("resnet20"), adapter(name))
    state = torch.get_rng_state()
    net.train()(torch.ones(2, 3, 32, 32))
    assert torch.equal(torch.get_rng_state(), state)
    assert not may_draw(net)


def test_whoever_may_draw_is_seeded() -> None:
    """torch's layers that draw, and modules of which nobody knows."""

    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.rand_like(x)

    assert may_draw(build(describe("resnet20").model_copy(update={"dropout": 0.3})))
    assert may_draw(nn.Sequential(nn.Linear(1, 1), nn.Dropout2d()))
    assert may_draw(nn.Sequential(Own()))
    assert may_draw(build("timm:resnet18")) and may_draw(build("torchvision:resnet18"))
    assert not may_draw(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU()))
