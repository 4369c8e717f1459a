#!/usr/bin/env python
"""Make the net of a finished run one that comes with the package: weights, digest, card.

ship.py runs/plain_vs_residual/resnet-20-s0-… reslab:resnet20.cifar10
"""

import sys
from pathlib import Path

from reslab.arguments import Parser
from reslab.errors import exit_code


def main() -> int:
    """Parse the arguments and ship."""
    parser = Parser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("name", help="reslab:<net>.<what it was trained on>")
    arguments = parser.parse_args()
    from reslab.inference.shipping import ship

    print(*ship(arguments.run, arguments.name), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
