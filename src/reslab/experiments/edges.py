"""Runs that start from runs of the same plan: `start: {variant: X}` becomes the id of X's run.

A run starts from that of the same seed, or of a fixed one (`seed: 0`). Since an id is known before
anything has trained, a plan is ordered, shown and resumed as any other; a parent that changes
changes all that rests on it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reslab.config.resolve import PlaceOf
from reslab.config.run import RunConfig
from reslab.config.start import same_classes
from reslab.config.strict_yaml import Tree, spelled
from reslab.errors import UserError, nearest
from reslab.text import quoted

UNKNOWN = "0" * 10
"""A run's id in place of a parent's, while a variant is resolved."""


@dataclass(frozen=True)
class Parent:
    """The run that a run starts from, as its variant says it."""

    label: str
    seed: int | None
    """None: the run's own."""
    says_head: bool
    """Whether it says how the head begins, too."""


def divided(tree: Tree, labels: Iterable[str], place: PlaceOf) -> tuple[Tree, Parent | None]:
    """A variant's tree with an unknown run in its parent's place, and the parent; `UserError` for
    one that is none of the variants."""
    start = tree.get("start")
    if not isinstance(start, Mapping) or "variant" not in start:
        return tree, None
    label, seed = start["variant"], start.get("seed")
    if label not in (known := list(labels)):
        raise UserError(
            f"{place('start.variant')}: no variant is called {spelled(label)}"
            f"{nearest(str(label), known)}"
        )
    if "seed" in start and (type(seed) is not int or seed < 0):
        raise UserError(f"{place('start.seed')}: got {spelled(seed)}; expected a whole number")
    others = {key: value for key, value in start.items() if key not in ("variant", "seed")}
    whole = {**tree, "start": {"head": "new", **others, "run": UNKNOWN}}
    return whole, Parent(label, seed, "head" in others)


@dataclass
class Family:
    """The runs of all variants of an experiment, also of those that ONLY leaves out."""

    resolved: Callable[[str], tuple[RunConfig, Parent | None]]
    """What a variant's runs have in common, and what they start from."""
    of: dict[tuple[str, int], RunConfig] = field(default_factory=dict)
    """The runs that were asked for, and those that they rest on, by variant and seed."""
    edges: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def run(self, label: str, seed: int, resting: tuple[str, ...] = ()) -> RunConfig:
        """A variant's run of a seed, with the id of the one that it starts from."""
        if (label, seed) not in self.of:
            self.of[label, seed] = self._begun(label, seed, resting)
        return self.of[label, seed]

    def _begun(self, label: str, seed: int, resting: tuple[str, ...]) -> RunConfig:
        if label in resting:
            circle = " which starts from ".join(map(quoted, (*resting, label)))
            raise UserError(f"variants go round in a circle: {circle}")
        common, parent = self.resolved(label)
        changes: dict[str, Any] = {"seed": seed}
        if parent is not None and common.start is not None:
            key = parent.label, seed if parent.seed is None else parent.seed
            origin = self.run(*key, (*resting, label))
            head = _head(label, common, parent, origin)
            changes["start"] = common.start.model_copy(update={"run": origin.run_id, "head": head})
            self.edges[label, seed] = key
        return common.model_copy(update=changes)

    def origins(self, rows: Iterable[tuple[str, int]]) -> dict[str, list[RunConfig]]:
        """The runs that are not among these, by variant: others start from them."""
        found, shown = dict[str, list[RunConfig]](), set(rows)
        for (label, seed), config in sorted(self.of.items(), key=lambda item: item[0][1]):
            if (label, seed) not in shown:
                found.setdefault(label, []).append(config)
        return found


def _head(label: str, common: RunConfig, parent: Parent, origin: RunConfig) -> str:
    """How the head begins: as the variant says, else kept for the same classes."""
    assert common.start is not None
    if not parent.says_head:
        whole = common.start.loads != "trunk" and origin.recipe.objective.is_of_classes
        whole = whole and same_classes(common.data, origin.data)
        return "kept" if whole else "new"
    ours, theirs = common.model.classes, origin.model.classes
    if common.start.head == "kept" and ours != theirs:
        raise UserError(
            f"{quoted(label)}: start.head: kept has {theirs:,} classes, the run has {ours:,}; "
            "write new or zeros"
        )
    return common.start.head
