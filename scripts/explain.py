#!/usr/bin/env python
"""Pictures of what a finished run has learnt, into explained/ of its folder, as PNG, SVG and PDF.

  explain.py landscape RUN                 the loss around its weights: a slice over two directions
  explain.py landscape RUN --points 51 --images 5000
  explain.py filters RUN                   the filters of its first convolution, as images
  explain.py gradcam RUN                   where it finds the classes of test images, stage by stage

The net is evaluated, not trained. A slice takes points² evaluations of its images (441 of 500): as
long as a test of 220,500 images. The other two take seconds. Nothing of the run changes.
"""

import sys
from pathlib import Path

from reslab.arguments import Parser, number, whole
from reslab.errors import UserError, exit_code


def odd(text: str) -> int:
    """A type of argparse: the trained weights are in the middle."""
    points = whole("--points", least=3, most=999)(text)
    if points % 2 == 0:
        raise UserError(f"--points={points}: expected an odd number, such as {points + 1}")
    return points


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    commands = top.add_subparsers(dest="picture", required=True, metavar="PICTURE")
    for word in ("landscape", "filters", "gradcam"):
        command = commands.add_parser(word)
        command.add_argument(
            "run", type=Path, metavar="RUN", help="the folder of a run that is done"
        )
        command.add_argument(
            "--into", type=Path, metavar="FOLDER", help="in place of RUN/explained"
        )
        if word == "landscape":
            add_options(command)
    return top


def add_options(command: Parser) -> None:
    """Those of a slice."""
    command.add_argument(
        "--points", type=odd, default=21, metavar="N", help="along each side, odd (21)"
    )
    command.add_argument(
        "--images",
        type=whole("--images"),
        default=500,
        metavar="N",
        help="training images that the loss is a mean over (500)",
    )
    command.add_argument(
        "--reach",
        type=number("--reach", 1.0),
        default=1.0,
        metavar="X",
        help="how far it goes, in lengths of each filter (1)",
    )
    command.add_argument(
        "--seed", type=whole("--seed", least=0), default=0, metavar="N", help="of directions (0)"
    )


def main() -> int:
    """Parse the arguments and draw."""
    arguments = vars(parser().parse_args())
    picture, run, into = (arguments.pop(word) for word in ("picture", "run", "into"))
    from reslab.inference.looks import Options, draw

    print(*draw(picture, run, into, Options(**arguments)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
