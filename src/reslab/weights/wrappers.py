"""Where the state dict is in what other code has saved around it.

Files hold it bare, with numbers beside the tensors, or in a dict with the epoch and the optimiser:
`{state_dict: …}` (Lightning, torchvision's references, timm), `{net: …}` (kuangliu), `{model: …}`.
Works on plain dicts; what a tensor is, the caller says.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from reslab.errors import UserError, listed

WRAPPERS = (
    "", "state_dict", "model_state_dict", "model_state", "model", "net", "network", "params",
    "weights",
)  # fmt: skip
"""Where state dicts are, the likeliest first; "" is the file itself."""

AVERAGED = ("ema", "averaged", "swa")
"""Parts of the names of averages of weights over the training."""

DEEPEST = 3
"""Dicts in dicts that are looked into."""


class Found(NamedTuple):
    """A state dict, the dotted path to it, and those of others that might be meant."""

    state_dict: dict[str, Any]
    path: str
    others: tuple[str, ...]


def find_state_dict(held: Any, is_tensor: Callable[[Any], bool], path: str | None = None) -> Found:
    """The one dict of tensors in `held`, or that at `path`; what is no tensor in it is left out.

    Averaged weights (EMA) stand beside those that were trained and are not taken for them.
    `UserError` where there is none, or where several could be meant.
    """
    candidates = dict(_candidates(held, is_tensor))
    most = max(map(len, candidates.values()), default=0)
    candidates = {name: one for name, one in candidates.items() if 2 * len(one) >= most}
    if path is not None:
        if path not in candidates:
            raise UserError(f"holds no state dict {path!r}; {_told(candidates)}")
        chosen = path
    else:
        chosen = _likeliest(candidates)
    return Found(candidates[chosen], chosen, tuple(sorted(candidates.keys() - {chosen})))


def _candidates(
    held: Any, is_tensor: Callable[[Any], bool]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths to dicts that have tensors by names, and these tensors; outer ones first."""
    level: list[tuple[str, Any]] = [("", held)]
    seen: set[int] = set()
    for _ in range(DEEPEST):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if not isinstance(value, Mapping) or id(value) in seen or "optim" in path:
                continue
            seen.add(id(value))
            named = {name: part for name, part in value.items() if isinstance(name, str)}
            tensors = {name: part for name, part in named.items() if is_tensor(part)}
            if tensors:
                yield path, tensors
            below += [(f"{path}.{name}" if path else name, part) for name, part in named.items()]
        level = below


def _likeliest(candidates: Mapping[str, Any]) -> str:
    trained = [path for path in candidates if not is_averaged(path)] or list(candidates)
    known = [path for path in WRAPPERS if path in trained]
    if len(trained) == 1 or known:
        return (known or trained)[0]
    raise UserError(f"holds {_told(candidates)}" if candidates else f"holds no state dict{NAMES}")


NAMES = " (names and tensors)"


def is_averaged(path: str) -> bool:
    """Whether a path is one of weights averaged over the training."""
    return any(word in path.lower().rpartition(".")[2] for word in AVERAGED)


def _told(candidates: Mapping[str, Any]) -> str:
    if not candidates:
        return f"it holds none at all{NAMES}"
    names = listed([path or "the file itself" for path in candidates], 6)
    return f"state dicts {names}; say which: --key NAME"
