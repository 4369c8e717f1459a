"""YAML without surprises, and trees of it: one loader for every file that a person writes.

Duplicate keys are errors, `1e-4` is a number, `off`, `no` and `010` are words (close to YAML 1.2's
core schema). A key is the text that stands there. A tree is what the loader returns: dicts, lists
and scalars.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reslab.errors import UserError

Tree = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars, without duplicate keys and without tags."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path: list[str] = []
        """The keys that lead to what is being read."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if tag := getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(
                problem=f"tags are not read, found {tag}", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


_WHOLE = "(?:0|[1-9](?:_?[0-9])*)"
for _tag, _pattern, _first in (
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", rf"^[-+]?{_WHOLE}$", list("-+0123456789")),
    (
        "float",
        rf"^[-+]?(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Tree:
    tree: Tree = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
        loader.path.append(key.value)
        read = loader.construct_object(value, deep=True)
        if key.value in tree:
            problem = _twice(".".join(loader.path), tree[key.value], read)
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        tree[key.value] = read
        loader.path.pop()
    return tree


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def spelled(value: Any) -> str:
    """A value of a tree as YAML has it, words in quotes; a long one is cut off."""
    text = _written(value)
    return text if len(text) <= LONG else f"{text[:LONG]}…"


LONG = 120
"""Letters of a value that a message shows."""


def _written(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case list() | tuple():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_written(part)}' for key, part in value.items())}}}"
    return repr(value)


def _twice(path: str, one: Any, other: Any) -> str:
    return f"{path}: stands here twice, as {spelled(one)} and as {spelled(other)}"


def load_yaml(path: Path) -> Tree:
    """The mapping in a YAML file; `UserError` names the file and the line for anything else."""
    try:
        tree = _read(path.read_text(encoding="utf-8"))
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
        found = "nothing" if tree is None else "a list" if isinstance(tree, list) else spelled(tree)
        raise UserError(f"{path}: expected a mapping (key: value), found {found}")
    return tree


def parse_assignment(text: str) -> Tree:
    """`recipe.optimizer.lr=0.01` as an override; the value is YAML."""
    path, equals, value = text.partition("=")
    if not equals or not all(key.strip() for key in path.split(".")):
        raise UserError(
            f"expected KEY=VALUE, for example model.shortcut=C, got {text!r} (make's SET ends at a "
            "space; a value with one goes to scripts/experiment.py as --set 'KEY=VALUE')"
        )
    try:
        return {path.strip(): _read(value)}
    except yaml.YAMLError:
        raise UserError(f"{path}: {value!r} is no YAML value") from None


def _read(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply to be read") from None


def dump_yaml(tree: Mapping[str, Any]) -> str:
    """A tree as YAML text that `load_yaml` reads back to an equal tree."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what the loader would not read as a word; lists on one line."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=True)


def merge(base: Tree, override: Tree) -> Tree:
    """`base` with `override` laid over it, mapping by mapping.

    A key of either may be dotted (`recipe.optimizer.lr`); the result has none. Where one side is a
    mapping and the other a bare string, the string is short for `{name: …}`. `UserError` where one
    of the two says the same twice.
    """
    return _laid_over(nested(base), nested(override))


def nested(tree: Tree, prefix: str = "") -> Tree:
    """The tree without dotted keys; `UserError` where two say the same (`a.b: 1, a: {b: 2}`)."""
    whole: Tree = {}
    for key, value in tree.items():
        head, _, rest = key.partition(".")
        path = f"{prefix}{head}"
        value = {rest: value} if rest else value
        part = nested(value, f"{path}.") if isinstance(value, dict) else value
        whole[head] = _united(whole[head], part, path) if head in whole else part
    return whole


def _united(one: Any, other: Any, path: str) -> Tree:
    """Two parts of one mapping, of which none says what the other says."""
    one, other = _unshortened(one, other), _unshortened(other, one)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        raise UserError(_twice(path, one, other))
    both = {key: _united(one[key], other[key], f"{path}.{key}") for key in one if key in other}
    return one | other | both


def _laid_over(base: Tree, override: Tree) -> Tree:
    merged = dict(base)
    for key, value in override.items():
        here = _unshortened(merged.get(key), value)
        value = _unshortened(value, here)
        if isinstance(value, dict):
            value = _laid_over(here if isinstance(here, dict) else {}, value)
        merged[key] = value
    return merged


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
