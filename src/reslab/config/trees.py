"""Trees, which YAML is read to: dicts, lists and scalars of bounded size. How one is laid over
another, with dotted paths or without, and how values of them are spelled for people.
"""

import json
from collections.abc import Mapping
from typing import Any

from reslab.errors import UserError
from reslab.text import LONG, shortened

Tree = dict[str, Any]

MOST_DEPTH = 20
"""Mappings and lists in one another, or words of a dotted path; a run's description has five."""


class Whole(Tree):
    """A mapping that is a value: laid over another it takes its place and leaves nothing of it."""


class Part(Tree):
    """What dotted paths say of a mapping that is a value: laid over it, it leaves the rest."""


VALUES = frozenset({"start", "teacher", "adapter", "normalization", "loss"})
"""Keys whose mappings are always values, and whose words take a mapping's place: parts of another
origin beside those of the first would be none. A dotted path changes a part of one."""


def spelled(value: Any) -> str:
    """A value of a tree as YAML has it, words in quotes; a long one is cut off."""
    return shortened(_written(value))


def _written(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case list() | tuple():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_written(part)}' for key, part in value.items())}}}"
    return repr(value)


def twice(path: str, one: Any, other: Any) -> str:
    """What is told of two values in one place."""
    where = shortened(path, 2 * LONG)
    return f"{where}: stands here twice, as {spelled(one)} and as {spelled(other)}"


def merge(base: Tree, override: Tree) -> Tree:
    """`base` with `override` laid over it, mapping by mapping.

    A key of either may be dotted (`recipe.optimizer.lr`); the result has none. Where one side is a
    mapping and the other a bare string, the string is short for `{name: …}`. A `Whole` mapping
    replaces, and stays one where it is laid over; so does what stands under one of `VALUES`.
    `UserError` where one of the two says the same twice.
    """
    return _laid_over(nested(base), nested(override))


def nested(tree: Tree, prefix: str = "") -> Tree:
    """The tree without dotted keys; `UserError` where two say the same (`a.b: 1, a: {b: 2}`).

    Of one that has none already it is an equal tree, in which what was a part of a value is one.
    """
    if prefix.count(".") > MOST_DEPTH:
        raise UserError(f"{shortened(prefix)}: expected at most {MOST_DEPTH} levels")
    whole = type(tree)()
    for key, value in tree.items():
        head, _, rest = key.partition(".")
        path = f"{prefix}{head}"
        value = {rest: value} if rest else value
        part = nested(value, f"{path}.") if isinstance(value, dict) else value
        if path == "model" and isinstance(part, dict):
            part = _named(part)
        is_part = bool(rest) or isinstance(value, Part)
        if head in whole:
            is_part = is_part and isinstance(whole[head], Part)
            part = _united(whole[head], part, path)
        if head in VALUES and isinstance(part, dict):
            part = Part(part) if is_part else Whole(part)
        whole[head] = part
    return whole


def _united(one: Any, other: Any, path: str) -> Tree:
    """Two parts of one mapping, of which none says what the other says."""
    one, other = _unshortened(one, other), _unshortened(other, one)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        raise UserError(twice(path, one, other))
    both = {key: _united(one[key], other[key], f"{path}.{key}") for key in one if key in other}
    return one | other | both


def _laid_over(base: Tree, override: Tree) -> Tree:
    merged = type(base)(_without_arguments(base) if _leaves_python(base, override) else base)
    for key, value in override.items():
        here = _unshortened(merged.get(key), value)
        value = value if key in VALUES else _unshortened(value, here)
        if isinstance(value, dict) and not isinstance(value, Whole):
            value = _laid_over(here if isinstance(here, dict) else {}, value)
        merged[key] = value
    return merged


IN_PYTHON = "python:"
"""The name of a net in a Python file begins so; its arguments are that net's alone."""


def _leaves_python(base: Tree, override: Tree) -> bool:
    """Whether a net that stands in a Python file gives way to one that does not."""
    was, becomes = base.get("name"), override.get("name")
    return (
        isinstance(was, str)
        and isinstance(becomes, str)
        and (was.startswith(IN_PYTHON) > becomes.startswith(IN_PYTHON))
    )


def _without_arguments(net: Tree) -> Tree:
    return {key: value for key, value in net.items() if key != "arguments"}


def _named(net: Tree) -> Tree:
    """A net's tree in which `python: FILE:NAME` is `name: python:FILE:NAME`."""
    if not isinstance(word := net.get("python"), str):
        return net
    if "name" in net:
        raise UserError(twice("model", net["name"], f"{IN_PYTHON}{word}"))
    others = {key: value for key, value in net.items() if key != "python"}
    return type(net)({"name": f"{IN_PYTHON}{word}", **others})


def _unshortened(part: Any, beside: Any) -> Any:
    """`{name: …}` for a bare string beside a mapping."""
    return {"name": part} if isinstance(part, str) and isinstance(beside, dict) else part


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted paths to the leaves of a tree."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
