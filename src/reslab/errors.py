"""The one exception that is meant for people.

Its text says what was found, where, what was expected and what to do next. Every script prints it
without a traceback and exits with code 2 (`exit_code`).
"""

import contextlib
import difflib
import errno
import itertools
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from reslab.exhaustion import exhausted
from reslab.text import printable, printable_lines, shortened

T = TypeVar("T")
U = TypeVar("U")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


LONGEST = 1000
"""Letters of a path that a message shows: a path of use is shown whole."""


class UserError(Exception):
    """Bad input that the user can mend: a file, a name, a value, a missing data set."""


def exit_code(main: Callable[[], int | None]) -> int:
    """Run `main` and return its exit code: 2 after a `UserError`, 130 after Ctrl-C.

    A file that cannot be read or written is the user's to mend, too, and so are the limits of
    handles, threads and memory.
    """
    try:
        code = main() or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {printable_lines(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `… | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        line = exhausted(error) or _of_a_file(error)
        if line is None:
            raise
        print(f"error: {printable(line)}", file=sys.stderr)
        return 2


def _of_a_file(error: Exception) -> str | None:
    """Which file cannot be read or written, and why; None for an error of another kind."""
    if not isinstance(error, OSError):
        return None
    if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return f"{shortened(str(error.filename or 'writing'), LONGEST)}: {error.strerror}"


@contextlib.contextmanager
def located(where: str) -> Iterator[None]:
    """Begin every `UserError` of the block with the place where the mistake stands."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def first_line(error: BaseException) -> str:
    """What a library says of an error, without what it adds below; if nothing, its kind."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


LETTERS = 1500
"""Of several problems in one message: a screen of a terminal."""

NEXT = "\n       "
"""Between the problems of one `UserError`; they stand below each other, behind `error: `."""


def together(problems: Sequence[str]) -> UserError:
    """One error with the first problems, at most `MOST` and about `LETTERS`, and how many more."""
    lengths = itertools.accumulate(len(problem) for problem in problems)
    shown = min(MOST, max(1, sum(length <= LETTERS for length in lengths)))
    more = [f"and {len(problems) - shown:,} more"] if len(problems) > shown else []
    return UserError(NEXT.join([*problems[:shown], *more]))


def apart(error: UserError) -> list[str]:
    """The problems of an error that were put together: each line that begins with a place."""
    return re.split(rf"{NEXT}(?=\S+: )", str(error))


def gathered(attempts: Iterable[Callable[[], T]]) -> list[T]:
    """What all attempts return; otherwise one `UserError` with the problems of all, each once.

    After `MOST_FAILURES` attempts that have failed no more are made.
    """
    returned, problems, failed = list[T](), dict[str, None](), 0
    for attempt in attempts:
        try:
            returned.append(attempt())
        except UserError as error:
            problems |= dict.fromkeys(apart(error))
            failed += 1
        if failed == MOST_FAILURES:
            break
    if problems:
        raise together(list(problems))
    return returned


def both(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """What two return; otherwise one `UserError` with the problems of both."""
    first, second = gathered(list[Callable[[], Any]]([one, other]))
    return first, second


MOST_FAILURES = 100
"""Of attempts of one kind; a person mends some of them and asks again."""


def listed(items: Collection[str], most: int) -> str:
    """The first `most` of sorted items, and how many more there are."""
    return enumerated(sorted(items), most)


def enumerated(items: Sequence[str], most: int) -> str:
    """The first `most` items as they come, none of them long, and how many more there are."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(printable(shortened(item)) for item in items[:most]) + more


MOST = 12
"""Names that a message lists; of more it tells how many there are."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean a or b?` to end a message with, nothing where none is near."""
    close = difflib.get_close_matches(shortened(name), sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(shortened, close))}?" if close else ""


def nearest(name: str, known: Iterable[str], lister: str | None = None) -> str:
    """`; did you mean a or b?` to end a message with, or the known names where none is near.

    Of many names it has three, and `lister`, the command that lists them all.
    """
    known = sorted(known)
    if near := did_you_mean(name, known):
        return near
    if len(known) <= MOST:
        return f"; there are {enumerated(known, MOST)}" if known else ""
    examples = enumerated(known[:: len(known) // 3][:3], 3)
    told = f"; there are {len(known):,}, for example {examples}"
    return f"{told}; to list them: {lister}" if lister else told
