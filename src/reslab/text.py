"""Text for people: what a terminal may be shown, aligned Markdown tables, which read well on a
terminal too, sizes and durations."""

import re
from collections.abc import Collection, Sequence
from unicodedata import combining, east_asian_width

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What commands a terminal or is no text: C0 and C1 controls, DEL, the separators of lines and
paragraphs, embeddings, overrides and isolates of the writing direction, halves of surrogate pairs.
"""


def printable(text: str) -> str:
    """The text with every unprintable letter as its backslash escape (`\\n`, `\\x1b`, `\\u202e`).

    For names that others have given: labels, titles, classes, folders. All else stays as it is.
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


LONG = 120
"""Letters of somebody's word that a message shows."""


def shortened(text: str, most: int = LONG) -> str:
    """The text, cut off after `most` letters."""
    return text if len(text) <= most else f"{text[:most]}…"


def quoted(word: str) -> str:
    """A word as a message shows what somebody has given: in quotes, printable and not long."""
    return repr(shortened(word))


def printable_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int] = ()
) -> str:
    """A Markdown table; the columns with an index in `numeric` are set flush right."""
    return aligned([as_cells(row) for row in (head, *rows)], numeric)


def as_cells(row: Sequence[str]) -> list[str]:
    """Texts as they stand in a Markdown table."""
    return [printable(cell).replace("|", "\\|") for cell in row]


def aligned(cells: Sequence[Sequence[str]], numeric: Collection[int] = ()) -> str:
    """Cells of `as_cells`, the head's first, with a rule below that."""
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
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )


def counted(count: int, one: str, many: str = "") -> str:
    """`1 run`, `no runs`, `1,200 runs`; `many` where it is not `one` with an s."""
    word = one if count == 1 else many or f"{one}s"
    return f"{count:,} {word}" if count else f"no {word}"


def size(count: float) -> str:
    """Bytes as people say them: `8 kB`, `1.1 MB`, `147 GB`."""
    power, unit = (9, "GB") if count >= 1e9 else (6, "MB") if count >= 1e6 else (3, "kB")
    number = count / 10**power
    return f"{round(number, int(number < 9.95)):,g} {unit}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for unit, size, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * size:
            digits = 1 if unit == "h" else 0
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"
