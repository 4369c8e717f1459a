"""Runs that rest on runs of the same plan: `start: {variant: X}`, or `teacher: {variant: X}`,
becomes the id of X's run.

It is that of the same seed, or of a fixed one (`seed: 0`). Since an id is known before
anything has trained, a plan is ordered, shown and resumed as any other; a parent that changes
changes all that rests on it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reslab.config.problems import PlaceOf
from reslab.config.run import RunConfig
from reslab.config.start import same_classes
from reslab.config.trees import Tree, spelled
from reslab.errors import UserError, nearest
from reslab.text import quoted

FIELDS = ("start", "teacher")
"""Of a run those that may name another variant."""

UNKNOWN = "0" * 10
"""A run's id in place of a parent's, while a variant is resolved."""


@dataclass(frozen=True)
class Parent:
    """The run that a run starts from, or is taught by, as its variant says it."""

    label: str
    seed: int | None
    """None: the run's own."""
    says_head: bool
    """Whether it says how the head begins, too."""


Parents = Mapping[str, Parent]
"""By the fields of a run that say them."""


def divided(tree: Tree, labels: Iterable[str], place: PlaceOf) -> tuple[Tree, Parents]:
    """A variant's tree with unknown runs in its parents' places, and the parents; `UserError` for
    one that is none of the variants."""
    known, found = list(labels), dict[str, Parent]()
    for name in FIELDS:
        said = tree.get(name)
        if isinstance(said, Mapping) and "variant" in said:
            found[name] = _parent(said, known, name, place)
            others = {key: value for key, value in said.items() if key not in ("variant", "seed")}
            begins = {"head": "new"} if name == "start" else {}
            tree = {**tree, name: {**begins, **others, "run": UNKNOWN}}
    return tree, found


def _parent(said: Mapping[str, Any], known: list[str], name: str, place: PlaceOf) -> Parent:
    label, seed = said["variant"], said.get("seed")
    if label not in known:
        raise UserError(
            f"{place(f'{name}.variant')}: no variant is called {spelled(label)}"
            f"{nearest(str(label), known)}"
        )
    if "seed" in said and (type(seed) is not int or seed < 0):
        raise UserError(f"{place(f'{name}.seed')}: got {spelled(seed)}; expected a whole number")
    return Parent(label, seed, "head" in said)


@dataclass
class Family:
    """The runs of all variants of an experiment, also of those that ONLY leaves out."""

    resolved: Callable[[str], tuple[RunConfig, Parents]]
    """What a variant's runs have in common, and what they rest on."""
    of: dict[tuple[str, int], RunConfig] = field(default_factory=dict)
    """The runs that were asked for, and those that they rest on, by variant and seed."""
    edges: dict[str, dict[tuple[str, int], tuple[str, int]]] = field(
        default_factory=lambda: {name: {} for name in FIELDS}
    )
    """By the field that says it, the run that a run rests on."""

    def run(self, label: str, seed: int, resting: tuple[str, ...] = ()) -> RunConfig:
        """A variant's run of a seed, with the ids of those that it rests on."""
        if (label, seed) not in self.of:
            self.of[label, seed] = self._begun(label, seed, resting)
        return self.of[label, seed]

    def _begun(self, label: str, seed: int, resting: tuple[str, ...]) -> RunConfig:
        if label in resting:
            circle = " which rests on ".join(map(quoted, (*resting, label)))
            raise UserError(f"variants go round in a circle: {circle}")
        common, parents = self.resolved(label)
        changes: dict[str, Any] = {"seed": seed}
        for name, parent in parents.items():
            key = parent.label, seed if parent.seed is None else parent.seed
            origin = self.run(*key, (*resting, label))
            known = {"run": origin.run_id}
            if name == "start":
                known["head"] = _head(label, common, parent, origin)
            changes[name] = getattr(common, name).model_copy(update=known)
            self.edges[name][label, seed] = key
        return common.model_copy(update=changes)

    def origins(self, rows: Iterable[tuple[str, int]]) -> dict[str, list[RunConfig]]:
        """The runs that are not among these, by variant: others rest on them."""
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
