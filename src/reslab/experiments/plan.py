"""From an experiment's file to its plan: variants × seeds, with what their nets cost.

BUDGET and SEEDS hold for every variant. The plan is a plain value that is written before anything
starts, so that tables and figures need nothing else.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import cache, partial
from typing import Any

from reslab import store
from reslab.config.costs import Impossible, costs
from reslab.config.losses import refuse_parts
from reslab.config.nets import Net
from reslab.config.resolve import PlaceOf, resolve
from reslab.config.run import RunConfig, input_size
from reslab.config.sides import refuse_single_values
from reslab.config.strict_yaml import Tree, flatten, merge, spelled
from reslab.errors import MOST_FAILURES, UserError, apart, both, located, together
from reslab.experiments.edges import FIELDS, UNKNOWN, Family, Parents, divided
from reslab.experiments.file import (
    Experiment,
    Override,
    changed,
    chosen,
    places,
    read_experiment,
)
from reslab.papers.published import cell, table
from reslab.store.plan import Options, Plan, Pointer, Run, Variant
from reslab.text import shortened


def read_plan_file(name: str, options: Options) -> Plan:
    """The plan of configs/experiments/<name>.yaml."""
    experiment, where = read_experiment(name)
    return expand(name, experiment, options, where)


def expand(name: str, experiment: Experiment, options: Options, where: str) -> Plan:
    """Lay every variant over the base, which `options` may change, for every seed."""
    _, (base, every, picked) = both(
        partial(_known_table, experiment.published, where),
        partial(chosen, experiment, options, where),
    )
    _refuse_nameless(base, every, options, where)
    overrides = {override.label: override for override in every}
    family = Family(cache(partial(_resolved, overrides, base, options, where)))
    rows = _variants(
        [overrides[label] for label in picked], base, experiment, options, where, family
    )
    variants = _with_costs((*rows, *_origins(family, rows, overrides)), where)
    names = {(v.label, run.seed): run.name for v in variants for run in v.runs}
    edges, teachers = (
        {names[run]: names[parent] for run, parent in family.edges[field].items()}
        for field in FIELDS
    )
    title = experiment.title or name
    shown, others = variants[: len(rows)], variants[len(rows) :]
    pairs = experiment.questions
    return Plan(
        name,
        title,
        experiment.published,
        options,
        shown,
        others,
        edges,
        teachers,
        margin=experiment.margin,
        target=experiment.target,
        times=experiment.times,
        baseline=experiment.baseline,
        questions=None if pairs is None else tuple((one, other) for one, other in pairs),
    )


def _refuse_nameless(
    base: Tree, overrides: Sequence[Override], options: Options, where: str
) -> None:
    """BUDGET=1 is a plan without words, unless the file itself says another budget."""
    if options.budget != 1 or options.plan is not None:
        return
    if "budget" in base or any("budget" in override.tree for override in overrides):
        raise UserError(
            f"{where}: budget: stands in the file, so that BUDGET=1 is another plan than the one "
            "without words; say what it is called, too: PLAN=whole"
        )


def _origins(
    family: Family, rows: Sequence[Variant], overrides: Mapping[str, Override]
) -> Iterator[Variant]:
    """Variants with the runs that are no row's, which others rest on."""
    shown = ((variant.label, run.seed) for variant in rows for run in variant.runs)
    for label, configs in family.origins(shown).items():
        slug, difference = store.slug(label), flatten(overrides[label].difference)
        runs = tuple(Run.of(slug, config) for config in configs)
        yield Variant(label, slug, difference, None, None, 0, 0, runs)


def _known_table(published: str | None, where: str) -> None:
    if published is not None:
        with located(f"{where}: published"):
            table(published)


def _variants(
    overrides: list[Override],
    base: Tree,
    experiment: Experiment,
    options: Options,
    where: str,
    family: Family,
) -> list[Variant]:
    """All variants, without their costs.

    `UserError` with the problems of all, and once what is wrong in every one.
    """
    variants, problems, failed = list[Variant](), defaultdict[str, list[str]](list), 0
    for override in overrides:
        place = places(override, base, options.set, where)
        try:
            variants.append(_variant(override, base, experiment, options, place, family))
        except UserError as error:
            for problem in apart(error):
                shared = problem.replace(f"{where}: {override.place}", f"{where}: every variant", 1)
                problems[shared].append(problem)
            failed += 1
        if failed == MOST_FAILURES:
            break
    if problems:
        told = (
            [shared] if 1 < len(each) == len(overrides) else each
            for shared, each in problems.items()
        )
        raise together(list(dict.fromkeys(itertools.chain(*told))))
    return variants


def _variant(
    override: Override,
    base: Tree,
    experiment: Experiment,
    options: Options,
    place: PlaceOf,
    family: Family,
) -> Variant:
    label, own, difference = override.label, override.tree, override.difference
    published = own.get("published"), experiment.published, place("published")
    seeds = experiment.seeds if options.seeds is None else list(range(options.seeds))
    first, (pointer, note) = both(
        partial(family.run, label, seeds[0]),
        lambda: both(partial(_pointer, label, *published), partial(_note, own.get("note"), place)),
    )
    if pointer and options.set and _net(merge(base, difference), place) != first.model:
        pointer, note = None, "the net is changed by SET and loses its published value"
    slug = store.slug(label)
    runs = tuple(Run.of(slug, family.run(label, seed)) for seed in seeds)
    return Variant(label, slug, flatten(difference), pointer, note, 0, 0, runs)


def _net(tree: Tree, place: PlaceOf) -> Net:
    """The net alone; what the run rests on is unknown here."""
    origins = {f: {"run": UNKNOWN} for f in FIELDS if isinstance(tree.get(f), Mapping)}
    return resolve({**tree, **origins}, place).model


def _resolved(
    overrides: Mapping[str, Override], base: Tree, options: Options, where: str, label: str
) -> tuple[RunConfig, Parents]:
    """What the runs of a variant have in common, and what they rest on."""
    override = overrides[label]
    place = places(override, base, options.set, where)
    tree = merge(changed(base, options.set), override.difference)
    tree, parents = divided(tree, overrides, place)
    return _config(tree, options, place), parents


def _with_costs(variants: Sequence[Variant], where: str) -> tuple[Variant, ...]:
    """Their costs, of all nets at once: one process counts those of other libraries, whose
    adapters' parameters are not known."""
    nets = [(v.configs[0].model, input_size(v.configs[0])) for v in variants]
    try:
        found = costs(nets)
    except Impossible as error:
        label = shortened(variants[nets.index(error.net)].label)
        raise UserError(f"{where}: variants.{label}: model: {error}") from None
    whole = tuple(replace(v, **vars(found[net])) for v, net in zip(variants, nets, strict=True))
    return tuple(replace(v, params=v.params + (v.configs[0].added_params or 0)) for v in whole)


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
        refuse_single_values(config, options, options.devices)
        refuse_parts(config.recipe.loss, config.recipe.batch_size, options, options.devices)
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
