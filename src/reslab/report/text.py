"""How numbers and notes are set as text: SI prefixes, per cent, wrapped lists."""

import textwrap
from collections.abc import Sequence

from reslab.text import printable_lines

NOTHING = "–"
WIDTH = 120


def bullets(heading: str, items: Sequence[str], most: int = WIDTH) -> str:
    """A heading and its list, wrapped; nothing if there is nothing to list."""
    if not items:
        return ""
    return "\n".join([heading, "", *(wrap(item, "- ", "  ", most) for item in items)])


def wrap(text: str, first: str = "", rest: str = "", most: int = WIDTH) -> str:
    """Text in lines of at most so many columns; words are not broken."""
    return textwrap.fill(
        printable_lines(text),
        most,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def si(count: int) -> str:
    """Three significant digits: 853 k, 1.73 M, 2.51 G."""
    for power, prefix in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 0.9995 * 10**power:
            return f"{_three(count / 10**power)} {prefix}"
    return str(count)


def percent(error: float | None, decimals: int = 2) -> str:
    """An error in per cent, a dash where there is none."""
    return NOTHING if error is None else f"{error:.{decimals}f}"


def points(difference: float) -> str:
    """A difference of errors, signed."""
    return f"{difference:+.2f}".replace("-", "−")


def number(value: object) -> str:
    """A value of a description as people write it: 64,000, 0.1, [32,000, 48,000]."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(number, value))}]"
    return str(value)


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _three(value: float) -> str:
    """Three significant digits without an exponent."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
