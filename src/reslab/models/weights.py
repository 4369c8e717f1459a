"""Weights of other code: state dicts translated to our names and back, and fitted strictly.

Works on state dicts in memory; reading files is the caller's business. Our residual nets have
torchvision's names already; its DenseNet's children are called otherwise.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor, nn

from reslab.errors import UserError, listed

Net = TypeVar("Net", bound=nn.Module)

Renames = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Patterns and replacements, applied in this order to every key."""

RENAMES: Renames = (
    (r"^(?:module\.|_orig_mod\.)+", ""),  # DataParallel's and torch.compile's prefixes
    (r"^linear\.", "fc."),  # akamaster/pytorch_resnet_cifar10, kuangliu/pytorch-cifar
    (r"\.shortcut\.", ".downsample."),  # the same two, option B
)

DENSE_RENAMES: Renames = (
    (r"^conv1\.", "features.conv0."),
    (r"^bn1\.", "features.norm0."),
    (r"^closing_bn1\.", "features.norm5."),
    (r"^fc\.", "classifier."),
    (r"^transition(\d+)\.(bn|conv)1\.", r"features.transition\1.\2."),
    (
        r"^block(\d+)\.(\d+)\.",  # layers count from 0 here, from 1 there
        lambda m: f"features.denseblock{m[1]}.denselayer{int(m[2]) + 1}.",
    ),
    (r"(?<=\.)bn", "norm"),
)
"""Our names of a dense net's parts and torchvision's."""


def translate(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under our names; tensors are shared, not copied."""
    return {_renamed(key, RENAMES): value for key, value in state_dict.items()}


def to_torchvision(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under torchvision's names; tensors are shared, not copied."""
    is_dense = any(key.startswith("block1.") for key in state_dict)
    renames = DENSE_RENAMES if is_dense else ()
    return {_renamed(key, renames): value for key, value in state_dict.items()}


def from_torchvision(net: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's state dict under the names of `net`; what it has no name for keeps its own."""
    ours = net.state_dict()
    names = dict(zip(to_torchvision(ours), ours, strict=True))
    return {names.get(key, key): value for key, value in state_dict.items()}


def _renamed(key: str, renames: Renames) -> str:
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


def fit(net: Net, state_dict: Mapping[str, Tensor]) -> Net:
    """Load `state_dict` into `net` and return it; all keys and shapes must be the net's, none more.

    `UserError` lists what does not fit and leaves `net` as it was. BatchNorm's
    `num_batches_tracked` may be missing: weights from before torch 0.4.1 have none.
    """
    expected = net.state_dict()
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    problems = {
        "missing keys": sorted(needed - set(state_dict)),
        "unexpected keys": sorted(set(state_dict) - set(expected)),
        "other shapes": [
            f"{key} is {_shape(state_dict[key])}, the net's {_shape(value)}"
            for key, value in expected.items()
            if key in state_dict and _shape(state_dict[key]) != _shape(value)
        ],
    }
    if any(problems.values()):
        lines = [f"  {kind}: {listed(found, 8)}" for kind, found in problems.items() if found]
        raise UserError("\n".join(["the weights do not fit the net", *lines]))
    net.load_state_dict(dict(state_dict))  # a plain dict: torch fills in num_batches_tracked
    return net


def _shape(value: object) -> str:
    if not isinstance(value, Tensor):
        return "no tensor"
    return "×".join(map(str, value.shape)) or "a scalar"
