"""What of an experiment's file is asked for: its variants with the grid's, what ONLY picks and SET
changes.

A variant is a set of overrides on `base`. SET changes the base, so that a variant keeps its own
difference.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, partial
from typing import Any

from reslab import store
from reslab.config.problems import PlaceOf
from reslab.config.resolve import resolve
from reslab.config.strict_yaml import parse_assignment
from reslab.config.trees import Tree, flatten, merge, nested
from reslab.errors import MOST, UserError, both, enumerated, gathered, located, nearest
from reslab.experiments.file import Experiment
from reslab.store.plan import Options
from reslab.text import quoted, shortened

MOST_VARIANTS = 1000
"""Of an experiment with its grid; the papers' largest table has a twentieth of it."""

MOST_RUNS = 10_000
"""Of an experiment: variants times seeds."""

MOST_PARTS = 1000
"""Of ONLY, between commas."""


@dataclass(frozen=True)
class Override:
    """What a variant says in the file, or a combination of the grid."""

    label: str
    tree: Tree
    of_grid: bool

    @property
    def difference(self) -> Tree:
        """What it changes of a run."""
        return {k: v for k, v in self.tree.items() if k not in ("published", "note")}

    @property
    def place(self) -> str:
        """Where it stands in the file, for messages."""
        label = shortened(self.label)
        return f"grid ({label})" if self.of_grid else f"variants.{label}"


@dataclass(frozen=True)
class Choice:
    """What an experiment's file says, and a command line of it."""

    experiment: Experiment
    options: Options
    where: str
    """The file, for messages."""
    base: Tree
    """Without SET."""
    overrides: dict[str, Override]
    """All variants by their labels, those that ONLY leaves out as well."""
    picked: list[str]
    """The labels that it leaves."""

    def tree(self, label: str) -> Tree:
        """What a variant's runs are, under SET."""
        base = self.base
        for assignment in self.options.set:
            base = merge(base, parse_assignment(assignment))
        return merge(base, self.overrides[label].difference)

    def place(self, label: str) -> PlaceOf:
        """Where a path of a variant stands: in the variant, the grid or the base.

        A path that SET has, and one that nobody has written, is told as the variant's.
        """
        override, where, assignments = self.overrides[label], self.where, self.options.set
        under = f" with SET={quoted(' '.join(assignments))}" if assignments else ""
        variant = f"{where}: {override.place}{under}"
        by_set = {leaf for text in assignments for leaf in _leaves(parse_assignment(text))}
        replaced = tuple(f"{path}." for path in map(_assigned, assignments))
        own = _leaves(override.tree)
        below = {leaf for leaf in _leaves(self.base) - by_set if not leaf.startswith(replaced)}

        def place(path: str) -> str:
            key = _leaf(path)
            for holds in (key.__eq__, lambda leaf: leaf.startswith(f"{key}.")):
                if any(map(holds, own)):
                    return f"{where}: grid.{path}" if override.of_grid else f"{variant}: {path}"
                if any(map(holds, below)):
                    return f"{where}: base.{path}"
            return f"{variant}: {path}" if path else variant

        return place


def chosen(experiment: Experiment, options: Options, where: str) -> Choice:
    """What runs of an experiment are asked for; `UserError` with what is wrong."""
    _refuse_too_many(experiment, options.seeds or len(experiment.seeds), where)
    base, overrides = both(
        partial(_base, experiment, where), lambda: gathered(_overrides(experiment, where))
    )
    labels = [override.label for override in overrides]
    with located(where):
        _refuse_equal_slugs(labels)
        _refuse_unknown_labels(experiment, labels)
    picked = pick(labels, options.only or "*")
    _refuse_idle(options.set, base, [each for each in overrides if each.label in picked])
    of_label = {override.label: override for override in overrides}
    return Choice(experiment, options, where, base, of_label, picked)


def _base(experiment: Experiment, where: str) -> Tree:
    with located(f"{where}: base"):
        return nested(experiment.base)


def _refuse_too_many(experiment: Experiment, seeds: int, where: str) -> None:
    """Before a grid's product takes memory."""
    product = math.prod(map(len, experiment.grid.values())) if experiment.grid else 0
    for what, count, most in (
        ("variants", variants := len(experiment.variants) + product, MOST_VARIANTS),
        ("runs", variants * seeds, MOST_RUNS),
    ):
        if count > most:
            told = f"{count:,}" if count < 10**12 else "far too many"
            raise UserError(f"{where}: {told} {what}; expected at most {most:,}")


def _overrides(experiment: Experiment, where: str) -> Iterator[Callable[[], Override]]:
    for label, tree in experiment.variants.items():
        yield partial(_override, label, tree, False, f"{where}: variants.{shortened(label)}")
    for label, tree in _grid(experiment.grid):
        yield partial(_override, label, tree, True, f"{where}: grid")


def _override(label: str, tree: Tree, of_grid: bool, where: str) -> Override:
    with located(where):
        return Override(label, nested(tree), of_grid)


def _grid(grid: dict[str, list[Any]]) -> Iterator[tuple[str, Tree]]:
    """The product of a grid: labels like `resnet20, shortcut A` and their overrides."""
    for values in itertools.product(*grid.values()) if grid else ():
        override = dict(zip(grid, values, strict=True))
        yield ", ".join(itertools.starmap(_words, flatten(override).items())), override


def _words(path: str, value: Any) -> str:
    """A setting as a label has it; a name speaks for itself."""
    key = path.rpartition(".")[2]
    return str(value) if key in ("model", "name") else f"{key} {value}"


def _refuse_equal_slugs(labels: list[str]) -> None:
    first: dict[str, str] = {}
    for label in labels:
        slug = store.slug(label)
        if slug in first:
            both = f"{quoted(first[slug])} and {quoted(label)}"
            raise UserError(f"the variants {both} would have one folder, {slug}")
        first[slug] = label


def _refuse_unknown_labels(experiment: Experiment, labels: list[str]) -> None:
    """In what is to be compared."""
    asked = [("baseline", label) for label in filter(None, [experiment.baseline])]
    for i, pair in enumerate(experiment.questions or ()):
        asked += [(f"questions.{i}", label) for label in pair]
    for path, label in asked:
        if label not in labels:
            near = nearest(label, labels)
            raise UserError(f"{path}: no variant is called {quoted(label)}{near}")


# ---- ONLY ---------------------------------------------------------------------------------------


def pick(labels: Sequence[str], only: str) -> list[str]:
    """The labels that `ONLY` picks: a label or a glob, or several with commas; `!` excludes.

    `*20`, `plain-*,ResNet 110`, `!*1202`. Labels may have commas themselves: what is a label is not
    divided, nor is the whole of it where that matches one as a single glob. `UserError` where
    nothing is picked, or a part of it matches no label.
    """
    if only.count(",") >= MOST_PARTS:
        raise UserError(f"ONLY has {only.count(',') + 1:,} parts; expected at most {MOST_PARTS:,}")
    pattern = cache(lambda glob: re.compile(translate(glob)))

    def match(label: str, glob: str) -> bool:
        return label == glob or pattern(glob).match(label) is not None

    whole = only.removeprefix("!")
    is_one = any(match(label, whole) for label in labels)
    globs = [only.strip()] if is_one else list(_parts(only, labels))
    wanted = [glob for glob in globs if not glob.startswith("!")] or ["*"]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    idle = [g for g in [*wanted, *unwanted] if not any(match(label, g) for label in labels)]
    picked = [
        label
        for label in labels
        if any(match(label, glob) for glob in wanted)
        and not any(match(label, glob) for glob in unwanted)
    ]
    if idle or not picked:
        part = f": {quoted(idle[0])}" if idle and len(globs) > 1 else ""
        there = enumerated([quoted(label) for label in labels], 3 * MOST)
        raise UserError(f"ONLY={quoted(only)}{part} matches none of the variants: {there}")
    return picked


def excluding(only: str | None, unwanted: Sequence[str], kept: Sequence[str]) -> str:
    """The `ONLY` that also leaves out some of the labels that `only` picks; `kept` are the others.

    These are listed where what is said has commas: it may be one glob, which nothing joins.
    """
    if only and "," in only:
        return ",".join(kept)
    return ",".join((*([only] if only else []), *(f"!{label}" for label in unwanted)))


def _parts(only: str, labels: Sequence[str]) -> Iterator[str]:
    """What stands between commas; as many pieces together as are a label, behind a `!` or not."""
    pieces, known = only.split(","), {sign + label for label in labels for sign in ("", "!")}
    longest = 1 + max(label.count(",") for label in labels)
    while pieces:
        joined = {n: ",".join(pieces[:n]).strip() for n in range(longest, 0, -1)}
        taken = next((n for n, part in joined.items() if part in known), 1)
        yield joined[taken]
        del pieces[:taken]


# ---- SET, and paths as messages have them -------------------------------------------------------


def _refuse_idle(assignments: tuple[str, ...], base: Tree, overrides: list[Override]) -> None:
    """Refuse a SET that is seen in no variant because each has a value of its own."""
    for assignment in assignments:
        change = parse_assignment(assignment)
        if not any(_is_seen(change, base, override) for override in overrides):
            raise UserError(
                f"SET={quoted(assignment)} changes nothing: every variant has its own value"
            )


def _is_seen(change: Tree, base: Tree, override: Override) -> bool:
    """Whether a variant leaves anything of a SET to be seen, be it what a mapping has cleared."""
    if not _leaves(change) <= _leaves(override.tree):
        return True
    if not any(isinstance(value, dict) for value in change.values()):
        return False
    try:
        with_it, without = (
            resolve(merge(under, override.difference), "") for under in (merge(base, change), base)
        )
    except UserError:  # told where the variant is resolved
        return True
    return with_it != without


def _leaves(tree: Tree) -> set[str]:
    """The paths of what a tree says; `model` and `model.name` are one."""
    return {_leaf(path) for path in flatten(nested(tree))}


def _assigned(assignment: str) -> str:
    """The path of a SET, as `_leaves` has it."""
    return _leaf(next(iter(parse_assignment(assignment))))


def _leaf(path: str) -> str:
    """The path as `_leaves` has it; that of a list for one of its entries."""
    return re.sub(r"(\.[0-9]+)+$", "", path).removesuffix(".name")
