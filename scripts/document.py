#!/usr/bin/env python
"""Put the results of a plan into a document: its table between marks, its figure.

document.py quickstart README.md           between <!-- quickstart:begin --> and … :end -->
"""

import sys
from pathlib import Path

from reslab import store
from reslab.arguments import Parser
from reslab.errors import exit_code
from reslab.make import add_words


def main() -> int:
    """Parse the arguments and insert."""
    parser = Parser(description=__doc__)
    parser.add_argument("name", help="an experiment or a plan that has been run")
    add_words(parser)
    parser.add_argument("document", type=Path, help="a Markdown file")
    parser.add_argument("--images", type=Path, default=Path("docs/images"), help="for the figure")
    arguments = parser.parse_args()
    from reslab.report.document import insert
    from reslab.store.plan import Options

    plan = store.read_plan(arguments.name, Options.of(arguments))
    insert(arguments.document, arguments.images, plan)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
