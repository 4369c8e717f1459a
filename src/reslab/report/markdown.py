"""A table as Markdown, for terminals and documents: the grid, and its notes below."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from reslab.report.text import bullets, wrap
from reslab.report.values import FORMATS, Cell, Note, NoteKind, Table
from reslab.text import markdown_table, printable, printable_lines

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
    if len(table.plans) == 1:
        parts = [f"**{printable(table.plans[0][1])}**", _grid(table), *_told(table.notes)]
    else:
        parts = [_grid(table), *_told(_about("", table.notes))]
        for name, title in table.plans:
            parts += [f"**{name}: {printable(title)}**", *_told(_about(name, table.notes))]
    return printable_lines("\n\n".join(parts)) + "\n"


def _grid(table: Table) -> str:
    sources = [note.text for note in table.notes if note.kind == "source"]
    numeric = [i for i, column in enumerate(table.columns) if FORMATS[column.kind].numeric]
    rows = [[_marked(row[column.key], sources) for column in table.columns] for row in table.rows]
    return markdown_table([column.head for column in table.columns], rows, numeric)


def _marked(cell: Cell, sources: Sequence[str]) -> str:
    """With the number of its source, [1], if it has one."""
    return f"{cell.text} [{sources.index(cell.source) + 1}]" if cell.source else cell.text


def _about(plan: str, notes: Iterable[Note]) -> Iterator[Note]:
    return (note for note in notes if note.plan == plan)


def _told(notes: Iterable[Note]) -> Iterator[str]:
    """Paragraphs and lists, one for each stretch of notes of one kind."""
    for (kind, of), members in groupby(notes, lambda n: (n.kind, n.kind == "assumption" and n.of)):
        alike = list(members)
        if kind in HEADINGS:
            numbers = [f"[{i}] " if kind == "source" else "" for i in range(1, len(alike) + 1)]
            items = [mark + note.text for mark, note in zip(numbers, alike, strict=True)]
            yield bullets(HEADINGS[kind].format(of=of), items)
        elif alike[0].command:
            yield from (f"{note.text}:\n\n    {note.command}" for note in alike)
        else:
            yield wrap(" ".join(note.text for note in alike))
