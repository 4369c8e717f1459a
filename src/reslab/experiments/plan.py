"""From an experiment's file to its plan: variants × seeds, with what their nets cost.

BUDGET and SEEDS hold for every variant. The plan is a plain value that is written before anything
starts, so that tables and figures need nothing else.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import cache, partial
from typing import Any

from reslab import store
from reslab.config.costs import Impossible
from reslab.config.division import refuse_division
from reslab.config.nets import Net
from reslab.config.problems import PlaceOf
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig, costs_of, input_size
from reslab.config.trees import Tree, flatten, merge, spelled
from reslab.errors import MOST_FAILURES, UserError, apart, both, located, together
from reslab.experiments.choice import Choice, Override, chosen
from reslab.experiments.edges import FIELDS, UNKNOWN, Family, Parents, divided
from reslab.experiments.file import Experiment, read_experiment
from reslab.papers.published import cell, table
from reslab.store.plan import Options, Plan, Pointer, Run, Variant
from reslab.text import shortened


def read_plan_file(name: str, options: Options) -> Plan:
    """The plan of configs/experiments/<name>.yaml."""
    experiment, where = read_experiment(name)
    return expand(name, experiment, options, where)


def expand(name: str, experiment: Experiment, options: Options, where: str) -> Plan:
    """Lay every variant over the base, which `options` may change, for every seed."""
    choice, _ = both(
        partial(chosen, experiment, options, where),
        partial(_known_table, experiment.published, where),
    )
    _refuse_nameless(choice)
    family = Family(cache(partial(_resolved, choice)))
    rows = _variants(choice, family)
    variants = _with_costs((*rows, *_origins(choice, family, rows)), where)
    names = {(v.label, run.seed): run.name for v in variants for run in v.runs}
    edges, teachers = (
        {names[run]: names[parent] for run, parent in family.edges[field].items()}
        for field in FIELDS
    )
    pairs = experiment.questions
    return Plan(
        name,
        experiment.title or name,
        experiment.published,
        options,
        variants[: len(rows)],
        variants[len(rows) :],
        edges,
        teachers,
        margin=experiment.margin,
        target=experiment.target,
        times=experiment.times,
        baseline=experiment.baseline,
        questions=None if pairs is None else tuple((one, other) for one, other in pairs),
    )


def _refuse_nameless(choice: Choice) -> None:
    """BUDGET=1 is a plan without words, unless the file itself says another budget."""
    if choice.options.budget != 1 or choice.options.plan is not None:
        return
    trees = choice.base, *(override.tree for override in choice.overrides.values())
    if any("budget" in tree for tree in trees):
        raise UserError(
            f"{choice.where}: budget: stands in the file, so that BUDGET=1 is another plan than "
            "the one without words; say what it is called, too: PLAN=whole"
        )


def _origins(choice: Choice, family: Family, rows: Sequence[Variant]) -> Iterator[Variant]:
    """Variants with the runs that are no row's, which others rest on."""
    shown = ((variant.label, run.seed) for variant in rows for run in variant.runs)
    for label, configs in family.origins(shown).items():
        yield _laid(choice.overrides[label], configs)


def _laid(
    override: Override,
    configs: Iterable[RunConfig],
    pointer: Pointer | None = None,
    note: str | None = None,
) -> Variant:
    """A variant, without its costs."""
    slug = store.slug(override.label)
    runs = tuple(Run.of(slug, config) for config in configs)
    return Variant(override.label, slug, flatten(override.difference), pointer, note, 0, 0, runs)


def _known_table(published: str | None, where: str) -> None:
    if published is not None:
        with located(f"{where}: published"):
            table(published)


def _variants(choice: Choice, family: Family) -> list[Variant]:
    """The rows, without their costs.

    `UserError` with the problems of all, and once what is wrong in every one.
    """
    variants, problems, failed = list[Variant](), defaultdict[str, list[str]](list), 0
    for label in choice.picked:
        own, every = (
            f"{choice.where}: {place}" for place in (choice.overrides[label].place, "every variant")
        )
        try:
            variants.append(_variant(choice, label, family))
        except UserError as error:
            for problem in apart(error):
                problems[problem.replace(own, every, 1)].append(problem)
            failed += 1
        if failed == MOST_FAILURES:
            break
    if problems:
        told = (
            [shared] if 1 < len(each) == len(choice.picked) else each
            for shared, each in problems.items()
        )
        raise together(list(dict.fromkeys(itertools.chain(*told))))
    return variants


def _variant(choice: Choice, label: str, family: Family) -> Variant:
    experiment, options, place = choice.experiment, choice.options, choice.place(label)
    override = choice.overrides[label]
    published = override.tree.get("published"), experiment.published, place("published")
    seeds = experiment.seeds if options.seeds is None else list(range(options.seeds))
    first, (pointer, note) = both(
        partial(family.run, label, seeds[0]),
        lambda: both(
            partial(_pointer, label, *published), partial(_note, override.tree.get("note"), place)
        ),
    )
    if pointer and options.set:
        without = merge(choice.base, override.difference)
        if _net(without, place) != first.model:
            pointer, note = None, "the net is changed by SET and loses its published value"
    return _laid(override, (family.run(label, seed) for seed in seeds), pointer, note)


def _net(tree: Tree, place: PlaceOf) -> Net:
    """The net alone; what the run rests on is unknown here."""
    origins = {f: {"run": UNKNOWN} for f in FIELDS if isinstance(tree.get(f), Mapping)}
    return resolve({**tree, **origins}, place).model


def _resolved(choice: Choice, label: str) -> tuple[RunConfig, Parents]:
    """What the runs of a variant have in common, and what they rest on."""
    place = choice.place(label)
    tree, parents = divided(choice.tree(label), choice.overrides, place)
    return _config(tree, choice.options, place), parents


def _with_costs(variants: Sequence[Variant], where: str) -> tuple[Variant, ...]:
    runs = [variant.configs[0] for variant in variants]
    try:
        found = costs_of(runs)
    except Impossible as error:
        nets = [(run.model, input_size(run)) for run in runs]
        label = shortened(variants[nets.index(error.net)].label)
        raise UserError(f"{where}: variants.{label}: model: {error}") from None
    return tuple(replace(v, **vars(cost)) for v, cost in zip(variants, found, strict=True))


def _config(tree: Tree, options: Options, place: PlaceOf) -> RunConfig:
    """The run of a variant's first seed."""
    if "seed" in tree:
        raise UserError(f"{place('seed')}: stands in the experiment's seeds, or in SEEDS=")
    if options.budget is not None:
        tree["budget"] = options.budget
    if options.diagnostics:
        tree["diagnostics"] = True
    config = resolve(tree, place)
    with located(place("")):
        config = config if options.epochs is None else config.lasting(options.epochs)
        refuse_division(config, options, options.devices)
    return config


def _note(note: Any, place: PlaceOf) -> str | None:
    if not isinstance(note, str | None):
        raise UserError(f"{place('note')}: got {spelled(note)}; expected a text, in quotes")
    return note


def _pointer(label: str, published: Any, default_table: str | None, where: str) -> Pointer | None:
    """Where a variant's published value stands; None where it has none."""
    if published == "none" or (published is None and default_table is None):
        return None
    own = {} if published is None else published
    if not isinstance(own, dict) or not own.keys() <= {"table", "row", "column"}:
        raise UserError(
            f"{where}: got {spelled(published)}; expected none, or a mapping of table, row, column"
        )
    words = {key: str(value) for key, value in own.items()}
    ref = words.get("table", default_table)
    if ref is None:
        raise UserError(f"{where}: table: is missing here and in the experiment")
    pointer = Pointer(ref, words.get("row", label), words.get("column"))
    with located(where):
        cell(*astuple(pointer))
    return pointer
