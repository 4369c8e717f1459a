"""Numbers on the command line, told by the words of make where they are none. For argparse."""

from collections.abc import Callable

from reslab.errors import UserError


def whole(word: str) -> Callable[[str], int]:
    """A type of argparse; `UserError` names the word of make: SEEDS=x."""

    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise UserError(f"{word}={text}: expected a whole number above 0") from None

    return read


def number(word: str, example: float) -> Callable[[str], float]:
    """The same for a number with a point."""

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise UserError(
                f"{word}={text}: expected a number above 0, for example {example:g}"
            ) from None

    return read
