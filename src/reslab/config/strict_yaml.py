"""YAML without surprises: one loader for every file that a person writes.

Duplicate keys are errors, `1e-4` is a number, `off`, `no` and `010` are words (close to YAML 1.2's
core schema). A key is the text that stands there. There are no tags, no anchors and no aliases: by
the first a file of a few lines could name objects of Python, by the others billions of entries.
"""

import contextlib
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

from reslab.config.trees import MOST_DEPTH, Tree, Whole, spelled, twice
from reslab.errors import LONGEST, UserError
from reslab.text import LONG, quoted, shortened

MOST_BYTES = 2**18
"""Of a file; the longest of this repository has a twentieth."""

MOST_DIGITS = 100
"""Of a whole number; Python itself reads 4,300."""

LONGEST_KEY = 255
"""Letters of a key: the longest is a variant's label."""


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
            problem = twice(".".join(loader.path), tree[word], read)
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
