"""Weights of other code: state dicts translated to our names and fitted strictly.

Works on state dicts in memory; reading files is the caller's business.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from reslab.errors import UserError

Net = TypeVar("Net", bound=nn.Module)

RENAMES = (
    (r"^(?:module\.|_orig_mod\.)+", ""),  # DataParallel's and torch.compile's prefixes
    (r"^linear\.", "fc."),  # akamaster/pytorch_resnet_cifar10, kuangliu/pytorch-cifar
    (r"\.shortcut\.", ".downsample."),  # the same two, option B
)
"""Patterns and replacements, applied in this order to every key."""


def translate(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under our names; tensors are shared, not copied."""
    return {_translated(key): value for key, value in state_dict.items()}


def _translated(key: str) -> str:
    for pattern, replacement in RENAMES:
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
        lines = [f"  {kind}: {_listed(found)}" for kind, found in problems.items() if found]
        raise UserError("\n".join(["the weights do not fit the net", *lines]))
    net.load_state_dict(dict(state_dict))  # a plain dict: torch fills in num_batches_tracked
    return net


def _shape(value: object) -> str:
    if not isinstance(value, Tensor):
        return "no tensor"
    return "×".join(map(str, value.shape)) or "a scalar"


def _listed(items: list[str], most: int = 8) -> str:
    more = f" … and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
