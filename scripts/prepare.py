#!/usr/bin/env python
"""Decode a data set of photographs once, so that training need not: data.prepared reads the result.

  prepare.py imagenette_mini --shorter-side 160
  prepare.py imagefolder --folder ~/photos --shorter-side 256

Says first what disk it takes, and can be interrupted: the same command goes on. A run reads the
store with `data: {name: imagenette_mini, prepared: 160}`.
"""

import argparse
import sys
from pathlib import Path

from reslab.arguments import MOST_PROCESSES, MOST_SIDE, Parser, whole
from reslab.config.data import Data
from reslab.config.datasets import FOLDERS, data_root
from reslab.config.photographs import refuse_missing
from reslab.errors import UserError, exit_code
from reslab.text import printable


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("data", choices=[*FOLDERS, "imagefolder"], help="which photographs")
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
    if (arguments.data == "imagefolder") != (arguments.folder is not None):
        raise UserError("--folder belongs to imagefolder, which needs it")
    if arguments.folder is None:
        refuse_missing(Data(name=arguments.data))
    elif not arguments.folder.is_dir():
        raise UserError(f"--folder {arguments.folder}: there is no such folder")
    from reslab.data.photographs.prepared import prepare
    from reslab.data.photographs.workers import default_workers

    root = arguments.folder or data_root() / FOLDERS[arguments.data]
    workers = default_workers() + 1 if arguments.workers is None else arguments.workers
    folder = prepare(root, arguments.shorter_side, workers)
    print(f"prepared: {printable(str(folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
