"""YAML without surprises, and trees of it: one loader for every file that a person writes.

Duplicate keys are errors, `1e-4` is a number, `off`, `no` and `010` are words (close to YAML 1.2's
core schema). A key is the text that stands there. A tree is what the loader returns: dicts, lists
and scalars, of bounded size. There are no tags, no anchors and no aliases: a file of a few lines
could name objects of Python by the first, and billions of entries by the others.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from reslab.errors import LONGEST, UserError
from reslab.text import LONG, quoted, shortened

Tree = dict[str, Any]

MOST_BYTES = 2**18
"""Of a file; the longest of this repository has a twentieth."""

MOST_DEPTH = 20
"""Mappings and lists in one another, or words of a dotted path; a run's description has five."""

MOST_DIGITS = 100
"""Of a whole number; Python itself reads 4,300."""

LONGEST_KEY = 255
"""Letters of a key: the longest is a variant's label."""


class Whole(Tree):
    """A mapping that is a value: laid over another it takes its place and leaves nothing of it."""


class Part(Tree):
    """What dotted paths say of a mapping that is a value: laid over it, it leaves the rest."""


VALUES = frozenset({"start", "teacher", "adapter", "normalization", "loss"})
"""Keys whose mappings are always values, and whose words take a mapping's place: parts of another
origin beside those of the first would be none. A dotted path changes a part of one."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars, without duplicate keys and without tags."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path: list[str] = []
        """The keys that lead to what is being read."""
        self.depth = 0
        """Of the node that is being composed."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if problem := _not_read(event, self.depth):
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _not_read(event: Any, depth: int) -> str | None:
    """Why a node is refused, whatever it holds."""
    if depth > MOST_DEPTH:
        return f"nested too deeply to be read; expected at most {MOST_DEPTH} levels"
    if tag := getattr(event, "tag", None):
        return f"tags are not read, found {shortened(tag)}"
    if anchor := getattr(event, "anchor", None):
        sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
        found = f"{sign}{shortened(anchor)}"
        return f"anchors and aliases are not read, found {found}; write the value itself"
    return None


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
        word = _key(key)
        loader.path.append(word)
        read = loader.construct_object(value, deep=True)
        if word in tree:
            problem = _twice(".".join(loader.path), tree[word], read)
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        tree[word] = read
        loader.path.pop()
    return tree


def _key(node: yaml.ScalarNode) -> str:
    word = _text(node)
    if len(word) > LONGEST_KEY:
        problem = f"a key of {len(word):,} letters, {quoted(word)}; expected at most {LONGEST_KEY}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return word


def _text(node: yaml.ScalarNode) -> str:
    """A scalar's text; escapes of the two halves of a letter (`\\ud83d\\ude00`) are that letter."""
    text: str = node.value
    try:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        problem = f"half of a surrogate pair in {quoted(text)}; expected the letter itself"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
    if "\0" in text:
        problem = f"a NUL in {quoted(text)}, which no name and no path has"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return text


def _word(_: _Loader, node: yaml.ScalarNode) -> str:
    return _text(node)


def _whole_number(_: _Loader, node: yaml.ScalarNode) -> int:
    digits = sum(letter.isdigit() for letter in node.value)
    if digits > MOST_DIGITS:
        problem = f"a whole number of {digits:,} digits; expected at most {MOST_DIGITS}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return int(node.value)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:str", _word)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


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


def _twice(path: str, one: Any, other: Any) -> str:
    where = shortened(path, 2 * LONG)
    return f"{where}: stands here twice, as {spelled(one)} and as {spelled(other)}"


def load_yaml(path: Path) -> Tree:
    """The mapping in a YAML file; `UserError` names the file and the line for anything else."""
    try:
        text = _content(path)
    except OSError as error:
        raise UserError(f"{shortened(str(path), LONGEST)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file; expected YAML in UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Tree:
    """The mapping in a YAML text; `where` it stands and the line begin every error."""
    try:
        tree = _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line}: {_problem(error)}") from None
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else "a list" if isinstance(tree, list) else spelled(tree)
        raise UserError(f"{where}: expected a mapping (key: value), found {found}")
    return tree


def _content(path: Path) -> str:
    """The text of a file; `UserError` for one that is no file, or too long to be a description."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe might never end
        raise UserError(f"{path} is no file; expected YAML")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} is longer than {MOST_BYTES // 1024} KiB; expected a description")
    return content.decode("utf-8")


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text, in a line."""
    return shortened(getattr(error, "problem", None) or str(error).splitlines()[0], 4 * LONG)


def parse_assignment(text: str) -> Tree:
    """`recipe.optimizer.lr=0.01` as an override; the value is YAML, a mapping a `Whole` one."""
    path, equals, value = text.partition("=")
    if not equals or not all(key.strip() for key in path.split(".")):
        raise UserError(
            f"expected KEY=VALUE, for example model.shortcut=C, got {quoted(text)} (SET is "
            "divided at spaces; quote a value that has some: SET='data.folder=\"/my photos\"')"
        )
    try:
        read = _read(value)
    except yaml.YAMLError as error:
        where, found = shortened(path), quoted(value)
        raise UserError(f"{where}: {found} is no YAML value: {_problem(error)}") from None
    return {path.strip(): Whole(read) if isinstance(read, dict) else read}


def _read(text: str) -> Any:
    if yaml.__with_libyaml__ and not _READ_OTHERWISE.search(text):
        with contextlib.suppress(yaml.YAMLError, ValueError, OverflowError):
            return quick_loader()(text).get_single_data()  # five times as fast
    return read_slowly(text)


_READ_OTHERWISE = re.compile("^[^#\n]*[?|>\t\x85\u2028\u2029\ufeff]", re.MULTILINE)
"""Where libyaml reads what PyYAML refuses: tabs, `?` in a flow, block scalars' heads. In comments
they are nothing."""


@cache
def quick_loader() -> Any:
    """`_Loader` with libyaml's scanner and parser in place of PyYAML's own."""
    parser: Any = import_module("yaml.cyaml").CParser

    class _QuickLoader(parser, _Loader):  # type: ignore[misc]
        """All that is checked is checked as in the other: nodes are composed here, not by C."""

        def __init__(self, text: str) -> None:
            parser.__init__(self, text)
            for part in (Composer, SafeConstructor, Resolver):
                part.__init__(self)
            self.path, self.depth = [], 0

        get_single_node = Composer.get_single_node
        compose_node = _Loader.compose_node

    return _QuickLoader


def read_slowly(text: str) -> Any:
    """The value in a YAML text, by PyYAML alone; its errors are what a person is told."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (ValueError, OverflowError) as error:  # an escape of what is no letter, \\UFFFFFFFF
        mark = loader.get_mark()
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=mark) from None


def dump_yaml(tree: Mapping[str, Any]) -> str:
    """A tree as YAML text that `load_yaml` reads back to an equal tree."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """SafeDumper that quotes what the loader would not read as a word; lists on one line."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=True)


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
        raise UserError(_twice(path, one, other))
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
        raise UserError(_twice("model", net["name"], f"{IN_PYTHON}{word}"))
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
