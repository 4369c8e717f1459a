#!/usr/bin/env python
"""Make a notebook of a page: its text and, as cells that run, its commands and its Python.

notebook.py docs/from_zero.md              writes docs/from_zero.ipynb
"""

import sys
from pathlib import Path

from reslab import disk
from reslab.arguments import Parser
from reslab.errors import exit_code


def main() -> int:
    """Parse the arguments and write."""
    parser = Parser(description=__doc__)
    parser.add_argument("page", type=Path, help="a Markdown file")
    page = parser.parse_args().page
    from reslab.report.notebook import notebook

    disk.write_text(page.with_suffix(".ipynb"), notebook(page.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
