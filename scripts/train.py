#!/usr/bin/env python
"""Train one run: everything is written beside its config.yaml; the same command resumes it.

train.py RUN.yaml
train.py RUN.yaml --devices 2
torchrun --nproc-per-node 2 scripts/train.py RUN.yaml       also with --nnodes
"""

import argparse
import sys
from pathlib import Path

from reslab.arguments import MOST_PROCESSES, Parser, whole
from reslab.errors import exit_code
from reslab.execution import Execution
from reslab.machine import follow_launcher
from reslab.training.start import start


def main() -> int:
    """Parse the arguments and start."""
    parser = Parser(
        description=__doc__,
        epilog="Runs of an experiment are made and started by scripts/experiment.py.\n"
        "To train a description of your own, put it into a folder of its own, since a run\n"
        "writes beside it.",
    )
    parser.add_argument("config", type=Path, metavar="RUN.yaml", help="a run's description")
    parser.add_argument(
        "--devices",
        type=whole("--devices", most=MOST_PROCESSES),
        default=1,
        metavar="N",
        help="processes (GPUs) to train on",
    )
    parser.add_argument(
        "--micro-batch",
        type=whole("--micro-batch"),
        metavar="N",
        help="examples that a process takes at once, where memory is short (accumulates gradients)",
    )
    parser.add_argument(
        "--sync-batchnorm",
        action="store_true",
        help="normalise over the examples of all GPUs, not of each",
    )
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="compile steps, or do not; otherwise GPUs do (CUDA graphs), and CPUs in long runs",
    )
    parser.add_argument(
        "--follow-launcher",
        action="store_true",
        help="end, with all ranks, when standard input ends (used by the launcher)",
    )
    arguments = parser.parse_args()
    if arguments.follow_launcher:
        follow_launcher()
    words = ("devices", "micro_batch", "sync_batchnorm", "compile")
    execution = Execution(**{word: getattr(arguments, word) for word in words})
    return start(arguments.config, execution)


if __name__ == "__main__":
    sys.exit(exit_code(main))
