#!/usr/bin/env python
"""Test error of trained weights: runs' folders, a checkpoint, or somebody else's state dict.

  evaluate.py runs/quickstart/residual-20-s0-…
  evaluate.py runs/imagenet_plain_vs_residual/* --views ten_crop
  evaluate.py resnet20.th --model resnet20 --data cifar10 --normalization imagenet
  evaluate.py cats.pth --model resnet18 --folder my_photos --normalization mean=0.5,std=0.25

With --views, of photographs, the softmax is averaged over an image's views; for a run the result is
also written beside its own, where the experiment's table finds it.

Only tensors and plain values are read from a file; nothing is unpickled.
"""

import argparse
import sys
from pathlib import Path

from reslab.arguments import Parser, explained
from reslab.config.views import HELP, views_from
from reslab.errors import exit_code
from reslab.inference.evaluations import evaluate_each
from reslab.weights.given import add_options


def parser() -> Parser:
    """The command line."""
    top = Parser(
        description=__doc__,
        epilog="views:\n" + explained(HELP),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="runs' folders, or files")
    top.add_argument("--weights", type=Path, help="the same as RUN")
    top.add_argument(
        "--views", type=views_from, metavar="WORD", help="of photographs: one of those below"
    )
    top.add_argument("--confusion", type=Path, metavar="CSV", help="write the confusion matrix")
    top.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_options(top)
    return top


def main() -> int:
    """Parse the arguments and evaluate one after another; 2 if one could not be evaluated."""
    return evaluate_each(parser().parse_args())


if __name__ == "__main__":
    sys.exit(exit_code(main))
