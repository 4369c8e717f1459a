#!/usr/bin/env python
"""Train one run: everything is written beside its config.yaml; the same command resumes it.

train.py RUN.yaml
train.py RUN.yaml --devices 2
torchrun --nproc-per-node 2 scripts/train.py RUN.yaml       also with --nnodes
"""

import sys
from pathlib import Path

from reslab.arguments import Parser
from reslab.errors import exit_code
from reslab.execution import Execution, add_execution
from reslab.processes import follow_launcher
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
    add_execution(parser)
    parser.add_argument(
        "--follow-launcher",
        action="store_true",
        help="end, with all ranks, when standard input ends (used by the launcher)",
    )
    arguments = parser.parse_args()
    if arguments.follow_launcher:
        follow_launcher()
    return start(arguments.config, Execution.of(arguments))


if __name__ == "__main__":
    sys.exit(exit_code(main))
