"""Nets of one's own: built from their file, and what is told where that goes wrong."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.python_nets import NET, net, net_file
from tests.small_runs import SMALL
from torch import nn

from reslab.config.nets import PythonNet
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.errors import UserError
from reslab.models.count import answer, count, layers
from reslab.models.nets import build
from reslab.models.python import refuse_unfit


def described(file: Path, entrypoint: str = "Net", **arguments: Any) -> PythonNet:
    """For digits: grey images of 8 × 8 pixels, ten classes."""
    tree = merge(SMALL, {"model": net(file, entrypoint, **arguments)})
    found = resolve(tree, "here").model
    assert isinstance(found, PythonNet)
    return found


def test_the_class_is_called_with_the_arguments_and_with_what_the_data_say(tmp_path: Path) -> None:
    made = build(described(net_file(tmp_path), width=5))
    assert made.get_parameter("conv.weight").shape == (5, 1, 3, 3)
    assert made(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize("classes", ["num_classes", "classes"])
@pytest.mark.parametrize("channels", ["in_channels", "in_chans"])
def test_classes_and_channels_are_given_under_the_names_that_it_has(
    tmp_path: Path, classes: str, channels: str
) -> None:
    text = NET.replace("num_classes", classes).replace("in_channels=3", f"{channels}=3")
    made = build(described(net_file(tmp_path, text.replace("in_channels, w", f"{channels}, w"))))
    assert made(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


FUNCTION = """
def wide(factor, *, in_channels, **more):
    return Net(8 * factor, in_channels=in_channels, **more)
"""


def test_a_function_makes_a_net_too(tmp_path: Path) -> None:
    made = build(described(net_file(tmp_path, NET + FUNCTION), "wide", factor=2))
    assert made.get_parameter("conv.weight").shape == (16, 1, 3, 3)


def test_a_seed_draws_the_weights(tmp_path: Path) -> None:
    net = described(net_file(tmp_path))
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(build(net).get_parameter("fc.weight"))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_costs_are_counted_as_of_any_net(tmp_path: Path) -> None:
    """See `NET`; nothing is computed for ours, but somebody's may look at its numbers."""
    net = described(net_file(tmp_path), width=16)
    costs = {"params": 51 * 16 + 10, "multiply_adds": 64 * 9 * 16 + 40 * 16}
    assert answer(count, net, 8) == costs
    looking = NET.replace(
        "super().__init__()", "super().__init__(); torch.linspace(0, 1, 3).tolist()"
    )
    looking = looking.replace(
        "        return", "        assert x.abs().max().item() >= 0\n        return"
    )
    file = net_file(tmp_path / "looking", f"import torch\n{looking}")
    assert answer(count, described(file, width=16), 8) == costs
    rows = layers(described(file, width=16), 8)
    assert [row[0] for row in rows] == ["conv", "norm", "fc"]


def init(line: str) -> str:
    return NET.replace("        self.conv", f"        {line}\n        self.conv", 1)


def forward(line: str) -> str:
    return f"import torch\n{NET[: NET.index('        x = nn')]}        {line}\n"


LOGITS = "self.fc(self.norm(self.conv(x)).relu()[:, :, :2, :2].flatten(1))"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Net(\n", r"my_nets\.py:1: SyntaxError: '\(' was never closed"),
        ("x = 1\n  y = 2\n", r"my_nets\.py:2: IndentationError: unexpected indent"),
        ("\n\nx = undefined\n", r"my_nets\.py:3: NameError: name 'undefined' is not defined"),
        ("import nowhere_at_all\n", r"my_nets\.py:1: ModuleNotFoundError: .*; files beside it"),
        ("raise SystemExit(2)\n", r"my_nets\.py:1: SystemExit: 2"),
        ("class Nett: pass\nfrom torch.nn import *\n", r"my_nets\.py has no Net$"),
        ("def Netz(): pass\n", r"my_nets\.py has no Net; did you mean Netz\?"),
        ("Net = 3\n", "my_nets.py:Net is no class and no function, but a int; name what makes"),
        (NET + "Net = Net()\n", "Net is no class and no function, but a Net; name what makes"),
        ("def Net(): return 3\n", "my_nets.py:Net makes a int; expected a torch.nn.Module"),
        ("from torch.nn import ReLU as Net\n", "my_nets.py:Net has no parameters that train"),
        (init("self.lazy = nn.LazyLinear(3)"), "find their size at their first use"),
        (init("self.width = {}[width]"), r"my_nets\.py:7: KeyError: 8"),
        (NET.replace("width=8", "width"), r"Net\(width, num_classes=10, in_channels=3\): missing "),
        (forward("return x.nothing"), r"my_nets\.py:13: AttributeError: .*nothing.* for images of "
                                      r"shape \(2, 1, 8, 8\), in evaluation"),
        (NET.replace("width * 4,", "width * 5,"), r"my_nets\.py:13: RuntimeError: mat1 and mat2"),
        (NET.replace("in_channels", "inputs"), r"my_nets\.py:12: RuntimeError: Given groups=1"),
        (
            NET.replace("num_classes", "outputs").replace("outputs=10", "outputs=7"),
            r"Net makes \(2, 7\) of 2 images, in evaluation; expected \(2, 10\): logits for 10 cla",
        ),
        (NET.replace("x.shape[0], -1))", "x.shape[0], -1)),"), "Net makes a tuple of 2 images, in"),
        (forward(f"return {LOGITS}.mean(0)"), r"makes \(10,\) of 2 images, in evaluation"),
        (
            forward(f"return ({LOGITS}, x) if self.training else {LOGITS}"),
            "makes a tuple of 2 images, in training",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    """As the process tells it that counts what a plan's nets cost: in one line."""
    for ask in (count, layers):
        told = answer(ask, described(net_file(tmp_path, text)), 8)
        assert isinstance(told, str)
        assert "\n" not in told
        assert re.search(said, told), told


def test_arguments_that_it_does_not_take_are_refused_with_those_that_it_does(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        UserError,
        match=r"my_nets.py:Net\(width=8, num_classes=10, in_channels=3\): got an unexpected "
        r"keyword argument 'widht' \(arguments: widht\)",
    ):
        build(described(net_file(tmp_path), widht=3))


def test_a_check_changes_neither_the_net_nor_what_is_drawn_after_it(tmp_path: Path) -> None:
    """Neither running statistics nor torch's generator."""
    text = NET.replace(
        "nn.GroupNorm(1, width)", "nn.Sequential(nn.BatchNorm2d(width), nn.Dropout())"
    )
    net = described(net_file(tmp_path, text))
    torch.manual_seed(0)
    made = build(net)
    state, drawn = {k: v.clone() for k, v in made.state_dict().items()}, torch.get_rng_state()
    refuse_unfit(made, net, 8)
    assert all(torch.equal(value, state[key]) for key, value in made.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert made.training


def test_a_file_that_is_run_may_hold_dataclasses_and_many_nets(tmp_path: Path) -> None:
    """dataclasses look for their module by its name; a second net of it does not run it again."""
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Shape:\n    width: int = 8\n" + NET
    )
    file = net_file(tmp_path, text)
    one, other = (build(described(file, width=width)) for width in (1, 2))
    assert type(one) is type(other)
    assert isinstance(one, nn.Module)
