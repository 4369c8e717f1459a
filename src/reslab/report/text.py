"""How numbers are set as text: SI prefixes, per cent, the values of a description."""

from collections.abc import Sequence

NOTHING = "–"


def prefix_of(count: float) -> tuple[int, str]:
    """The power of ten that a count is told in, and its SI prefix."""
    prefixes = ((9, "G"), (6, "M"), (3, "k"))
    return next((each for each in prefixes if count >= 0.9995 * 10 ** each[0]), (0, ""))


def si(count: int) -> str:
    """Three significant digits: 853 k, 1.73 M, 2.51 G."""
    power, prefix = prefix_of(count)
    return f"{_three(count / 10**power)} {prefix}" if prefix else str(count)


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
