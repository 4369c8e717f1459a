#!/usr/bin/env python
"""Put the last results of an experiment into a document: its table between marks, its figure.

document.py quickstart README.md           between <!-- quickstart:begin --> and … :end -->
"""

import argparse
import sys
from pathlib import Path

from reslab import store
from reslab.arguments import Parser
from reslab.errors import exit_code


def main() -> int:
    """Parse the arguments and insert."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="an experiment that has been run")
    parser.add_argument("document", type=Path, help="a Markdown file")
    parser.add_argument("--images", type=Path, default=Path("docs/images"), help="for the figure")
    arguments = parser.parse_args()
    from reslab.report.document import insert

    plan = store.read_plan(arguments.name)
    insert(arguments.document, arguments.images, plan)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
