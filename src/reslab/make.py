"""Words of make: those that name a plan, as options of a script; SET, which holds several, a type
of argparse; and ARGS, which stand behind a command:

python -m reslab.make SCRIPT …      runs the script with what ARGS says as its last arguments
"""

import os
import re
import shlex
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Mapping, Sequence

from reslab.arguments import number, whole
from reslab.errors import UserError, exit_code
from reslab.text import shortened

_PIECE = re.compile(
    r"""(?<=[=\[{,:\s])(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")"""  # YAML's quotes begin a value
    r"""|[^\s'"=,:\[\]{}]+|.""",
    re.DOTALL,
)


def assignments(text: str) -> list[str]:
    """make's SET as `KEY=VALUE`s: `a=1 b={c: 2, d: 3}` is two. A type of argparse.

    Blanks divide where they are in no brackets and no quotes, of which values alone can begin with
    some: `a=it's b=x[` has none.
    """
    words, depth = [""], 0
    for piece in _PIECE.findall(text):
        if piece in "[{":
            depth += depth > 0 or words[-1].endswith("=")
        elif piece in "]}":
            depth -= depth > 0
        if piece.isspace() and not depth:
            words.append("")
        else:
            words[-1] += piece
    return list(filter(None, words))


def add_words(command: ArgumentParser) -> None:
    """The words that name a plan: what they change of its experiment, or a name of its own."""
    command.add_argument(
        "--budget",
        type=number("BUDGET", 0.02),
        metavar="X",
        help="train X times the steps, milestones in proportion",
    )
    command.add_argument(
        "--epochs",
        type=number("EPOCHS", 10),
        metavar="X",
        help="instead: train X times over the training images",
    )
    command.add_argument("--seeds", type=whole("SEEDS"), metavar="N", help="seeds 0 … N-1")
    command.add_argument(
        "--only", metavar="GLOB", help="variants by label: '*20*', 'a*,b*', '!*1202'"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the base under every variant, e.g. model.shortcut=C (repeatable)",
    )
    command.add_argument(
        "--settings",
        type=assignments,
        action="extend",
        dest="set",
        metavar="TEXT",
        help=SUPPRESS,  # make's own: several of --set with blanks between them, as SET has them
    )
    command.add_argument(
        "--plan", metavar="WORD", help="a name for what these words make, e.g. pilot"
    )


def with_args(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command with ARGS behind it, divided as a shell does, of which nothing is expanded.

    `UserError` for a quote that is not closed.
    """
    args = environment.get("ARGS", "")
    try:
        return [*command, *shlex.split(args)]
    except ValueError as error:
        raise UserError(f"ARGS={shortened(args)}: {str(error).lower()}") from None


def main() -> None:
    """Become the Python that runs what stands on the command line, with ARGS behind it."""
    os.execv(sys.executable, with_args([sys.executable, *sys.argv[1:]], os.environ))


if __name__ == "__main__":
    sys.exit(exit_code(main))
