"""Adapters: what a net computes at first, what they draw, what trains, what has which name."""

import copy

import pytest
import torch
from tests.methods.adapted import (
    ADAPTERS,
    NETS,
    SHAPE,
    adapted,
    adapter,
    images,
    moved,
    trained_net,
)
from torch import Tensor, nn
from torch.nn import functional

from reslab.config.adapters import Adapter, parameters
from reslab.config.costs import convolutions
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.methods.adapters import adapt, framed, is_adapter_parameter, plain_name, trunk
from reslab.models.nets import build


def own(net: nn.Module) -> dict[str, Tensor]:
    """The adapter's parameters."""
    return {n: p.detach() for n, p in net.named_parameters() if is_adapter_parameter(n)}


# ---- as it begins --------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS)
def test_at_step_0_an_adapted_net_but_the_masked_one_computes_what_the_plain_one_does(
    net: str,
) -> None:
    plain = trained_net(net)
    expected = plain(images())
    for name in ADAPTERS:
        difference = (adapted(plain, adapter(name))(images()) - expected).abs().max()
        assert (difference > 0) == (name == "mask"), (name, difference)


def test_a_prompt_that_begins_at_random_changes_what_the_net_computes() -> None:
    plain = trained_net("basic")
    prompted = adapted(plain, adapter("prompt", init="randn"))
    assert not torch.equal(prompted(images()), plain(images()))


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_draws_from_its_seed_alone_and_the_net_keeps_its_weights(name: str) -> None:
    plain, how = trained_net("basic"), adapter(name)
    if name == "prompt":
        how = adapter(name, init="randn")
    state = torch.get_rng_state()
    one, other = adapted(plain, how, 3), adapted(plain, how, 4)
    assert torch.equal(torch.get_rng_state(), state)
    again = adapted(plain, how, 3).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in one.state_dict().items())
    draws = {key for key in own(one) if not torch.equal(own(one)[key], own(other)[key])}
    assert bool(draws) == (name in ("lora", "prompt"))
    for key, value in plain.state_dict().items():
        found = {plain_name(k): v for k, v in one.state_dict().items()}[key]
        assert name == "mask" or torch.equal(found, value), key


def test_what_is_drawn_is_drawn_in_float32_whatever_the_precision() -> None:
    how = adapter("lora")
    single = own(adapted(trained_net("basic", torch.float32), how))
    double = own(adapted(trained_net("basic"), how))
    assert all(torch.equal(double[key], value.double()) for key, value in single.items())


def test_an_adapter_is_made_without_numbers_where_the_net_has_none() -> None:
    with torch.device("meta"):
        net = build(NETS["basic"])
    for name in ADAPTERS:
        made = adapted(net, adapter(name)).state_dict()
        expected = adapted(trained_net("basic"), adapter(name)).state_dict()
        assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in expected.items()}
        assert all(value.is_meta for value in made.values())


# ---- what each one is ----------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_lora_adds_alpha_over_r_times_b_a(groups: int) -> None:
    """Hu 2021, Eqn. 3, for a convolution that reads each group by itself."""
    net = nn.Sequential(nn.Conv2d(8, 8, 3, groups=groups), nn.Linear(1, 1)).double()
    how = Adapter(name="lora", rank=2, alpha=6.0)
    net = moved(adapted(net, how))
    a, b = (own(net)[f"0.parametrizations.weight.0.lora_{letter}"] for letter in "AB")
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    weight = (b @ a).view(8, 8 // groups, 3, 3)
    original = net[0].parametrizations.weight.original
    expected = functional.conv2d(x, original, net[0].bias, groups=groups) + 3 * functional.conv2d(
        x, weight, groups=groups
    )
    assert torch.allclose(net[0](x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "padding", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 2, 2)])
def test_a_parallel_adapter_is_a_1x1_convolution_beside_the_other(
    groups: int, stride: int, kernel: int, padding: int, dilation: int
) -> None:
    """y = conv(x) + A x, A strided and grouped as the convolution (Rebuffi 2018's `conv_task`)."""
    layer = nn.Conv2d(8, 16, kernel, stride, padding, dilation, groups)
    net = moved(adapted(nn.Sequential(layer, nn.Linear(1, 1)).double(), adapter("parallel")))
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    (a,) = own(net).values()
    beside = functional.conv2d(x, a, stride=stride, groups=groups)
    assert torch.allclose(net[0](x), layer.double()(x) + beside, rtol=0, atol=1e-12)


def test_a_series_adapter_is_y_plus_a_norm_y_behind_the_convolution() -> None:
    """Rebuffi 2018's `conv1x1`: y += conv(norm(y)), of the convolution's output."""
    layer = nn.Conv2d(4, 8, 3, padding=1)
    plain = nn.Sequential(layer, nn.Linear(1, 1)).double().eval()
    net = moved(adapted(plain, adapter("series")))
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    y, inside = layer(x), net[0].adapter
    change = functional.conv2d(inside.norm(y), inside.convolution.weight)
    assert torch.equal(net[0](x), y + change)
    assert net.train()[0].adapter.norm.training


def test_residual_adapters_stand_at_spatial_convolutions_and_not_at_projections() -> None:
    """Rebuffi 2018's code adapts its 3×3 ones, the first included."""
    for name in ("parallel", "series"):
        layers = {key.split(".parametrizations")[0].split(".adapter")[0] for key in own(
            adapted(trained_net("bottleneck"), adapter(name))
        )}  # fmt: skip
        assert "conv1" in layers
        assert {layer for layer in layers if layer.startswith("layer1.0")} == {"layer1.0.conv2"}


def test_lora_adapts_the_convolutions_and_linear_layers_but_the_head() -> None:
    for name in ("basic", "bottleneck"):
        net = trained_net(name)
        rank1 = own(adapted(net, Adapter(name="lora", rank=1)))
        layers = {key.split(".parametrizations")[0] for key in rank1}
        everything = {n for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
        assert layers == everything - {"fc"}
        assert layers == set(trunk(net))


def test_a_prompt_is_added_to_a_border_of_the_image() -> None:
    """Bahng 2022's pad_up, pad_down, pad_left and pad_right."""
    border = torch.arange(1.0, 3 * 48 + 1).view(3, 48)
    frame = framed(border, 2, 8)
    assert frame.shape == (3, 8, 8)
    assert (frame[:, 2:-2, 2:-2] == 0).all()
    assert sorted(frame[frame != 0].tolist()) == sorted(border.flatten().tolist())
    assert torch.equal(frame[:, :2].flatten(1), border[:, :16])


def test_a_mask_keeps_the_largest_weights_of_the_whole_trunk() -> None:
    plain = trained_net("basic")
    weights = torch.cat([layer.weight.flatten() for layer in trunk(plain).values()])
    net = adapted(plain, adapter("mask", keep=0.25))
    masked = torch.cat([layer.weight.flatten() for layer in trunk(net).values()])
    kept = masked != 0
    assert kept.sum() == round(0.25 * len(weights))
    assert torch.equal(masked[kept], weights[kept])
    assert weights[kept].abs().min() >= weights[~kept].abs().max()
    assert torch.equal(net.get_submodule("fc").weight, plain.get_submodule("fc").weight)


def test_of_equal_weights_a_mask_keeps_the_first() -> None:
    net = nn.Sequential(nn.Linear(4, 2, bias=False), nn.Linear(1, 1))
    nn.init.constant_(net[0].weight, -2)
    masked = adapted(net, adapter("mask", keep=0.4))
    assert masked[0].weight.flatten().tolist() == [-2.0] * 3 + [0.0] * 5


def test_masked_weights_stay_zero_with_momentum_and_decay() -> None:
    net = adapted(trained_net("basic"), adapter("mask")).train()
    before = {name: layer.weight == 0 for name, layer in trunk(net).items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for step in range(3):
        optimizer.zero_grad()
        (net(images() + step) ** 2).mean().backward()
        optimizer.step()
    for name, layer in trunk(net).items():
        assert torch.equal(layer.weight == 0, before[name])
        assert (layer.parametrizations.weight.original[before[name]] == 0).all()


# ---- what it is refused for ----------------------------------------------------------------------


def test_a_rank_that_a_weight_cannot_have_is_refused_with_the_layers_name() -> None:
    with pytest.raises(UserError, match=r"adapter\.rank: 10 .*conv_dw has, .* of rank 9"):
        adapted(trained_net("depthwise"), adapter("lora", rank=10))


def test_a_net_without_spatial_convolutions_has_no_place_for_residual_adapters() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 2))
    for name in ("parallel", "series"):
        with pytest.raises(UserError, match=f"adapter.name: {name} adapts convolutions of an odd"):
            adapted(net, adapter(name))


# ---- names, copies, formats ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_net_keeps_its_names_and_only_the_adapters_are_new(name: str) -> None:
    plain = trained_net("basic")
    net = adapted(plain, adapter(name))
    others = {plain_name(n) for n, _ in net.named_parameters() if not is_adapter_parameter(n)}
    assert others == {n for n, _ in plain.named_parameters()}
    assert bool(own(net)) == adapter(name).has_parameters
    assert not any(is_adapter_parameter(n) for n, _ in plain.named_parameters())


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_state_dict_goes_from_net_to_net(name: str) -> None:
    net = moved(adapted(trained_net("basic"), adapter(name)))
    torch.manual_seed(5)
    other = adapted(build(NETS["basic"]).double().eval(), adapter(name), seed=9)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(images()), net(images()))


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_copy_is_a_net_of_its_own(name: str) -> None:
    net = moved(adapted(trained_net("basic"), adapter(name)))
    expected, other = net(images()), copy.deepcopy(net)
    assert torch.equal(other(images()), expected)
    for parameter in other.parameters():
        nn.init.ones_(parameter)
    assert torch.equal(net(images()), expected)
    assert not torch.equal(other(images()), expected)


@pytest.mark.parametrize("name", ADAPTERS)
def test_channels_last_is_the_same_net(name: str) -> None:
    net = moved(adapted(trained_net("basic"), adapter(name)))
    expected = net(images())
    last = net.to(memory_format=torch.channels_last)
    assert torch.allclose(last(images()), expected, rtol=0, atol=1e-12)
    for layer in trunk(last).values():
        if layer.weight.dim() == 4:
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_mixed_precision_computes_layers_in_16_bits_and_weights_in_32(
    name: str, dtype: torch.dtype
) -> None:
    net = moved(adapted(trained_net("basic", torch.float32), adapter(name)))
    expected = net(images(torch.float32)).detach()
    with torch.autocast("cpu", dtype):
        assert all(layer.weight.dtype == torch.float32 for layer in trunk(net).values())
        logits = net(images(torch.float32))
        logits.float().square().mean().backward()
    assert logits.dtype == dtype
    assert torch.allclose(logits.float(), expected, rtol=0, atol=0.05 * float(expected.abs().max()))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("net", ["resnet20", "resnet50d", "seresnet50", "resnext29_2x64d"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_plan_knows_how_many_parameters_an_adapter_adds(net: str, name: str) -> None:
    """Summed over a net's words, as torch counts them; not of another library's net."""
    how, described = adapter(name), describe(net)
    added = parameters(how, convolutions(described, SHAPE[1]), *SHAPE[:2])
    with torch.device("meta"):
        made = adapt(build(described), how, SHAPE, 0)
    assert added == sum(value.numel() for value in own(made).values())
    unknown = name in ("lora", "parallel", "series")
    assert (parameters(how, (), *SHAPE[:2]) is None) == unknown
