"""SimSiam's loss is the paper's; what is compared neither learns from its target nor collapses
unseen."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from reslab.config.objectives import Objective
from reslab.methods.simsiam import SimSiam, distance, features_of, spread, views_loss
from reslab.models.nets import build


def test_the_distance_is_minus_the_cosine_and_its_target_a_constant() -> None:
    p = torch.tensor([[3.0, 4.0], [1.0, 0.0]], requires_grad=True)
    z = torch.tensor([[4.0, 3.0], [0.0, 2.0]], requires_grad=True)
    loss = distance(p, z)
    assert loss.item() == pytest.approx(-(24 / 25 + 0) / 2)  # by hand
    loss.backward()  # type: ignore[no-untyped-call]
    assert z.grad is None and p.grad is not None


def test_the_loss_is_that_of_the_papers_algorithm() -> None:
    """Algorithm 1 of arXiv 2011.10566, written out: L = D(p1, z2)/2 + D(p2, z1)/2."""
    torch.manual_seed(0)
    net = build("resnet8_w8").double()
    beside = SimSiam(32, Objective(name="simsiam", width=16, bottleneck=4)).double()
    x1, x2 = torch.randn(2, 6, 1, 8, 8, dtype=torch.float64)
    loss, found = views_loss(beside, net, torch.cat((x1, x2)))

    def half(p: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return -(normalize(p, dim=1) * normalize(z.detach(), dim=1)).sum(1).mean() / 2

    (z1, p1), (z2, p2) = (beside(features_of(net, x)) for x in (x1, x2))
    torch.testing.assert_close(loss, half(p1, z2) + half(p2, z1))
    torch.testing.assert_close(found, spread(torch.cat((z1, z2))))


def test_features_are_what_the_head_reads() -> None:
    net = build("preact_resnet20").eval()
    images = torch.randn(2, 3, 32, 32)
    logits = net.get_submodule("fc")(features_of(net, images))
    torch.testing.assert_close(logits, net(images))


def test_the_spread_is_0_where_all_are_one_and_1_over_root_d_where_they_are_even() -> None:
    assert spread(torch.ones(10, 64)).item() == 0
    even = spread(torch.randn(4096, 64))
    assert even.item() == pytest.approx(1 / math.sqrt(64), rel=0.02)


@pytest.mark.parametrize("layers", [2, 3])
def test_the_mlps_have_the_papers_layers(layers: int) -> None:
    """Sec. 3: the projector's last layer has a norm and no ReLU, the predictor's neither."""
    objective = Objective.model_validate({"name": "simsiam", "projector_layers": layers})
    made = SimSiam(512, objective)
    names = [name for name, _ in made.projector.named_children()]
    assert names[-2:] == [f"fc{layers}", f"bn{layers}"] and len(names) == 3 * layers - 1
    assert [name for name, _ in made.predictor.named_children()] == ["fc1", "bn1", "relu1", "fc2"]
    linear = [m for m in made.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear[-2:]] == [(2048, 512), (512, 2048)]
    assert [m.bias is not None for m in linear] == [False] * (layers + 1) + [True]


def test_what_is_compared_is_not_rounded_to_16_bits() -> None:
    made = SimSiam(8, Objective(name="simsiam", width=4, bottleneck=2))
    with torch.autocast("cpu", torch.bfloat16):
        assert {found.dtype for found in made(torch.randn(6, 8))} == {torch.float32}


def test_without_norms_every_layer_has_a_bias() -> None:
    made = SimSiam(8, Objective(name="simsiam", width=4, norm="none"))
    linear = [m for m in made.modules() if isinstance(m, torch.nn.Linear)]
    assert all(m.bias is not None for m in linear)
    assert not any(isinstance(m, torch.nn.BatchNorm1d) for m in made.modules())
