"""docs/architecture.md is true of the code: its tree, its floors, its names, its figures."""

import ast
import re
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "reslab"
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
LAYERS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"][0]["layers"]
TOP = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}


def block(heading: str) -> list[str]:
    """The lines of the first code block below a heading."""
    return PAGE.partition(f"# {heading}\n")[2].split("```")[1].strip("\n").splitlines()


def names(line: str) -> list[str]:
    """The rooms or modules of a floor."""
    return [name.strip(" ()") for name in re.split(r"[|,]", line)]


def test_the_tree_has_every_room_with_its_modules_and_every_single_module() -> None:
    told: dict[str, set[str]] = {}
    for line in block("Where things are"):
        if found := re.match(r"  ([\w/]+(?:/|\.py))  ", line):
            room = found[1].rstrip("/")
            told[room] = set()
        elif line.startswith(" " * 10):
            told[room] |= set(line.split())
    there: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        place = file.relative_to(SOURCE)
        if file.name == "__init__.py":
            there.setdefault(str(place.parent), set())
        elif place.parent.name:
            there.setdefault(str(place.parent), set()).add(file.stem)
        else:
            there[str(place)] = set()
    del there["."]
    assert told == there


def test_the_floors_are_those_that_import_linter_holds() -> None:
    assert list(map(names, block("Floors"))) == list(map(names, LAYERS))


@cache
def definitions(file: Path) -> dict[str, set[str]]:
    """A module's names; of a class also its own."""
    return _defined(ast.parse(file.read_text(encoding="utf-8")).body)


def _defined(body: list[ast.stmt]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inner = _defined(node.body) if isinstance(node, ast.ClassDef) else {}
            found[node.name] = set(inner)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = (part for target in targets for part in ast.walk(target))
            found |= {part.id: set() for part in parts if isinstance(part, ast.Name)}
        elif isinstance(node, ast.If):
            found |= _defined([*node.body, *node.orelse])
    return found


def module_of(name: str) -> str:
    """The longest part of a dotted name that is a module or a room."""
    parts = name.split(".")
    starts = [parts[:end] for end in range(len(parts), 0, -1)]
    is_there = (s for s in starts if SOURCE.joinpath(*s).is_dir() or _file(s).is_file())
    return ".".join(next(is_there, []))


def _file(parts: list[str]) -> Path:
    return SOURCE.joinpath(*parts).with_suffix(".py")


def is_defined(name: str) -> bool:
    module = module_of(name)
    first, _, second = name.removeprefix(module).removeprefix(".").partition(".")
    file = _file(module.split("."))
    if not first or not file.is_file():
        return not first
    found = definitions(file)
    return first in found and (not second or second in found[first])


ROUTES = ["`make experiment NAME=x` → the table", "One run", "One batch"]


def route(heading: str) -> list[str]:
    return [line.split()[0] for line in block(heading)]


def test_what_the_page_names_is_there() -> None:
    quoted = re.findall(r"`([a-z_]+(?:\.\w+)+)`", PAGE)
    named = [name for name in quoted if name.split(".")[0] in TOP and not name.endswith(".py")]
    named += [name for heading in ROUTES for name in route(heading)]
    assert len(named) > 100
    assert [name for name in named if not is_defined(name)] == []


def test_the_files_that_the_page_names_are_there() -> None:
    paths = re.findall(r"`((?:\w+/)+[\w.]*)`", PAGE)
    assert [p for p in paths if not ((REPOSITORY / p).exists() or (SOURCE / p).exists())] == []


@pytest.mark.parametrize(("name", "there"), [("store.owner.lock", True), ("store.folder.x", False),
                                             ("disk", True), ("nowhere.lock", False)])  # fmt: skip
def test_a_name_that_is_not_there_is_seen(name: str, there: bool) -> None:
    assert is_defined(name) is there


def test_a_name_is_imported_from_the_module_that_defines_it() -> None:
    """So a room has no second door. Two have one door for all: `reslab` itself, and `store`."""
    folders = (SOURCE, *(REPOSITORY / name for name in ("tests", "scripts", "benchmarks")))
    files = [file for folder in folders for file in folder.rglob("*.py")]
    found = [(file, node) for file in files for node in _imports(file)]
    assert len(found) > 1000
    elsewhere = [
        f"{file.relative_to(REPOSITORY)}:{node.lineno}: {node.module}.{alias.name}"
        for file, node in found
        for alias in node.names
        if not is_defined(f"{node.module}.{alias.name}".removeprefix("reslab."))
    ]
    assert elsewhere == []


def _imports(file: Path) -> list[ast.ImportFrom]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return [node for node in imports if str(node.module).startswith("reslab.")]


def test_the_figures_of_the_longest_route_are_those_of_its_list() -> None:
    """A stay ends where the next function is in another module."""
    floors = {room: -i for i, line in enumerate(LAYERS) for room in names(line)}
    modules = [module_of(name) for name in route(ROUTES[0])]
    stays = [modules[0], *(b for a, b in pairwise(modules) if a != b)]
    heights = [floors[module.partition(".")[0]] for module in stays]
    climbs = sum(b > a for a, b in pairwise(heights))
    told = f"{len(stays)} stays in a module, {climbs} climbs into a room of a higher floor, "
    assert f"{told}{len(stays) - len(set(stays))} returns" in " ".join(PAGE.split())
