"""Tables as wide as the terminal that they are printed on: fewer columns, then wrapped texts.

Only where stdout is a terminal. Into a file or a pipe goes the whole table.
"""

import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from reslab.text import aligned, as_cells, width

LEAST = 12
"""Columns that a text keeps, however narrow the terminal is."""
BREAKS = "._/=-"
"""Where a word that is longer than a line is broken, if it has one of these."""
HOW_TO_SEE_ALL = "add | less -S to the command"


def columns() -> int | None:
    """Those of the terminal that stdout is, COLUMNS before what it says of itself; else None."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Collection[int] = (),
    leave: Sequence[str] = (),
    how: str = HOW_TO_SEE_ALL,
) -> str:
    """The table of `text.markdown_table`, on a terminal no wider than that, if it can be.

    Without the columns of `leave`, in this order, until it fits; where it still does not, texts
    take several lines. A line says what is left out, and `how` it is seen.
    """
    cells = [as_cells(row) for row in (head, *rows)]
    most = columns()
    if most is None or _total(_widths(cells)) <= most:
        return aligned(cells, numeric)
    left_out = _left_out(cells, leave, most)
    kept = [i for i in range(len(head)) if i not in left_out]
    texts = [place for place, i in enumerate(kept) if i not in numeric]
    narrow = _wrapped([[row[i] for i in kept] for row in cells], texts, most)
    numbers = [place for place in range(len(kept)) if place not in texts]
    return aligned(narrow, numbers) + _told([head[i] for i in left_out], most, how)


def _told(left_out: Sequence[str], most: int, how: str) -> str:
    if not left_out:
        return ""
    lines = lines_of(f"Left out in {most} columns: {', '.join(left_out)}.", most)
    return "\n".join(["", "", *lines, f"All columns: {how}"])


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(3, *map(width, column)) for column in zip(*cells, strict=True)]


def _total(widths: Sequence[int]) -> int:
    """Columns of a table, with the bars between its own."""
    return sum(widths) + 3 * len(widths) + 1


def _left_out(cells: Sequence[Sequence[str]], leave: Sequence[str], most: int) -> list[int]:
    """The first of `leave`, as many as it takes, by their places in the table."""
    left, found = _total(_widths(cells)), list[int]()
    for name in (name for name in leave if name in cells[0]):
        if left <= most:
            break
        found.append(list(cells[0]).index(name))
        left -= _widths(cells)[found[-1]] + 3
    return sorted(found)


def _wrapped(cells: Sequence[Sequence[str]], texts: Sequence[int], most: int) -> list[list[str]]:
    """The rows with their texts in several lines, of which each is a row; the head is one line."""
    widths = _narrowed(cells, texts, most)
    found = [list(cells[0])]
    for row in cells[1:]:
        lines = [lines_of(cell, widths[i]) if i in texts else [cell] for i, cell in enumerate(row)]
        found += map(list, zip_longest(*lines, fillvalue=""))
    return found


def _narrowed(cells: Sequence[Sequence[str]], texts: Sequence[int], most: int) -> list[int]:
    """Widths of which the widest texts' are less, until the table fits or none can be narrower."""
    widths = _widths(cells)
    least = [max(LEAST, width(head)) for head in cells[0]]
    for _ in range(_total(widths) - most):
        wide = [i for i in texts if widths[i] > least[i]]
        if wide:
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def lines_of(text: str, most: int) -> list[str]:
    """The text in lines of at most so many columns; a word that is longer is broken."""
    lines = [""]
    for word in _pieces(text, most):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pieces(text: str, most: int) -> Iterator[str]:
    """Words, and parts of those that are longer than a line."""
    for word in text.split():
        part = ""
        for letter in word:
            while part and width(part + letter) > most:
                end = max(map(part.rfind, BREAKS)) + 1 or len(part)
                yield part[:end]
                part = part[end:]
            part += letter
        yield part
