#!/usr/bin/env python
"""Test error of trained weights: a run's folder, a checkpoint, or somebody else's state dict.

  evaluate.py --weights runs/quickstart/residual-20-s0-…
  evaluate.py --weights resnet20.th --model resnet20 --data cifar10 --normalization imagenet

Only tensors and plain values are read from a file; nothing is unpickled.
"""

import argparse
import json
import sys
from pathlib import Path

from reslab.config.schema import Recipe
from reslab.errors import exit_code


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--weights", required=True, type=Path, help="a file, or a run's folder")
    top.add_argument("--model", help="the net's name, where the file does not say it")
    top.add_argument("--data", help="a data set, if not the one that the file names")
    kinds = Recipe.model_fields["normalization"].annotation.__args__
    top.add_argument("--normalization", choices=kinds, help="if not the one in the file")
    top.add_argument("--json", action="store_true", help="print one JSON object")
    return top


def main() -> int:
    """Parse the arguments and evaluate."""
    arguments = parser().parse_args()
    from reslab.training.evaluate import evaluate_file

    score = evaluate_file(
        arguments.weights, arguments.model, arguments.data, arguments.normalization
    )
    if arguments.json:
        print(json.dumps(score))
    else:
        print(
            f"{score['data']} test: {score['wrong']:,} of {score['examples']:,} wrong, "
            f"top-1 error {score['top1_error']:.2f} %, loss {score['loss']:.4f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
