#!/usr/bin/env python
"""Send runs that W&B has not got, or not wholly: those logged offline, or while it was away.

  sync.py quickstart                  the runs of an experiment, of all its plans
  sync.py quickstart --budget 0.02    those of one plan
  sync.py                             all runs
  sync.py --dry                       say what would be sent

All starts of a run go to one run in W&B, its curves against the training step. What was sent is
marked: calling it twice sends nothing twice.
"""

import sys

from reslab.arguments import Parser
from reslab.errors import exit_code
from reslab.make import add_words


def main() -> int:
    """Parse the arguments and send."""
    parser = Parser(description=__doc__)
    parser.add_argument("name", nargs="?", help="an experiment or a plan; all, if left out")
    add_words(parser)
    parser.add_argument("--dry", action="store_true", help="say what would be sent; send nothing")
    arguments = parser.parse_args()
    from reslab.mirror.sync import sync
    from reslab.store.plan import Options

    return sync(arguments.name, arguments.dry, Options.of(arguments))


if __name__ == "__main__":
    sys.exit(exit_code(main))
