"""What people say in words: the command line, and numbers there and in the environment. Whatever is
said is told back in a line, and every number is finite and bounded."""

import math
import os
import re
import sys
import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from reslab.errors import UserError
from reslab.text import LONG, printable, shortened

T = TypeVar("T")

MOST = 10**9
"""No number that is counted in steps, images, pixels or seconds is larger."""

MOST_SIDE = 2**16
"""Of an image, in pixels: JPEG has no larger ones."""

MOST_PROCESSES = 512
"""Of a machine for one purpose; the largest have half as many cores."""


def explained(words: Mapping[str, str]) -> str:
    """Words and what each of them means, for a --help."""
    column = max(map(len, words)) + 3
    return "\n".join(
        textwrap.fill(text, 100, initial_indent=f"{word:{column}}", subsequent_indent=" " * column)
        for word, text in words.items()
    )


class Parser(ArgumentParser):
    """argparse's; a description's lines stay as they are, and a mistake is told in a short line
    that commands no terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": RawDescriptionHelpFormatter, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse `--word=--`, of which argparse of Python 3.11 makes an empty list."""
        words = sys.argv[1:] if args is None else list(args)
        if empty := [word for word in words if re.fullmatch("--[a-z-]+=--", word)]:
            self.error(f"argument {empty[0][:-3]}: got --, expected a value")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the mistake, and exit with 2."""
        super().error(printable(shortened(message, 4 * LONG)))


def whole(word: str, least: int = 1, most: int = MOST) -> Callable[[str], int]:
    """A type of argparse; `UserError` names the word, of make or of the command line: SEEDS=x."""
    wanted = "a whole number above 0" if least == 1 else f"a whole number, {least} or more"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            expected = wanted if value < least else f"at most {most:,}"
            raise UserError(f"{word}={shortened(text)}: expected {expected}")
        return value

    return read


def whole_or(word: str, other: str) -> Callable[[str], int | None]:
    """The same, or another word in place of a number: None, which says that it is to be chosen."""

    def read(text: str) -> int | None:
        if text == other:
            return None
        try:
            return whole(word)(text)
        except UserError as error:
            raise UserError(f"{error}, or {other}") from None

    return read


def number(word: str, example: float, most: float = MOST) -> Callable[[str], float]:
    """The same for a number with a point."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value <= most:
            bound = f"at most {most:,g}" if value > most else f"above 0, for example {example:g}"
            raise UserError(f"{word}={shortened(text)}: expected a number {bound}")
        return value

    return read


def from_environment(word: str, read: Callable[[str], Callable[[str], T]]) -> T | None:
    """What a variable of the environment says, None where it is not set or empty."""
    text = os.environ.get(word)
    return read(word)(text) if text else None
