#!/usr/bin/env python
"""How much error it costs to prune filters of a trained net without retraining, stage by stage.

  sensitivity.py runs/plain_vs_residual/resnet-56-s0-…
  sensitivity.py resnet56.th --model resnet56 --data cifar10 --normalization imagenet --to figures

For each stage and each part, the filters of the smallest L1 norm are taken from the first
convolutions of its units, and the test images evaluated (Li 2017, Fig. 2). Writes sensitivity.csv,
.png, .svg and .pdf beside the weights.
"""

import sys
from pathlib import Path

from reslab.arguments import Parser
from reslab.config.pruning import parts_from
from reslab.errors import exit_code
from reslab.weights.given import add_options, given


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument("weights", type=Path, help="a run's folder, or a file of weights")
    top.add_argument(
        "--parts", type=parts_from, default="0.1,0.3,0.5,0.7,0.9", help="pruned: %(default)s"
    )
    top.add_argument("--to", type=Path, metavar="FOLDER", help="where the figure is written")
    add_options(top)
    return top


def main() -> int:
    """Parse the arguments, evaluate, write."""
    arguments = parser().parse_args()
    from reslab.inference.sensitivity import write_sensitivity

    said = given(arguments)
    written = write_sensitivity(arguments.weights, said, arguments.parts, arguments.to)
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
