"""What `make bench` measures: by the first word of ARGS, training where there is none."""

import sys
from collections.abc import Sequence
from importlib import import_module

from reslab.errors import exit_code

WHAT = "training", "overhead", "growth", "photographs"
"""The modules with a main."""


def main(words: Sequence[str]) -> int:
    """Hand the other words on."""
    what, others = (words[0], words[1:]) if words[:1] and words[0] in WHAT else (WHAT[0], words)
    code: int = import_module(f"benchmarks.{what}").main(others)
    return code


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
