"""The shape of a paper's data file, and the check that it has this shape.

A file has a citation, protocols and tables. A protocol is a partial run description with the dotted
field names of `RunConfig`; its values may be sentences where the paper's rule is no value of ours.
"""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, ValidationError, model_validator

from reslab.config.description import Description, PositiveFloat, described, holds_words
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import flatten
from reslab.config.views import CENTER
from reslab.errors import UserError, nearest
from reslab.text import quoted

HERE = Path(__file__).parent

Kind = Literal["best", "mean", "median", "single", "unstated"]
Views = Annotated[str, Field(pattern=rf"^(single|ten_crop|multi_scale|{CENTER})$")]
"""What a net saw of a test image: one crop of the training's size, ten, the whole image at several
sizes, or one crop of another size (`config.views`)."""
Bound = Literal["above", "below", "about"]
Verified = Literal[
    "paper_text",
    "paper_notes",
    "official_repo",
    "third_party_repo",
    "package_source",
    "dawnbench_log",
    "computed",
    "memory",
]
"""Where a number was read; memory: nowhere, it is recollection."""


class Citation(Description):
    """Who published it and where; `url` where there is no arXiv number.

    `authors` have ", " between them. `year` is that of the first version, `appeared` that of the
    proceedings (`booktitle`) or the `journal`, which are spelled out. `translated` is the title in
    English where it is in letters that few fonts have.
    """

    authors: str | None = None
    title: str
    translated: str | None = None
    venue: str | None = None
    booktitle: str | None = None
    journal: str | None = None
    appeared: int | None = None
    year: int | None = None
    arxiv: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.booktitle or self.journal) != bool(self.appeared):
            raise ValueError(
                "expected appeared, a year, beside booktitle or journal, and only there"
            )
        if self.appeared and not self.authors:
            raise ValueError("authors: is missing beside booktitle or journal")
        return self


class Statistic(Description):
    """What a table's numbers are over `n` runs; n is None where the paper does not say."""

    kind: Kind = "unstated"
    n: PositiveInt | None = None


class Cell(Description):
    """A printed cell: a number of the table's statistic, a bound, "fail", or statistics."""

    value: float | None = None
    above: float | None = None
    below: float | None = None
    about: float | None = None
    fail: bool = False
    best: float | None = None
    mean: float | None = None
    median: float | None = None
    std: float | None = None
    n: PositiveInt | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        numbers = [self.value, self.above, self.below, self.about]
        own = any(number is not None for number in (self.best, self.mean, self.median))
        if sum(number is not None for number in numbers) + self.fail + own != 1:
            raise ValueError("expected one of value, above, below, about, fail, or statistics")
        return self


def _cell(printed: Any) -> Any:
    """The short forms of a cell: a number, or the word fail."""
    if printed == "fail":
        return {"fail": True}
    return {"value": printed} if isinstance(printed, int | float) else printed


RunFields = Annotated[dict[str, Any], BeforeValidator(flatten)]
"""Fields of a run by their dotted names; nested mappings are flattened."""


def _short_for(field: str) -> BeforeValidator:
    """A word alone is short for a mapping that has it under this field."""
    return BeforeValidator(lambda told: {field: told} if isinstance(told, str) else told)


class Column(Description):
    """What a column's numbers are. `model` and `run` hold for all of its cells, `run` beside the
    protocol's. A column of accuracies says of how many (100 or 1); they are looked up as errors.
    `views` are the table's unless the column has its own, `verified` stands in a row's place.
    `no_variant`: as in `Line`."""

    metric: str
    model: str | None = None
    run: RunFields = Field(default_factory=dict)
    accuracy_of: PositiveFloat | None = None
    verified: Verified | None = None
    views: Views | None = None
    no_variant: str | None = None


class Line(Description):
    """A row of a table. `run` and `silent_on` are the row's own additions to the protocol.

    `quoted` numbers are printed from elsewhere, other tables of the paper included: all of the row,
    or those in the named columns.
    """

    model: str | None = None
    params_m: float | None = None
    gmacs: float | None = None
    values: dict[str, Annotated[Cell | None, BeforeValidator(_cell)]] = Field(default_factory=dict)
    run: RunFields = Field(default_factory=dict)
    silent_on: tuple[str, ...] = ()
    protocol: str | None = None
    """How the row's net was trained, where that is not the table's."""
    quoted: bool | tuple[str, ...] = False
    verified: Verified | None = None
    note: str | None = None
    views: Views | None = None
    """Of the row alone, where its net was tested otherwise than those of the table."""
    no_variant: str | None = None
    """Why no variant of a shipped experiment is (all of) the numbers here."""

    def quotes(self, column: str) -> bool:
        """Whether the number in a column is printed from elsewhere."""
        return self.quoted if isinstance(self.quoted, bool) else column in self.quoted


class Difference(Description):
    """What was done otherwise and is no field of a run; `where` are fields and their values of a
    row (its protocol's, its net's), without which the sentence is not about it."""

    says: str
    where: RunFields = Field(default_factory=dict)


class Protocol(Description):
    """How the nets were trained, in the field names of `RunConfig`."""

    run: RunFields
    silent_on: tuple[str, ...] = ()
    differs: tuple[Annotated[Difference, _short_for("says")], ...] = ()
    normalization_batch: PositiveInt | None = None
    """Examples per BatchNorm normalisation, which is a batch's share on one device."""


class Table(Description):
    """A printed table or the numbers stated with a figure; the first column is the default."""

    label: str
    caption: str
    dataset: str
    columns: dict[str, Annotated[Column, _short_for("metric")]] = Field(default_factory=dict)
    statistic: Statistic = Statistic()
    protocol: str | None = None
    decimals: int = 2
    views: Views = "single"
    note: str | None = None
    """What a reader of any of its numbers should know; a row's own note stands in its place."""
    no_experiment: str | None = None
    """Why no shipped experiment has the table's nets."""
    rows: dict[str, Line]


class Paper(Description):
    """One data file."""

    cite: str
    citation: Citation
    third_party: bool = False
    verified: Verified
    protocols: dict[str, Protocol] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(min_length=1)

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Self:
        for name, protocol in self.protocols.items():
            told = (*protocol.run, *protocol.silent_on)
            conditions = (field for difference in protocol.differs for field in difference.where)
            _check_fields(f"protocols.{name}", (*told, *conditions))
        for name, table in self.tables.items():
            self._check_protocol(f"tables.{name}", table.protocol)
            for key, column in table.columns.items():
                _check_fields(f"tables.{name}.columns.{key}", tuple(column.run))
            for label, line in table.rows.items():
                where = f"tables.{name}.rows.{label}"
                _check_fields(where, (*line.run, *line.silent_on))
                self._check_protocol(where, line.protocol)
                quoted = () if isinstance(line.quoted, bool) else line.quoted
                for key in (*line.values, *quoted):
                    if key not in table.columns:
                        raise ValueError(f"{where}: there is no column {key!r}")
        return self

    def _check_protocol(self, where: str, protocol: str | None) -> None:
        if protocol is not None and protocol not in self.protocols:
            near = nearest(protocol, self.protocols)
            raise ValueError(f"{where}.protocol: there is no protocol {protocol!r}{near}")


@cache
def run_fields() -> frozenset[str]:
    """The dotted names of all fields of a `RunConfig`."""

    def leaves(description: type[Description], prefix: str) -> list[str]:
        names = []
        for name, field in description.model_fields.items():
            inner = described(field.annotation)
            for part in inner:
                names += leaves(part, f"{prefix}{name}.")
            names += [prefix + name] if not inner or holds_words(field.annotation) else []
        return names

    return frozenset(leaves(RunConfig, ""))


def _check_fields(where: str, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field not in run_fields():
            near = nearest(field, run_fields())
            raise ValueError(f"{where}: a run has no field {field!r}{near}")


def paper_names() -> list[str]:
    """The keys of all papers that ship, sorted."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


@cache
def read_paper(name: str) -> Paper:
    """The paper of a key; `UserError` for an unknown key or a file of another shape."""
    if name not in paper_names():
        raise UserError(f"no paper is called {quoted(name)}{nearest(name, paper_names())}")
    path = HERE / f"{name}.yaml"
    try:
        return Paper.model_validate_json(json.dumps(load_yaml(path)))
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        ]
        raise UserError("\n       ".join(lines)) from None
