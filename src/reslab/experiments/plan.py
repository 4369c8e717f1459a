"""From an experiment's file to its plan: variants × seeds, with what their nets cost.

BUDGET and SEEDS hold for every variant. The plan is a plain value that is written before anything
starts, so that tables and figures need nothing else.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import partial
from typing import Any

from reslab import papers, store
from reslab.config import RunConfig, flatten, input_size, merge, resolve
from reslab.config.costs import Impossible, costs
from reslab.config.resolve import Place
from reslab.config.sides import refuse_single_values
from reslab.config.strict_yaml import Tree, spelled
from reslab.errors import MOST_FAILURES, UserError, apart, both, located, together
from reslab.experiments.file import (
    Experiment,
    Override,
    changed,
    chosen,
    places,
    read_experiment,
)
from reslab.store.plan import Options, Plan, Pointer, Run, Variant
from reslab.text import shortened


def read_plan_file(name: str, options: Options) -> Plan:
    """The plan of configs/experiments/<name>.yaml."""
    experiment, where = read_experiment(name)
    return expand(name, experiment, options, where)


def expand(name: str, experiment: Experiment, options: Options, where: str) -> Plan:
    """Lay every variant over the base, which `options` may change, for every seed."""
    _, (base, overrides) = both(
        partial(_known_table, experiment.published, where),
        partial(chosen, experiment, options, where),
    )
    variants = _with_costs(_variants(overrides, base, experiment, options, where), where)
    return Plan(name, experiment.title or name, experiment.published, options, variants)


def _known_table(published: str | None, where: str) -> None:
    if published is not None:
        with located(f"{where}: published"):
            papers.table(published)


def _variants(
    overrides: list[Override], base: Tree, experiment: Experiment, options: Options, where: str
) -> list[Variant]:
    """All variants, without their costs.

    `UserError` with the problems of all, and once what is wrong in every one.
    """
    variants, problems, failed = list[Variant](), defaultdict[str, list[str]](list), 0
    for override in overrides:
        place = places(override, base, options.set, where)
        try:
            variants.append(_variant(override, base, experiment, options, place))
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
    override: Override, base: Tree, experiment: Experiment, options: Options, place: Place
) -> Variant:
    label, own, difference = override.label, override.tree, override.difference
    published = own.get("published"), experiment.published, place("published")
    config, (cell, note) = both(
        partial(_config, merge(changed(base, options.set), difference), options, place),
        lambda: both(partial(_cell, label, *published), partial(_note, own.get("note"), place)),
    )
    if cell and options.set and resolve(merge(base, difference), place).model != config.model:
        cell, note = None, "the net is changed by SET and loses its published value"
    slug = store.slug(label)
    seeds = experiment.seeds if options.seeds is None else range(options.seeds)
    runs = tuple(Run.of(slug, config.model_copy(update={"seed": seed})) for seed in seeds)
    return Variant(label, slug, flatten(difference), cell, note, 0, 0, runs)


def _with_costs(variants: Sequence[Variant], where: str) -> tuple[Variant, ...]:
    """Their costs, of all nets at once: one process counts those of other libraries."""
    nets = [(v.configs[0].model, input_size(v.configs[0])) for v in variants]
    try:
        found = costs(nets)
    except Impossible as error:
        label = shortened(variants[nets.index(error.net)].label)
        raise UserError(f"{where}: variants.{label}: model: {error}") from None
    return tuple(replace(v, **vars(found[net])) for v, net in zip(variants, nets, strict=True))


def _config(tree: Tree, options: Options, place: Place) -> RunConfig:
    """The run of a variant's first seed."""
    if "seed" in tree:
        raise UserError(f"{place('seed')}: stands in the experiment's seeds, or in SEEDS=")
    if options.budget is not None:
        tree["budget"] = options.budget
    config = resolve(tree, place)
    with located(place("")):
        refuse_single_values(config, options, options.devices)
    return config


def _note(note: Any, place: Place) -> str | None:
    if not isinstance(note, str | None):
        raise UserError(f"{place('note')}: got {spelled(note)}; expected a text, in quotes")
    return note


def _cell(label: str, published: Any, default_table: str | None, where: str) -> Pointer | None:
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
        papers.cell(*astuple(pointer))
    return pointer
