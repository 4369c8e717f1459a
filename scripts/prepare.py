#!/usr/bin/env python
"""Decode a data set of photographs once, so that training need not: data.prepared reads the result.

  prepare.py imagenette_mini --shorter-side 160
  prepare.py imagefolder --folder ~/photos --shorter-side 256

Says first what disk it takes, and can be interrupted: the same command goes on. A run reads the
store with `data: {name: imagenette_mini, prepared: 160}`.
"""

import sys
from pathlib import Path

from reslab.arguments import MOST_PROCESSES, MOST_SIDE, Parser, whole
from reslab.config.datasets import PHOTOGRAPHS
from reslab.config.photographs import chosen_root
from reslab.errors import exit_code
from reslab.text import printable


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument("data", choices=PHOTOGRAPHS, help="which photographs")
    top.add_argument(
        "--shorter-side",
        type=whole("--shorter-side", most=MOST_SIDE),
        default=256,
        metavar="N",
        help="pixels to which longer shorter sides are resized; 256 by default",
    )
    top.add_argument("--folder", type=Path, help="of imagefolder: where it lies")
    top.add_argument(
        "--workers",
        type=whole("--workers", 0, MOST_PROCESSES),
        metavar="N",
        help="processes; by default all cores",
    )
    return top


def main() -> int:
    """Parse the arguments and prepare."""
    arguments = parser().parse_args()
    root = chosen_root(arguments.data, arguments.folder)
    from reslab.data.photographs.prepared import prepare

    folder = prepare(root, arguments.shorter_side, arguments.workers)
    print(f"prepared: {printable(str(folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
