#!/usr/bin/env python
"""How fast photographs are read, from files and from the prepared store, beside torchvision's
ImageFolder on the same files and beside the training step of ResNet-18; and a ResNeXt block in the
three forms of Xie 2017, Fig. 3.

  bench.py                                   imagenette_mini at 128 pixels
  bench.py imagefolder --folder ~/photos --size 224 --shorter-side 256

RESLAB_WORKERS says how many worker processes; by default they fit the cores.
"""

import argparse
import sys

from reslab.arguments import MOST_SIDE, Parser, number, whole
from reslab.config.datasets import FOLDERS
from reslab.errors import UserError, exit_code


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = [*FOLDERS, "imagefolder"]
    top.add_argument("data", nargs="?", default="imagenette_mini", choices=data)
    top.add_argument("--folder", help="of imagefolder: where it lies, with train/ and val/")
    top.add_argument(
        "--size",
        type=whole("--size", most=MOST_SIDE),
        default=128,
        metavar="N",
        help="of the crops, in pixels",
    )
    top.add_argument(
        "--shorter-side",
        type=whole("--shorter-side", most=MOST_SIDE),
        default=160,
        metavar="N",
        help="of the prepared store",
    )
    top.add_argument(
        "--batch",
        type=whole("--batch", most=100_000),
        default=32,
        metavar="N",
        help="images in a batch",
    )
    top.add_argument(
        "--seconds",
        type=number("--seconds", 10, most=86_400),
        default=10,
        metavar="S",
        help="how long each is measured",
    )
    return top


def main() -> int:
    """Parse the arguments, measure, and print the table."""
    arguments = parser().parse_args()
    if (arguments.data == "imagefolder") != (arguments.folder is not None):
        raise UserError("--folder belongs to imagefolder, which needs it")
    from reslab.training.bench import bench, bench_forms

    data = {"name": arguments.data}
    if arguments.folder is not None:
        data["folder"] = arguments.folder
    print(bench(data, arguments.size, arguments.shorter_side, arguments.batch, arguments.seconds))
    print(f"\n{bench_forms(arguments.seconds / 4)}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
