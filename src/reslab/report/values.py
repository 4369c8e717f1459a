"""A table as a value: columns × rows of cells, and notes. All that its renderers read.

No files and no run folders: `report.table.tabulate` makes one of plans; `report.markdown` and
`report.csv_text` write it down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from reslab.report.text import NOTHING, percent, points, si

Value = str | int | float | None
Kind = Literal["text", "count", "error", "difference", "time"]
NoteKind = Literal[
    "caption", "verdict", "question", "missing", "options", "source", "memory", "deviation",
    "assumption", "remark", "unmatched", "run",
]  # fmt: skip
"""unmatched: a published number without a variant; run: what happened to a single one."""


class Format(NamedTuple):
    """How the cells of a kind of column are set, where they say nothing else."""

    numeric: bool
    text: Callable[[Any], str]


FORMATS: dict[Kind, Format] = {
    "text": Format(False, str),
    "count": Format(True, si),
    "error": Format(True, percent),
    "difference": Format(True, points),
    "time": Format(True, "{:.2f}".format),
}
"""Errors are in per cent, differences of errors in points, times in seconds."""


@dataclass(frozen=True)
class Column:
    """What people read: its name for programs, its head, and how its cells are set."""

    key: str
    head: str
    kind: Kind

    def cell(self, found: "Cell | Value") -> "Cell":
        """What stands in it: a cell as it is, a bare value as the kind sets it."""
        if isinstance(found, Cell):
            return found
        return Cell(found, NOTHING if found is None else FORMATS[self.kind].text(found))


@dataclass(frozen=True)
class Cell:
    """A raw value, and what people read there."""

    value: Value
    text: str
    errors: tuple[tuple[int, float], ...] = ()
    """What a statistic over seeds is of: seeds and their errors, in per cent."""
    source: str = ""
    """The text of the note on where a published number stands."""


@dataclass(frozen=True)
class Note:
    """A sentence under a table; its text says whom it is about, where that are not all."""

    kind: NoteKind
    text: str
    of: str = ""
    """Of an assumption the paper that is silent; of a source its table, `he2015/table6` (the first,
    where several have one reference)."""
    command: str = ""
    """What mends it, for a terminal."""
    plan: str = ""
    """The plan that it is about; "": the whole table."""
    seeds: int | None = None
    """About how many would answer a question, where these are more than the plan has."""
    word: str = ""
    """The verdict's, without what stands beside it."""

    @property
    def paper(self) -> str:
        """Of a source: the name of the data file that its table is from."""
        return self.of.partition("/")[0]


@dataclass(frozen=True)
class Table:
    """A row per variant of one plan or of several: its cells by their keys.

    `columns` are what people read, in their order, `fields` the keys of what programs read, in
    theirs; a row has both.
    """

    plans: tuple[tuple[str, str], ...]
    """Names and titles."""
    columns: tuple[Column, ...]
    fields: tuple[str, ...]
    rows: tuple[Mapping[str, Cell], ...]
    notes: tuple[Note, ...]

    def told(self, *kinds: NoteKind) -> list[Note]:
        """The notes of some kinds, in their order."""
        return [note for note in self.notes if note.kind in kinds]

    @cached_property
    def sources(self) -> list[Note]:
        """Where published numbers stand, in the order of their marks: 1, 2, …"""
        return self.told("source")

    def mark(self, cell: Cell) -> int | None:
        """That of a cell's source, if it has one that is told."""
        texts = [note.text for note in self.sources]
        return texts.index(cell.source) + 1 if cell.source in texts else None
