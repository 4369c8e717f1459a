"""YAML without surprises, and trees of it: one loader for every file that a person writes.

Duplicate keys are errors, `1e-4` is a number, `off` and `no` are words (YAML 1.2's core schema).
A tree is what the loader returns: dicts, lists and scalars.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reslab.errors import UserError

Tree = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars and no duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Tree:
    keys = [loader.construct_object(key) for key, _ in node.value]  # type: ignore[no-untyped-call]
    for (key_node, _), key in zip(node.value, keys, strict=True):
        if not isinstance(key, str | int | float):
            raise yaml.MarkedYAMLError(
                problem="a key must be a word", problem_mark=key_node.start_mark
            )
        if keys.count(key) > 1:
            raise yaml.MarkedYAMLError(
                problem=f"the key {str(key)!r} stands here twice", problem_mark=key_node.start_mark
            )
    values = [loader.construct_object(value, deep=True) for _, value in node.value]  # type: ignore[no-untyped-call]
    return dict(zip(map(str, keys), values, strict=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> Tree:
    """The mapping in a YAML file; `UserError` names the file and the line for anything else."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file; expected YAML in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: {problem}") from None
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise UserError(f"{path}: expected a mapping (key: value), found {found}")
    return tree


def parse_assignment(text: str) -> Tree:
    """`recipe.optimizer.lr=0.01` as an override; the value is YAML."""
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise UserError(f"expected KEY=VALUE, for example model.shortcut=C, got {text!r}")
    try:
        return {path.strip(): yaml.load(value, Loader=_Loader)}
    except yaml.YAMLError:
        raise UserError(f"{path}: {value!r} is no YAML value") from None


def dump_yaml(tree: Mapping[str, Any]) -> str:
    """A tree as YAML text that `load_yaml` reads back to an equal tree."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """SafeDumper with lists of scalars on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=True)


def merge(base: Tree, override: Tree) -> Tree:
    """`base` with `override` laid over it, mapping by mapping.

    A key may be dotted (`recipe.optimizer.lr`). Where one side is a mapping and the other a bare
    string, the string is short for `{name: …}`.
    """
    merged = dict(base)
    for key, value in override.items():
        head, _, rest = key.partition(".")
        value = {rest: value} if rest else value
        here = merged.get(head)
        if isinstance(here, str) and isinstance(value, dict):
            here = {"name": here}
        if isinstance(value, str) and isinstance(here, dict):
            value = {"name": value}
        if isinstance(value, dict):
            value = merge(here if isinstance(here, dict) else {}, value)
        merged[head] = value
    return merged


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted paths to the leaves of a tree."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
