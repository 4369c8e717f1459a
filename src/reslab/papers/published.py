"""Published numbers, protocols and counts by reference: `he2015/table6`, a row, a column.

What a reference names is looked up in the data files beside this one. An unknown part is a
`UserError` with the nearest names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict, TypeVar

from reslab.config.trees import flatten
from reslab.config.zoo import ZOO
from reslab.errors import UserError, nearest
from reslab.papers.schema import (
    Bound,
    Cell,
    Kind,
    Line,
    Paper,
    Table,
    Views,
    paper_names,
    read_paper,
)
from reslab.text import quoted

T = TypeVar("T")
BOUNDS: tuple[Bound, ...] = ("above", "below", "about")
STATISTICS: tuple[Kind, ...] = ("best", "mean", "median")

DETAILS = frozenset(
    f"model.{field}"
    for field in (
        "gamma_init", "gate_init", "init", "linear_init", "padding_reads", "projection_reads",
        "scale_init", "stem_init", "stride_on", "zeros",
    )
)  # fmt: skip
"""Fields that a net's name does not settle: what the zoo has there is no paper's word. A protocol
states them or is silent on them."""


@dataclass(frozen=True)
class Published:
    """One printed number. Errors are in per cent; `value` is None where the paper prints "fail".

    `kind` says what `value` is over `n` runs; best, mean, median and std are what is printed, so a
    cell that prints a best and a mean has both. `views` says how the nets were tested, `verified`
    where the number was read.
    """

    table: str
    row: str
    column: str
    views: Views
    value: float | None
    bound: Bound | None
    fail: bool
    kind: Kind
    n: int | None
    best: float | None
    mean: float | None
    median: float | None
    std: float | None
    decimals: int
    citation: str
    reference: str
    third_party: bool
    verified: str
    note: str | None

    @property
    def statistic(self) -> str:
        """`best of 5`, `1 run`, `statistic not stated`; no count where none is printed."""
        if self.kind in ("single", "unstated"):
            return "1 run" if self.kind == "single" else "statistic not stated"
        return self.kind + (f" of {self.n}" if self.n else "")


@dataclass(frozen=True)
class Training:
    """How a paper trained: dotted `RunConfig` fields and their values, and where it is silent.

    A value may be a sentence. `unstated` are details of nets that it neither states nor is silent
    on, `differs` sentences on what has no field. `normalization_batch` is the examples per
    BatchNorm normalisation.
    """

    fields: dict[str, Any]
    silent_on: frozenset[str]
    unstated: frozenset[str]
    differs: tuple[str, ...]
    normalization_batch: int | None
    cite: str
    citation: str


class PublishedCounts(TypedDict):
    """Published costs of a net: millions of parameters, 1e9 multiply-adds, and where they stand."""

    params_m: float | None
    gmacs: float | None
    source: str


def table(ref: str) -> Table:
    """The table that `paper/table` names."""
    return _paper_and_table(ref)[1]


def cell(ref: str, row: str, column: str | None = None) -> Published:
    """The number in a row and column of a table, by default the table's first column.

    `UserError` where the paper prints no number there.
    """
    paper, found = _paper_and_table(ref)
    line = _one_of(found.rows, row, ref, "row")
    if column is None and not found.columns:
        raise UserError(f"{ref} has no columns of results, only counts")
    column = column or next(iter(found.columns))
    total = _one_of(found.columns, column, ref, "column").accuracy_of
    printed = line.values.get(column)
    if printed is None:
        raise UserError(f"{ref} prints no {column} for {quoted(row)}")
    printed = printed if total is None else _as_errors(printed, total, found.decimals)
    return _published(paper, found, (ref, row, column), printed)


def top5(published: Published) -> Published | None:
    """The top-5 error that a table prints beside a top-1 error; None where it prints none.

    It stands in the same row, in the column whose name has top5 for top1.
    """
    column = published.column.replace("top1", "top5")
    _, found = _paper_and_table(published.table)
    if column == published.column or found.rows[published.row].values.get(column) is None:
        return None
    return cell(published.table, published.row, column)


def protocol_of(ref: str, row: str | None = None, column: str | None = None) -> Training | None:
    """How the nets of a table were trained, and the net of a row, or of a cell where the columns
    have nets or fields of their own; None where it is not recorded."""
    paper, found = _paper_and_table(ref)
    line = Line() if row is None else _one_of(found.rows, row, ref, "row")
    above = None if column is None else _one_of(found.columns, column, ref, "column")
    name = line.protocol or found.protocol
    if name is None:
        return None
    protocol = paper.protocols[name]
    own = (above.run if above else {}) | line.run
    silent = frozenset((*protocol.silent_on, *line.silent_on)) - set(own)
    fields = _net(line.model or (above.model if above else None)) | protocol.run | own
    return Training(
        fields={name: value for name, value in fields.items() if name not in silent},
        silent_on=silent,
        unstated=DETAILS - fields.keys() - silent,
        differs=tuple(d.says for d in protocol.differs if _holds(d.where, fields)),
        normalization_batch=protocol.normalization_batch,
        cite=paper.cite,
        citation=_citation(paper, found),
    )


@cache
def counts(model: str) -> PublishedCounts | None:
    """What the papers print for a net of the zoo, None where they print nothing.

    A third party's count stands in only where no paper has one; quoted and unread numbers and those
    of changed nets do not count.
    """
    papers = sorted(map(read_paper, paper_names()), key=lambda paper: paper.third_party)
    lines = [
        (line, _citation(paper, found))
        for paper in papers
        for found in paper.tables.values()
        for line in found.rows.values()
        if line.model == model and _counts(paper, line)
    ]
    params = next(((n.params_m, source) for n, source in lines if n.params_m is not None), None)
    gmacs = next(((n.gmacs, source) for n, source in lines if n.gmacs is not None), None)
    sources = dict.fromkeys(source for _, source in filter(None, (params, gmacs)))
    if not sources:
        return None
    return {
        "params_m": params[0] if params else None,
        "gmacs": gmacs[0] if gmacs else None,
        "source": "; ".join(sources),
    }


def _counts(paper: Paper, line: Line) -> bool:
    """Whether a row's counts were read and are those of the net that it names."""
    changed = any(field.startswith("model.") for field in line.run)
    return line.quoted is False and (line.verified or paper.verified) != "memory" and not changed


def _paper_and_table(ref: str) -> tuple[Paper, Table]:
    name, slash, key = ref.partition("/")
    if not slash:
        raise UserError(f"expected paper/table, for example he2015/table6, got {quoted(ref)}")
    paper = read_paper(name)
    return paper, _one_of(paper.tables, key, name, "table")


def _one_of(there: Mapping[str, T], name: str, where: str, what: str) -> T:
    """The part of a paper that a name means; `UserError` with the nearest for an unknown one."""
    if name not in there:
        raise UserError(f"{where} has no {what} {quoted(name)}{nearest(name, there)}")
    return there[name]


def _as_errors(cell: Cell, total: float, decimals: int) -> Cell:
    """The errors in per cent of accuracies printed as parts of `total`; above becomes below."""

    def error(accuracy: float | None) -> float | None:
        return None if accuracy is None else round(100 * (1 - accuracy / total), decimals)

    numbers = {name: error(getattr(cell, name)) for name in ("value", "about", *STATISTICS)}
    bounds = {"above": error(cell.below), "below": error(cell.above)}
    std = None if cell.std is None else round(100 * cell.std / total, decimals)
    return cell.model_copy(update=numbers | bounds | {"std": std})


def _net(model: str | None) -> dict[str, Any]:
    """The description of a net of the zoo as dotted fields: those that its name settles, without
    what follows from the data."""
    if model not in ZOO:
        return {}
    net = ZOO[model].description.model_dump(mode="json", exclude={"in_channels", "classes"})
    return {
        field: value for field, value in flatten({"model": net}).items() if field not in DETAILS
    }


def _holds(where: dict[str, Any], fields: dict[str, Any]) -> bool:
    return all(fields.get(field) == value for field, value in where.items())


def _citation(paper: Paper, found: Table) -> str:
    mark = " (third party)" if paper.third_party else ""
    return f"{paper.cite}, {found.label}{mark}"


def _reference(paper: Paper, found: Table) -> str:
    """The full citation, one line."""
    c = paper.citation
    places = filter(None, (c.venue, f"arXiv {c.arxiv}" if c.arxiv else c.url))
    work = f"{c.authors}: {c.title}" if c.authors else c.title
    return f"{_citation(paper, found)}: " + ". ".join(filter(None, (work, ", ".join(places))))


def _published(paper: Paper, found: Table, place: tuple[str, str, str], printed: Cell) -> Published:
    line = found.rows[place[1]]
    bound = next((name for name in BOUNDS if getattr(printed, name) is not None), None)
    own = next((name for name in STATISTICS if getattr(printed, name) is not None), None)
    kind = own or found.statistic.kind
    value = getattr(printed, bound or own or "value")
    stated = {name: getattr(printed, name) for name in STATISTICS}
    if own is None and bound is None and kind in stated:
        stated[kind] = value
    return Published(
        *place,
        views=line.views or found.columns[place[2]].views or found.views,
        value=value,
        bound=bound,
        fail=printed.fail,
        kind=kind,
        n=printed.n or (found.statistic.n if own in (None, found.statistic.kind) else None),
        **stated,
        std=printed.std,
        decimals=found.decimals,
        citation=_citation(paper, found),
        reference=_reference(paper, found),
        third_party=paper.third_party,
        verified=found.columns[place[2]].verified or line.verified or paper.verified,
        note=line.note or found.note,
    )
