"""From an experiment's YAML file to its runs: variants × seeds.

A variant is a set of overrides on `base`; options of the command line come on top. The plan is a
plain value that is written before anything starts, so that tables and figures need nothing else.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, ValidationError

from reslab import papers, store
from reslab.config import (
    Description,
    RunConfig,
    config_file,
    dump_yaml,
    flatten,
    load_yaml,
    merge,
    parse_assignment,
    resolve,
)
from reslab.config.complexities import costs
from reslab.config.datasets import DATASETS
from reslab.config.resolve import problems
from reslab.config.strict_yaml import Tree
from reslab.errors import UserError


class Experiment(Description):
    """An experiment's file, before names are expanded; see docs/experiments.md."""

    title: str | None = None
    published: str | None = None
    """The table that the variants' rows are in, for example `he2015/table6`."""
    base: dict[str, Any] = {}
    seeds: PositiveInt | Annotated[list[int], Field(min_length=1)] = 1
    """How many (0, 1, …), or which."""
    variants: dict[str, dict[str, Any]] = {}
    grid: dict[str, list[Any]] = {}
    """Dotted paths and their values; their product is added to the variants."""


@dataclass(frozen=True)
class Options:
    """What the command line changes of an experiment, and on how many devices a run is trained."""

    budget: float | None = None
    seeds: int | None = None
    only: str | None = None
    set: tuple[str, ...] = ()
    devices: int = 1


@dataclass(frozen=True)
class Variant:
    """One row of the table and its runs, one per seed."""

    label: str
    difference: dict[str, Any]
    configs: tuple[RunConfig, ...]
    published: dict[str, str] | None = None
    note: str | None = None

    @property
    def slug(self) -> str:
        """The label as folders and W&B spell it."""
        return store.slug(self.label)

    def runs(self) -> Iterator[tuple[str, RunConfig]]:
        """Folder names and configs."""
        for config in self.configs:
            yield f"{self.slug}-s{config.seed}-{config.run_id}", config


@dataclass(frozen=True)
class Plan:
    """An experiment with its options, expanded."""

    experiment: str
    title: str
    published: str | None
    options: Options
    variants: tuple[Variant, ...]

    @property
    def folder(self) -> Path:
        """runs/<experiment>."""
        return store.experiment_folder(self.experiment)

    def runs(self) -> Iterator[tuple[Variant, Path, RunConfig]]:
        """All runs, the first seed of every variant before the second of any."""
        per_variant = [[(v, self.folder / name, c) for name, c in v.runs()] for v in self.variants]
        for row in itertools.zip_longest(*per_variant):
            yield from filter(None, row)


def read_plan_file(name: str, options: Options) -> Plan:
    """The plan of configs/experiments/<name>.yaml."""
    store.experiment_folder(name)  # refuses a path
    file = config_file("experiments", name)
    where = f"configs/experiments/{file.name}"
    return expand(name, parse_experiment(load_yaml(file), where), options, where)


def parse_experiment(tree: Tree, where: str) -> Experiment:
    """The experiment in a tree; `UserError` for unknown keys and wrong types."""
    try:
        experiment = Experiment.model_validate(tree)
    except ValidationError as error:
        raise UserError(problems(error, where, Experiment)) from None
    if not (experiment.variants or experiment.grid):
        raise UserError(f"{where}: variants: is missing; an experiment compares at least one")
    return experiment


def expand(name: str, experiment: Experiment, options: Options, where: str) -> Plan:
    """Lay every variant and the options over the base, for every seed."""
    check_published(experiment.published, f"{where}: published")
    overrides = {**experiment.variants, **dict(_grid(experiment.grid))}
    chosen = {k: v for k, v in overrides.items() if fnmatchcase(k, options.only or "*")}
    if not chosen:
        labels = ", ".join(overrides)
        raise UserError(f"ONLY={options.only!r} matches none of the variants: {labels}")
    variants = tuple(
        _variant(label, override or {}, experiment, options, f"{where}: variants.{label}")
        for label, override in chosen.items()
    )
    _refuse_equal([v.slug for v in variants], "labels give the same folder name", where)
    title = experiment.title or name
    return Plan(name, title, experiment.published, options, variants)


def _variant(
    label: str, override: Tree, experiment: Experiment, options: Options, where: str
) -> Variant:
    override = dict(override)
    published = override.pop("published", None)
    note = override.pop("note", None)
    as_written = merge(experiment.base, override)
    tree = as_written
    for assignment in options.set:
        tree = merge(tree, parse_assignment(assignment))
    if options.budget is not None:
        tree = merge(tree, {"budget": options.budget})
    configs = tuple(resolve(merge(tree, {"seed": s}), where) for s in _seeds(experiment, options))
    _check_devices(configs[0], options.devices, where)
    cell = _cell(label, published, experiment.published, where)
    if options.set and configs[0].model != resolve(as_written, where).model:
        cell, note = None, "the net is changed by SET and loses its published value"
    return Variant(label, flatten(override), configs, cell, note)


def _cell(
    label: str, published: Any, default_table: str | None, where: str
) -> dict[str, str] | None:
    """The table, row and column of a variant's published value; None where it has none."""
    if published == "none" or (published is None and default_table is None):
        return None
    pointer = published if isinstance(published, dict) else {}
    if published is not None and not isinstance(published, dict):
        raise UserError(
            f"{where}.published: got {published!r}; expected none, or a mapping of table, row, column"
        )
    cell = {"table": default_table, "row": label, **pointer}
    cell = {key: str(value) for key, value in cell.items() if value is not None}
    try:
        papers.cell(cell["table"], cell["row"], cell.get("column"))
    except (UserError, KeyError) as error:
        raise UserError(f"{where}.published: {error}") from None
    return cell


def check_published(table: str | None, where: str) -> None:
    """Refuse a table that no paper has."""
    if table is not None:
        try:
            papers.table(table)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _grid(grid: dict[str, list[Any]]) -> Iterator[tuple[str, Tree]]:
    """The product of a grid: labels like `resnet20, shortcut A` and their overrides."""
    if not grid:
        return
    for values in itertools.product(*grid.values()):
        override = dict(zip(grid, values, strict=True))
        words = [
            str(value) if path == "model" else f"{path.rpartition('.')[2]} {value}"
            for path, value in override.items()
        ]
        yield ", ".join(words), override


def _seeds(experiment: Experiment, options: Options) -> list[int]:
    if options.seeds is not None:
        return list(range(options.seeds))
    return list(range(experiment.seeds)) if isinstance(experiment.seeds, int) else experiment.seeds


def _check_devices(config: RunConfig, devices: int, where: str) -> None:
    batch = config.recipe.batch_size
    if batch % devices:
        divisors = ", ".join(str(d) for d in range(1, min(batch, 64) + 1) if batch % d == 0)
        raise UserError(
            f"{where}: recipe.batch_size {batch} does not divide among {devices} devices; "
            f"{divisors} would work"
        )


def _refuse_equal(words: list[str], what: str, where: str) -> None:
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise UserError(f"{where}: two {what}: {', '.join(twice)}")


# ---- from plans to files ------------------------------------------------------------------------


def as_written(plan: Plan) -> dict[str, Any]:
    """The plan as `plan.json` holds it; costs are per image of the variant's data set."""
    nets = [
        (v.configs[0].model, DATASETS[v.configs[0].data.name].image_size) for v in plan.variants
    ]
    found = costs(nets)
    return {
        "experiment": plan.experiment,
        "title": plan.title,
        "options": asdict(plan.options),
        "published": plan.published,
        "variants": [
            {
                "label": variant.label,
                "slug": variant.slug,
                "difference": variant.difference,
                "published": variant.published,
                "note": variant.note,
                **vars(found[net]),
                "runs": [name for name, _ in variant.runs()],
            }
            for variant, net in zip(plan.variants, nets, strict=True)
        ],
    }


def write(plan: Plan, written: dict[str, Any]) -> None:
    """Make every run's folder and config, then make this the experiment's last plan."""
    for variant, folder, config in plan.runs():
        text = dump_yaml(config.model_dump(mode="json"))
        store.prepare(folder, text, _tracking(plan, variant, config))
    store.write_plan(written)


def _tracking(plan: Plan, variant: Variant, config: RunConfig) -> dict[str, Any]:
    """How W&B files a run."""
    table = variant.published["table"] if variant.published else plan.published
    tags = [*([table.partition("/")[0], table] if table else []), config.data.name]
    return {
        "group": plan.experiment,
        "job_type": variant.slug,
        "name": f"{variant.slug}-s{config.seed}",
        "tags": tags,
    }
