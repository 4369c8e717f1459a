"""Text for people: Markdown tables that are aligned, so that they read well on a terminal too."""

from collections.abc import Collection, Sequence
from unicodedata import combining, east_asian_width


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int] = ()
) -> str:
    """A Markdown table; the columns with an index in `numeric` are set flush right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *map(width, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * (w - 1) + (":" if i in numeric else "-") for i, w in enumerate(widths)]
    return "\n".join(_line(row, widths, numeric) for row in [cells[0], rule, *cells[1:]])


def _line(row: Sequence[str], widths: Sequence[int], numeric: Collection[int]) -> str:
    padding = [" " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)]
    padded = [
        space + cell if i in numeric else cell + space
        for i, (cell, space) in enumerate(zip(row, padding, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )
