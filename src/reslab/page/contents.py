"""What stands on a page of plans, as values: all that its template and its script read.

The table is `report.values.Table`, which every renderer reads; what it has not (curves, seeds,
settings, links) comes from the run folders.
"""

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reslab import store
from reslab.config.run import RunConfig
from reslab.experiments.file import question
from reslab.page.curves import QUANTITIES, Curves, points_each
from reslab.papers.schema import read_paper
from reslab.report import status
from reslab.report.deviations import leaves
from reslab.report.figures.draw import CAPTIONS, FOLDER
from reslab.report.figures.published import height
from reslab.report.protocol import Paragraph, protocol
from reslab.report.results import Result, results_of
from reslab.report.runs import Outcome, outcomes_of
from reslab.report.table import tabulated
from reslab.report.text import NOTHING, number
from reslab.report.values import Cell, Table
from reslab.store import names
from reslab.store.plan import Plan
from reslab.text import counted, printable

FILES = {
    store.LOG: "log",
    store.METRICS: "metrics",
    store.CONFIG: "settings",
    store.ENV: "environment",
    store.RESULT: "result",
    store.ERROR: "error",
}
"""Files of a run that a page links to, and what their links say."""

LARGEST = 1_500_000
"""Bytes of a figure that is embedded; of a larger one there is a link."""

MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
"""Kinds of figures, the better ones first."""


@dataclass(frozen=True)
class Link:
    """A file or a folder, relative to the page, and what is read there."""

    text: str
    href: str


@dataclass(frozen=True)
class RunLine:
    """A line of the table of runs."""

    result: Result
    folder: Link
    files: tuple[Link, ...]


@dataclass(frozen=True)
class Figure:
    """An image that lies in a plan's home: as text of a URL, or None where it is too large."""

    caption: str
    link: Link
    source: str | None


@dataclass(frozen=True)
class Settings:
    """Fields of runs: those in which variants differ, and what all have in common."""

    fields: tuple[str, ...]
    variants: tuple[tuple[str, tuple[str, ...]], ...]
    """Labels with their values of these."""
    common: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Part:
    """One plan on a page."""

    plan: Plan
    question: str
    options: str
    summary: str
    table: Table
    protocol: tuple[Paragraph, ...]
    runs: tuple[RunLine, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Contents:
    """A page."""

    table: Table
    parts: tuple[Part, ...]
    settings: Settings
    data: dict[str, Any]
    """For its script."""

    @property
    def sources(self) -> list[tuple[str, str | None]]:
        """The published numbers' sources in the order of their marks, each with its address."""
        return [(note.text, _address(note.paper)) for note in self.table.sources]


def contents_of(plans: Sequence[Plan], page: Path) -> Contents:
    """The contents of a page that is to lie at a path."""
    found = [(plan, outcomes_of(plan)) for plan in plans]
    table = tabulated(found)
    tables = [table] if len(found) == 1 else [tabulated([one]) for one in found]
    parts = tuple(_part(*one, own, page) for one, own in zip(found, tables, strict=True))
    every = [(plan, outcome) for plan, outcomes in found for outcome in outcomes]
    return Contents(table, parts, _settings(_named(every)), _data(table, every))


def _part(plan: Plan, outcomes: Sequence[Outcome], table: Table, page: Path) -> Part:
    runs = [run for outcome in outcomes for run in outcome.runs]
    return Part(
        plan,
        question(plan.experiment) or "",
        names.all_given(plan.options),
        f"{counted(len(outcomes), 'variant')}, {status.counts(runs)}",
        table,
        tuple(protocol(table, outcomes)),
        tuple(_line(result, page) for result in results_of(plan, outcomes)),
        tuple(_figures(plan, page)),
    )


# ---- links --------------------------------------------------------------------------------------


def href(target: Path, page: Path) -> str:
    """Where a file lies, seen from the page."""
    return quote(Path(os.path.relpath(target, page.parent)).as_posix())


def _line(result: Result, page: Path) -> RunLine:
    folder = Path(result.folder)
    files = [
        Link(text, href(folder / name, page))
        for name, text in FILES.items()
        if (folder / name).is_file()
    ]
    return RunLine(result, Link(folder.name, f"{href(folder, page)}/"), tuple(files))


def _figures(plan: Plan, page: Path) -> Iterator[Figure]:
    """Each figure beside a plan's table once, as the better of its kinds that is not too large;
    those with a caption first, in their order."""
    order = {name: i for i, name in enumerate(CAPTIONS)}
    stems = {path.with_suffix("") for path in figures_of(plan)}
    for stem in sorted(stems, key=lambda stem: (order.get(stem.name, len(order)), stem)):
        paths = [path for kind in MEDIA if (path := Path(f"{stem}{kind}")).is_file()]
        small = [path for path in paths if path.stat().st_size <= LARGEST]
        path = (small or paths)[0]
        name = re.sub("[-_]", " ", stem.name)
        caption = CAPTIONS.get(stem.name) or f"{name[:1].upper()}{name[1:]}."
        yield Figure(caption, Link(path.name, href(path, page)), _embedded(path) if small else None)


def figures_of(plan: Plan) -> list[Path]:
    """Images in a plan's folder of figures."""
    return [path for path in (plan.home / FOLDER).glob("*.*") if path.suffix in MEDIA]


def _embedded(path: Path) -> str:
    return f"data:{MEDIA[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _address(paper: str) -> str | None:
    """Where it can be read."""
    work = read_paper(paper).citation
    return work.url or (f"https://arxiv.org/abs/{work.arxiv}" if work.arxiv else None)


# ---- settings -----------------------------------------------------------------------------------


def _named(every: Sequence[tuple[Plan, Outcome]]) -> dict[str, Outcome]:
    """Variants by their labels, with the plan's name before them where there are several plans."""
    several = len({plan.name for plan, _ in every}) > 1
    return {f"{plan.name}: {o.label}" if several else o.label: o for plan, o in every}


def _settings(outcomes: Mapping[str, Outcome]) -> Settings:
    """Every field of the runs that is read, but their seed."""
    configs = {label: o.config for label, o in outcomes.items() if o.config is not None}
    told = {label: _fields(config) for label, config in configs.items()}
    fields = dict.fromkeys(field for of in told.values() for field in of)
    values = {f: [of.get(f, NOTHING) for of in told.values()] for f in fields}
    differing = tuple(f for f in fields if len(set(values[f])) > 1)
    return Settings(
        differing,
        tuple((label, tuple(of.get(f, NOTHING) for f in differing)) for label, of in told.items()),
        tuple((f, values[f][0]) for f in fields if f not in differing),
    )


def _fields(config: RunConfig) -> dict[str, str]:
    left_out = {"seed", *config.unread}
    return {
        field: NOTHING if value is None else number(value)
        for field, value in leaves(config).items()
        if field not in left_out
    }


# ---- for the script -----------------------------------------------------------------------------


def _data(table: Table, every: Sequence[tuple[Plan, Outcome]]) -> dict[str, Any]:
    """Curves and seeds, a variant for each row of the table."""
    curves = Curves(points_each(sum(len(outcome.runs) for _, outcome in every)))
    labels = [printable(label) for label in _named(every)]
    variants = [
        _variant(label, outcome, row, curves)
        for label, (_, outcome), row in zip(labels, every, table.rows, strict=True)
    ]
    return {
        "quantities": [
            {"key": q.key, "name": q.name, "unit": q.unit, "of_batches": q.of_batches}
            for q in QUANTITIES
        ],
        "steps": [list(steps) for steps in curves.steps],
        "stretch": curves.stretch,
        "variants": variants,
    }


def _variant(
    label: str, outcome: Outcome, row: Mapping[str, Cell], curves: Curves
) -> dict[str, Any]:
    errors = row["test_top1_error_mean"]
    ends = [row[f"test_top1_error_{end}"].value for end in ("low", "high")]
    runs = zip(outcome.runs, curves.of(outcome), strict=True)
    return {
        "label": label,
        "name": printable(outcome.label),
        "errors": [list(pair) for pair in errors.errors],
        "mean": errors.value,
        "interval": None if None in ends else ends,
        "published": height(outcome.published),
        "runs": [{"seed": run.seed, "state": run.state, "curves": found} for run, found in runs],
    }
