#!/usr/bin/env python
"""Run an experiment and print its table beside the published numbers.

  experiment.py run quickstart                         train what is not final yet, print the table
  experiment.py run plain_vs_residual --budget 0.02 --seeds 1 --only '*20*'
  experiment.py run plain_vs_residual --dry            the plan; nothing is written
  experiment.py run plain_vs_residual --dry --card h100 --slots-per-gpu auto
  experiment.py train --model resnet20 --data cifar10 --recipe he2015_cifar
  experiment.py finetune --folder ~/photos --model resnet50
  experiment.py status                                 what has run or runs
  experiment.py status | table | figure | paper NAME   read the files of the plan without words
  experiment.py table plain_vs_residual --budget 0.02 --seeds 1 --only '*20*'
  experiment.py table plain_vs_residual@budget=0.02    read those of another
  experiment.py compare NAME NAME …                    one table over several plans
  experiment.py stop NAME                              cancel what it has on a cluster
  experiment.py light NAME                             error, size and time of its nets, measured
  experiment.py page NAME …                            one HTML file of one plan or several
  experiment.py serve NAME …                           the same on 127.0.0.1 while runs go on
  experiment.py results NAME                           keep what came of a plan in results/

Experiments are files in configs/experiments; runs, tables and figures go to runs/NAME. What
--budget, --epochs, --seeds, --only and --set make is a plan of its own, with its own table; --plan
names it.
"""

import sys

from reslab.arguments import Parser, whole, whole_or
from reslab.config.datasets import DATASETS
from reslab.errors import exit_code
from reslab.execution import add_execution
from reslab.make import add_words

PLAN = "an experiment that was run, or one of its plans: quickstart@budget=0.02"
DATA = (
    f"{', '.join(DATASETS)}, or the path of a folder of photographs, such as ./photos (short for "
    "imagefolder with --set data.folder=…), or of a file of arrays, such as my.npz (short for "
    "arrays with --set data.file=…)"
)


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="train an experiment's runs and print its table",
        usage="%(prog)s [-h] [OPTION …] name",
    )
    run.add_argument("name", help="a file of configs/experiments, without .yaml")
    train = commands.add_parser(
        "train",
        help="train one net: an experiment of one variant",
        usage="%(prog)s [-h] --model NET --data DATA --recipe RECIPE [OPTION …]",
    )
    train.add_argument(
        "--model",
        required=True,
        help="a net's name: scripts/models.py; python:FILE.py:NAME, which is run",
    )
    train.add_argument("--data", required=True, help=DATA)
    train.add_argument("--recipe", required=True, help="a file of configs/recipes, without .yaml")
    finetune = commands.add_parser(
        "finetune",
        help="train a net on from published weights",
        usage="%(prog)s [-h] --folder FOLDER --model NET [OPTION …]",
    )
    finetune.add_argument(
        "--folder", required=True, help="photographs, a folder for each class; or a file, my.npz"
    )
    finetune.add_argument("--model", required=True, help="resnet50, timm:…, torchvision:…")
    finetune.add_argument(
        "--weights", help="a file, a run, a published name, URL#sha256=…; else the model's own"
    )
    finetune.add_argument("--trains", help="all (the default), head, or others of trains, a,b")
    finetune.add_argument("--recipe", help="a file of configs/recipes; else finetune")
    for command in (run, train, finetune):
        add_options(command)
    for word in ("status", "table", "figure", "paper", "light", "results", "stop"):
        reader = commands.add_parser(word, help=f"{word} of a plan")
        count = "?" if word in ("status", "results") else None  # without one of all
        reader.add_argument("names", type=alone, nargs=count, default=[], metavar="name", help=PLAN)
        add_words(reader)
        if word == "figure":
            reader.add_argument("--figure", metavar="WORDS", help="some alone: 'curves depth'")
    several = {"compare": "one table", "page": "one HTML file", "serve": "a live page"}
    for word, told in several.items():
        reader = commands.add_parser(word, help=f"{told} over several plans")
        reader.add_argument("names", nargs="+", metavar="NAME", help=PLAN)
        add_words(reader)
        if word == "serve":
            port = whole("PORT", 0, 65535)
            reader.add_argument("--port", type=port, default=8000, help="8000; 0: any that is free")
    return top


def alone(name: str) -> list[str]:
    """A type of argparse: of these commands, which take one plan, as of those that take several."""
    return [name]


def add_options(command: Parser) -> None:
    """What `run`, `train` and `finetune` have in common."""
    add_words(command)
    add_execution(command, "DEVICES", "MICRO_BATCH")
    command.add_argument(
        "--slots-per-gpu",
        type=whole_or("SLOTS_PER_GPU", "auto"),
        default=1,
        metavar="N",
        help="runs at once on the same GPUs; auto: as many as raise what these do in all",
    )
    command.add_argument(
        "--diagnostics",
        action="store_true",
        help="measure nets in training, which takes as long as about six steps: gradients, layer "
        "responses; no number of a run moves",
    )
    command.add_argument(
        "--on",
        metavar="CLUSTER",
        help="submit to a cluster, a file of configs/clusters without .yaml: slurm",
    )
    command.add_argument(
        "--follow", action="store_true", help="with --on: see the runs to their end, then the table"
    )
    command.add_argument("--dry", action="store_true", help="show the plan; write nothing")
    command.add_argument(
        "--card", metavar="NAME", help="with --dry: what it would take on a machine with an h100, …"
    )


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = parser().parse_args()
    from reslab.commands import call  # nothing that --help needs

    return call(arguments)


if __name__ == "__main__":
    sys.exit(exit_code(main))
