"""A table as Markdown, for terminals and documents: the grid, and its notes below."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from reslab.report.columns import LEAVE
from reslab.report.values import FORMATS, Cell, Note, NoteKind, Table
from reslab.terminal import columns, fitted_table
from reslab.text import markdown_table, printable, printable_lines

WIDTH = 120
"""Columns of what stands below a table."""
HEADINGS: dict[NoteKind, str] = {
    "verdict": "Beside the published numbers:",
    "question": "Beside each other, paired by seed:",
    "source": "Published:",
    "deviation": "Deviations:",
    "assumption": "Assumed where {of} is silent:",
    "remark": "Notes:",
    "unmatched": "Published numbers without a variant:",
    "run": "Runs:",
}
"""Of notes that are set as lists; all others are paragraphs."""


def markdown(table: Table) -> str:
    """The whole table; nothing in it commands a terminal, and it ends with a line break.

    Of one plan it begins with the title; of several, each one's title stands above its notes.
    """
    return _set(table, markdown_table(*_grid(table)), WIDTH)


def fitted(table: Table, how: str) -> str:
    """The same, on a terminal no wider than that; a line says what is left out and `how` it is
    seen."""
    heads = {column.key: column.head for column in table.columns}
    leave = [heads[key] for key in LEAVE if key in heads]
    grid = fitted_table(*_grid(table), leave=leave, how=how)
    return _set(table, grid, min(WIDTH, columns() or WIDTH))


def _set(table: Table, grid: str, most: int) -> str:
    """The grid with its titles and notes, in lines of at most so many columns."""
    if len(table.plans) == 1:
        parts = [f"**{printable(table.plans[0][1])}**", grid, *_told(table.notes, most)]
    else:
        parts = [grid, *_told(_about("", table.notes), most)]
        for name, title in table.plans:
            told = _told(_about(name, table.notes), most)
            parts += [f"**{name}: {printable(title)}**", *told]
    return printable_lines("\n\n".join(parts)) + "\n"


def _grid(table: Table) -> tuple[list[str], list[list[str]], list[int]]:
    """Heads, rows, and which columns hold numbers."""
    numeric = [i for i, column in enumerate(table.columns) if FORMATS[column.kind].numeric]
    rows = [[_marked(table, row[column.key]) for column in table.columns] for row in table.rows]
    return [column.head for column in table.columns], rows, numeric


def _marked(table: Table, cell: Cell) -> str:
    """With the number of its source, [1], if it has one."""
    mark = table.mark(cell)
    return f"{cell.text} [{mark}]" if mark else cell.text


def _about(plan: str, notes: Iterable[Note]) -> Iterator[Note]:
    return (note for note in notes if note.plan == plan)


def _told(notes: Iterable[Note], most: int) -> Iterator[str]:
    """Paragraphs and lists, one for each stretch of notes of one kind."""
    for (kind, of), members in groupby(notes, lambda n: (n.kind, n.kind == "assumption" and n.of)):
        alike = list(members)
        if kind in HEADINGS:
            numbers = [f"[{i}] " if kind == "source" else "" for i in range(1, len(alike) + 1)]
            items = [mark + note.text for mark, note in zip(numbers, alike, strict=True)]
            lines = (_wrapped(item, most, "- ") for item in items)
            yield "\n".join([HEADINGS[kind].format(of=of), "", *lines])
        elif alike[0].command:
            yield from (f"{note.text}:\n\n    {note.command}" for note in alike)
        else:
            yield _wrapped(" ".join(note.text for note in alike), most)


def _wrapped(text: str, most: int, first: str = "") -> str:
    """In lines of at most so many columns; words are not broken."""
    return textwrap.fill(
        printable_lines(text),
        most,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
