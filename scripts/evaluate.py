#!/usr/bin/env python
"""Test error of trained weights: runs' folders, a checkpoint, or somebody else's state dict.

  evaluate.py runs/quickstart/residual-20-s0-…
  evaluate.py runs/imagenet_plain_vs_residual/* --views ten_crop
  evaluate.py resnet20.th --model resnet20 --data cifar10 --normalization imagenet

With --views, of photographs, the softmax is averaged over an image's views; for a run the result is
also written beside its own, where the experiment's table finds it:

center         the centre crop, as in the run's own result
ten_crop       corners and centre, and their mirror images (Krizhevsky 2012)
multi_scale    the whole image and its mirror image in five sizes (He 2015)

Only tensors and plain values are read from a file; nothing is unpickled.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from reslab.arguments import Parser
from reslab.config.schema import Recipe
from reslab.errors import INTERRUPTED, UserError, exit_code


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="runs' folders, or files")
    top.add_argument("--weights", type=Path, help="the same as RUN")
    top.add_argument("--model", help="the net's name, where the file does not say it")
    top.add_argument("--data", help="a data set, if not the one that the file names")
    kinds = Recipe.model_fields["normalization"].annotation.__args__
    top.add_argument("--normalization", choices=kinds, help="if not the one in the file")
    top.add_argument("--views", choices=("center", "ten_crop", "multi_scale"))
    top.add_argument("--confusion", type=Path, metavar="CSV", help="write the confusion matrix")
    top.add_argument("--json", action="store_true", help="print one JSON object per line")
    return top


def main() -> int:
    """Parse the arguments and evaluate one after another; 2 if one could not be evaluated."""
    arguments = parser().parse_args()
    paths = [*arguments.runs, *filter(None, [arguments.weights])]
    if not paths:
        raise UserError("which weights? Say a run's folder or a file")
    if arguments.confusion and len(paths) > 1:
        raise UserError("--confusion is for one run or file")
    if arguments.confusion and not arguments.confusion.absolute().parent.is_dir():
        raise UserError(f"--confusion: there is no folder {arguments.confusion.parent}")
    codes = []
    for path in paths:
        codes.append(exit_code(partial(evaluate, path, arguments)))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes)


def evaluate(path: Path, arguments: argparse.Namespace) -> None:
    """Evaluate and print; a run's own weights on views of its own data are a result to keep."""
    from reslab.training.evaluate import evaluate_file, evaluate_run

    other = (arguments.model, arguments.data, arguments.normalization)
    if arguments.views and path.is_dir() and not any(other):
        found = evaluate_run(path, arguments.views)
    else:
        found = evaluate_file(path, *other, arguments.views or "center")
    if arguments.confusion:
        found.write_confusion(arguments.confusion)
    print(json.dumps(found.as_dict()) if arguments.json else found.as_text(), flush=True)


if __name__ == "__main__":
    sys.exit(exit_code(main))
