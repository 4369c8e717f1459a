"""Weights of other code: state dicts translated to our names and back, and fitted strictly.

Works on state dicts in memory; reading files is the caller's business. Our residual nets have
torchvision's names already; its DenseNet's children are called otherwise.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor, nn

from reslab.errors import UserError, listed
from reslab.text import shortened

Module = TypeVar("Module", bound=nn.Module)
T = TypeVar("T")

Renames = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Patterns and replacements, applied in this order to every key."""

RENAMES: Renames = (
    # Of DataParallel, torch.compile, LightningModules, and what other code calls its net.
    (r"^(?:module\.|_orig_mod\.|model\.|net\.|backbone\.)+", ""),
    (r"^linear\.", "fc."),  # akamaster/pytorch_resnet_cifar10, kuangliu/pytorch-cifar
    (r"\.shortcut\.", ".downsample."),  # the same two, option B
    (r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),  # torchvision's files of DenseNets
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

TIMM_RENAMES: Renames = (
    (r"\.se1\.", ".se."),
    (r"^conv1\.", "conv1.0."),  # a deep stem is one Sequential there
    (r"^bn1\.", "conv1.1."),
    (r"^conv2\.", "conv1.3."),
    (r"^bn2\.", "conv1.4."),
    (r"^conv3\.", "conv1.6."),
    (r"^bn3\.", "bn1."),
)
"""Our names of a residual net's parts and timm's, where these are not torchvision's: of a deep
stem (resnet50d)."""

SQUEEZED_RENAMES: Renames = TIMM_RENAMES[:1]
"""The same, of squeeze and excitation behind a plain stem (seresnet50)."""

NAMINGS: tuple[Renames, ...] = (DENSE_RENAMES, SQUEEZED_RENAMES, TIMM_RENAMES)
"""How others call a net's parts where `RENAMES` are not enough: akamaster's, kuangliu's and
chenyaofo's names, and timm's of other residual nets, are torchvision's but for these."""


def translate(state_dict: Mapping[str, T]) -> dict[str, T]:
    """The state dict under our names; tensors are shared, not copied.

    `UserError` where two would have one name, as where a file holds two nets.
    """
    names: dict[str, str] = {}
    for key in state_dict:
        twin = names.setdefault(_renamed(key, RENAMES), key)
        if twin != key:
            raise UserError(f"{shortened(twin)} and {shortened(key)} are one name without prefixes")
    return {name: state_dict[key] for name, key in names.items()}


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


def fit(net: Module, state_dict: Mapping[str, Tensor]) -> Module:
    """Load `state_dict` into `net` and return it; all keys and shapes must be the net's, none more.

    `UserError` lists what does not fit, or what is not finite, and leaves `net` as it was.
    BatchNorm's `num_batches_tracked` may be missing: weights from before torch 0.4.1 have none.
    """
    expected = net.state_dict()
    found = under_names(expected, state_dict)
    if lines := misfits(expected, found):
        raise UserError("\n".join(["the weights do not fit the net", *lines]))
    refuse_infinite({key: found[key] for key in expected if key in found})
    net.load_state_dict(found)  # a plain dict: torch fills in num_batches_tracked
    return net


def under_names(expected: Iterable[str], state_dict: Mapping[str, T]) -> dict[str, T]:
    """The state dict under a net's own names, by the naming under which most of it is the net's.

    Some of our own names look like those of other code, which is why the net is asked.
    """
    own = set(expected)
    plain = {_renamed(key, RENAMES): key for key in own} | {key: key for key in own}
    namings = [plain, *({_renamed(key, renames): key for key in own} for renames in NAMINGS)]
    best = max(namings, key=lambda names: len({names.get(key, key) for key in state_dict} & own))
    return {best.get(key, key): value for key, value in state_dict.items()}


def misfits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """What keeps tensors from being a net's, a line per kind; nothing where they fit."""
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    both = [(key, found[key], value) for key, value in expected.items() if key in found]
    problems = {
        "missing keys": needed - set(found),
        "unexpected keys": set(found) - set(expected),
        "other shapes": [
            f"{key} is {_shape(one)}, the net's {_shape(other)}"
            for key, one, other in both
            if one.shape != other.shape
        ],
        "other kinds of numbers": [
            f"{key} is {_kind(one)}, the net's {_kind(other)}"
            for key, one, other in both
            if one.is_floating_point() != other.is_floating_point() or one.is_complex()
        ],
    }
    return [f"  {kind}: {listed(keys, 8)}" for kind, keys in problems.items() if keys]


def refuse_infinite(tensors: Mapping[str, Tensor]) -> None:
    """`UserError` for weights of which some are NaN or infinite: a training that diverged."""
    told = []
    for key, value in tensors.items():
        wrong = int((~value.isfinite()).sum()) if value.is_floating_point() else 0
        if wrong:
            told.append(f"{wrong:,} of {value.numel():,} in {key}")
    if told:
        raise UserError(
            f"the weights are not finite (NaN or infinite): {listed(told, 4)}; the training that "
            "made them has diverged, or the file is damaged"
        )


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "a scalar"


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
