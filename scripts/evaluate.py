#!/usr/bin/env python
"""Test error of trained weights: runs' folders, a checkpoint, or somebody else's state dict.

  evaluate.py runs/quickstart/residual-20-s0-…
  evaluate.py quickstart                           all finished runs of a plan, in one table
  evaluate.py quickstart runs/mine/wide-s0 --save errors.csv
  evaluate.py runs/imagenet_plain_vs_residual/* --views ten_crop
  evaluate.py resnet20.th --model resnet20 --data cifar10 --normalization imagenet
  evaluate.py cats.pth --model resnet18 --folder my_photos --normalization mean=0.5,std=0.25

  evaluate.py runs/quickstart/residual-20-s0-… --quantize int8
  evaluate.py runs/quickstart/residual-20-s0-… --latency

Several are one table with their names; --save writes what was found, per class and per confusion
in JSON.

With --views, of photographs, the softmax is averaged over an image's views; for a run the result is
also written beside its own, where the experiment's table finds it.

--quantize int8 makes integers of the trained net (pip install 'reslab[quantize]') and measures its
errors, its size and its time beside those of the net itself; --latency measures the net's time in
all ways that this machine has. Both are of this machine's processor, and of a run they are written
beside its result, as eval-int8.json and latency.json.

Only tensors and plain values are read from a file; nothing is unpickled.
"""

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
    )
    top.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="runs' folders, files, or a plan's name"
    )
    top.add_argument("--weights", type=Path, help="the same as RUN")
    top.add_argument(
        "--views", type=views_from, metavar="WORD", help="of photographs: one of those below"
    )
    top.add_argument("--quantize", choices=["int8"], help="errors, size and time in integers")
    top.add_argument(
        "--latency", action="store_true", help="time of a batch, eager, compiled, fp32, bf16, int8"
    )
    top.add_argument("--confusion", type=Path, metavar="CSV", help="write the confusion matrix")
    top.add_argument("--save", type=Path, metavar="FILE", help="write them all: .csv or .json")
    top.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_options(top)
    return top


def main() -> int:
    """Parse the arguments and evaluate one after another; 2 if one could not be evaluated."""
    return evaluate_each(parser().parse_args())


if __name__ == "__main__":
    sys.exit(exit_code(main))
