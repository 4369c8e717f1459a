"""Adapted nets as plain ones: the same function, under the plain net's names, or a refusal."""

import pytest
import torch
from tests.methods.adapted import ADAPTERS, NETS, adapted, adapter, images, moved, trained_net
from torch import nn

from reslab.config.adapters import Adapter
from reslab.errors import UserError
from reslab.methods.merging import merge, readers
from reslab.models.nets import build


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", ["lora", "parallel", "mask"])
def test_what_rewrites_weights_merges_bit_for_bit_in_float32(net: str, name: str) -> None:
    """Of groups 1, 2 and depthwise; a weight takes the value that it has had."""
    plain = trained_net(net, torch.float32)
    whole = moved(adapted(plain, adapter(name)))
    merged = merge(whole)
    assert torch.equal(merged(images(torch.float32)), whole(images(torch.float32)))
    assert list(merged.state_dict()) == list(plain.state_dict())
    assert [type(m) for m in merged.modules()] == [type(m) for m in plain.modules()]


@pytest.mark.parametrize("net", ["basic", "bottleneck"])
def test_series_adapters_merge_where_a_batchnorm_follows(net: str) -> None:
    plain = trained_net(net)
    whole = moved(adapted(plain, adapter("series")))
    merged, expected = merge(whole), whole(images())
    assert (merged(images()) - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert list(merged.state_dict()) == list(plain.state_dict())
    assert [type(m) for m in merged.modules()] == [type(m) for m in plain.modules()]


def test_a_series_adapter_merges_into_a_convolutions_own_bias() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Linear(30, 2)).double().eval()
    whole = moved(adapted(plain, adapter("series")))
    assert torch.allclose(merge(whole)(images()), whole(images()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ADAPTERS)
def test_merging_leaves_the_adapted_net_as_it_is(name: str) -> None:
    whole = moved(adapted(trained_net("basic"), adapter(name)))
    expected = whole(images())
    state = {key: value.clone() for key, value in whole.state_dict().items()}
    if name == "prompt":
        with pytest.raises(UserError, match="a prompt cannot be merged: no weight of the net adds"):
            merge(whole)
    else:
        merge(whole)
    assert torch.equal(whole(images()), expected)
    assert all(torch.equal(value, state[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (
            "grouped",
            r"of layer1\.0\.conv2 cannot be merged: it mixes all channels, .* has 2 groups",
        ),
        ("depthwise", r"cannot be merged: it mixes all channels, .* 16 groups, which would become"),
        ("pre-activation", r"of layer1\.0\.conv2 cannot be merged: it adds a constant .* no bias"),
    ],
)
def test_a_series_adapter_that_needs_another_net_is_refused(net: str, reason: str) -> None:
    whole = moved(adapted(trained_net(net), adapter("series")))
    with pytest.raises(UserError, match=reason):
        merge(whole)


def test_a_plain_net_is_merged_already() -> None:
    plain = trained_net("basic")
    assert torch.equal(merge(plain)(images()), plain(images()))


def test_merged_weights_train_on() -> None:
    merged = merge(moved(adapted(trained_net("basic"), Adapter(name="lora", rank=1))))
    merged(images()).square().mean().backward()
    assert all(parameter.grad is not None for parameter in merged.parameters())


def test_a_reader_is_the_norm_that_alone_reads_a_convolution() -> None:
    net = build("resnet8_w8")
    names = {layer: name for name, layer in net.named_modules()}
    found = {convolution: names[norm] for convolution, norm in readers(net).items()}
    assert found["conv1"] == "bn1"
    assert found["layer2.0.conv2"] == "layer2.0.bn2"
    assert "conv1" in readers(build("preact_resnet20"))
    assert "layer1.0.conv2" not in readers(build("preact_resnet20"))


class Forked(nn.Module):
    """A net whose convolution is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, bias=False), nn.BatchNorm2d(3)
        self.head = nn.Linear(30, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        if self.training:
            return y
        logits: torch.Tensor = self.head(self.norm(y) + y)
        return logits


def test_a_norm_that_is_not_alone_takes_no_constant() -> None:
    whole = moved(adapted(Forked().double().eval(), adapter("series")))
    with pytest.raises(UserError, match="has no bias, and no BatchNorm alone reads it"):
        merge(whole)


def test_a_net_that_cannot_be_followed_is_refused() -> None:
    class Branching(Forked):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if x.sum() > 0 else x

    whole = moved(adapted(Branching().double().eval(), adapter("series")))
    with pytest.raises(UserError, match=r"torch\.fx does not follow the net"):
        merge(whole)
