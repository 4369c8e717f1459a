#!/usr/bin/env python
"""Train one run: everything is written beside its config.yaml; the same command resumes it."""

import argparse
import sys
from pathlib import Path

from reslab.errors import exit_code
from reslab.experiments.tether import follow_launcher
from reslab.training.start import start


def main() -> int:
    """Parse the arguments and start."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Runs of an experiment are made and started by scripts/experiment.py. To train a "
        "description of your own, put it into a folder of its own, since a run writes beside it.",
    )
    parser.add_argument("config", type=Path, metavar="RUN.yaml", help="a run's description")
    parser.add_argument(
        "--devices", type=int, default=1, metavar="N", help="processes (GPUs) to train on"
    )
    parser.add_argument(
        "--follow-launcher",
        action="store_true",
        help="end, with all ranks, when standard input ends (used by the launcher)",
    )
    arguments = parser.parse_args()
    if arguments.follow_launcher:
        follow_launcher()
    return start(arguments.config, arguments.devices)


if __name__ == "__main__":
    sys.exit(exit_code(main))
