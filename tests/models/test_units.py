"""A unit runs its layers in the order of its word, and reads and adds what its papers say."""

from typing import Literal, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from reslab.config.convolutions import BRANCHES, EXPANSION, STEMS
from reslab.config.nets import Order, ResNet
from reslab.config.spelling import word
from reslab.config.words import ORDERS, SHORTCUTS
from reslab.config.zoo import describe
from reslab.models.layers import ACTIVATIONS, NORMS
from reslab.models.shortcuts import MAKERS
from reslab.models.units import Unit, alphabet, spell, unit

LETTERS = {nn.Conv2d: "c", nn.BatchNorm2d: "n", nn.ReLU: "a"}


def net(
    order: str = "original", shortcut: str = "A", branch: str = "basic", **fields: object
) -> ResNet:
    shape = {"units": (2,), "widths": (4,), "strides": (2,), "stem_width": 4}
    return ResNet.model_validate(
        {**shape, "order": order, "shortcut": shortcut, "branch": branch, **fields}
    )


def one_unit(description: ResNet, inputs: int = 16, stride: int = 1, first: bool = False) -> Unit:
    """A net's first unit, or the first of a second stage."""
    torch.manual_seed(0)
    width = inputs // EXPANSION[description.branch]
    shape = {"units": (1, 1), "widths": (width, *description.widths), "strides": (1, stride)}
    if first:
        shape = {"strides": (stride,)}
    net = description.model_copy(update={**shape, "stem_width": inputs})
    return unit(net, 0 if first else 1, 0)


def letters_run(made: Unit, x: Tensor) -> str:
    """The letters of the layers that a forward pass goes through, `+` for the shortcut."""
    run: list[str] = []
    for child in made.children():
        letter = LETTERS.get(type(child), "+")
        child.register_forward_hook(lambda *_, letter=letter: run.append(letter))
    made(x)
    return " ".join(run)


def test_where_an_xception_unit_shrinks_it_ends_with_a_pooling() -> None:
    """Chollet 2017, Fig. 5; the first unit has no activation before it."""
    described = describe("xception")
    assert str(word(described, 2, pooled=True)) == "a c n a c n m +"
    made = unit(described, 1, 0)
    assert made.enter == ()  # the projection reads x
    assert made(torch.randn(2, 128, 9, 9)).shape == (2, 256, 5, 5)


def test_every_order_and_option_of_a_description_has_a_row() -> None:
    fields = ResNet.model_fields
    assert set(BRANCHES) == set(get_args(fields["branch"].annotation))
    assert {f for row in SHORTCUTS.values() for f in (row.stays, row.changes)} == set(MAKERS)
    assert set(STEMS) == set(get_args(fields["stem"].annotation))
    assert set(NORMS) == set(get_args(fields["norm"].annotation))
    assert set(ACTIVATIONS) == set(get_args(fields["activation"].annotation))


@pytest.mark.parametrize("branch", ["basic", "bottleneck"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_unit_runs_its_layers_in_the_order_of_its_word(
    order: Order, branch: Literal["basic", "bottleneck"]
) -> None:
    made = one_unit(net(order, "A", branch), inputs={"basic": 4, "bottleneck": 16}[branch])
    x = torch.randn(2, {"basic": 4, "bottleneck": 16}[branch], 8, 8)
    assert letters_run(made, x) == str(word(net(order), {"basic": 2, "bottleneck": 3}[branch]))


@pytest.mark.parametrize("order", ORDERS)
def test_the_first_unit_has_no_before_but_keeps_the_names_of_the_others(order: Order) -> None:
    first = one_unit(net(order), inputs=4, first=True)
    opening, _, rest = str(word(net(order), 2)).partition("c")
    assert letters_run(first, torch.randn(2, 4, 8, 8)) == f"c{rest}"
    dropped = {name for name, _ in spell(opening, 4, (), alphabet(net(order)))}
    others = dict(one_unit(net(order), inputs=4).named_children())
    assert set(dict(first.named_children())) == set(others) - dropped


def test_layers_are_named_by_letter_and_count() -> None:
    assert [name for name, _ in one_unit(net()).named_children()] == [
        "conv1", "bn1", "relu1", "conv2", "bn2", "downsample", "relu2",
    ]  # fmt: skip
    assert [name for name, _ in one_unit(net("full_preactivation")).named_children()] == [
        "bn1", "relu1", "conv1", "bn2", "relu2", "conv2", "downsample",
    ]  # fmt: skip


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_unit_leaves_its_input_as_it_was(
    order: Order, shortcut: Literal["none", "A", "B", "C"]
) -> None:
    made = one_unit(net(order, shortcut), inputs=4)
    x = torch.randn(2, 4, 8, 8)
    before = x.clone()
    made(x)
    assert torch.equal(x, before)


def test_full_preactivation_adds_the_raw_input_where_the_shape_stays() -> None:
    """He 2016, Eqn. 5: y = x + F(f(x))."""
    made = one_unit(net("full_preactivation"), inputs=4).eval()
    x = torch.randn(2, 4, 8, 8)
    branch = made.conv1(functional.relu(made.bn1(x)))
    branch = made.conv2(functional.relu(made.bn2(branch)))
    torch.testing.assert_close(made(x), x + branch)


@pytest.mark.parametrize("order", ["relu_only_preactivation", "full_preactivation"])
def test_a_preactivated_projection_reads_the_activated_input(order: Order) -> None:
    made = one_unit(net(order, "B"), inputs=2, stride=2).eval()
    seen: list[Tensor] = []
    made.downsample[0].register_forward_hook(lambda _, args, __: seen.append(args[0]))
    x = torch.randn(2, 2, 8, 8)
    made(x)
    normalised = made.bn1(x) if order == "full_preactivation" else x
    torch.testing.assert_close(seen[0], functional.relu(normalised))


@pytest.mark.parametrize("order", ["original", "bn_after_addition", "relu_before_addition"])
def test_a_projection_of_the_other_orders_reads_the_input(order: Order) -> None:
    made = one_unit(net(order, "B"), inputs=2, stride=2)
    seen: list[Tensor] = []
    made.downsample[0].register_forward_hook(lambda _, args, __: seen.append(args[0]))
    x = torch.randn(2, 2, 8, 8)
    made(x)
    assert torch.equal(seen[0], x)


@pytest.mark.parametrize("reads", ["x", "order"])
def test_what_is_padded_in_a_preactivated_unit_is_a_field(reads: str) -> None:
    """He 2016 does not say; in fb.resnet.torch's preresnet.lua a stage's first unit has one BN and
    ReLU before both paths, as `order` has it."""
    made = one_unit(net("full_preactivation", "A", padding_reads=reads), inputs=2, stride=2).eval()
    x = torch.randn(2, 2, 8, 8)
    activated = functional.relu(made.bn1(x))
    branch = made.conv2(functional.relu(made.bn2(made.conv1(activated))))
    carried = functional.pad({"x": x, "order": activated}[reads][..., ::2, ::2], (0, 0, 0, 0, 1, 1))
    torch.testing.assert_close(made(x), carried + branch)


@pytest.mark.parametrize("shortcut", [s for s in SHORTCUTS if SHORTCUTS[s].pads])
def test_where_the_shape_stays_the_identity_is_raw_whatever_is_padded(shortcut: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8)
    raw, order = (
        one_unit(net("full_preactivation", shortcut, padding_reads=reads), inputs=4).eval()
        for reads in ("x", "order")
    )
    order.load_state_dict(raw.state_dict())
    assert torch.equal(raw(x), order(x))


def test_layers_that_torch_replaces_are_used() -> None:
    """`convert_sync_batchnorm` puts new children in place of the old ones."""
    made = nn.SyncBatchNorm.convert_sync_batchnorm(one_unit(net(), inputs=4)).eval()
    used: list[nn.Module] = []
    for child in made.children():
        child.register_forward_hook(lambda child, *_: used.append(child))
    made(torch.randn(2, 4, 8, 8))
    assert [type(layer) for layer in used].count(nn.SyncBatchNorm) == 2
