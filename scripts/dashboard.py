#!/usr/bin/env python
"""Save an experiment's dashboard in W&B: a workspace and a report, built from its plan.

Curves, final errors and what the variants differ in, seeds together; the table beside the published
numbers. Without a key, or offline, what would be sent is written to dashboard.json
beside the plan: runs/NAME.
"""

import sys

from reslab.arguments import Parser
from reslab.errors import exit_code
from reslab.make import add_words


def main() -> int:
    """Parse the arguments and build."""
    parser = Parser(description=__doc__)
    parser.add_argument("name", help="an experiment or a plan that was run, or a file's name")
    add_words(parser)
    arguments = parser.parse_args()
    from reslab.commands import dashboard
    from reslab.store.plan import Options

    return dashboard(arguments.name, Options.of(arguments))


if __name__ == "__main__":
    sys.exit(exit_code(main))
