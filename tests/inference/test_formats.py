"""What scripts/export.py lists is what can be written."""

import subprocess
import sys
from pathlib import Path

from reslab.inference.export import CONVERTERS
from reslab.inference.formats import FORMATS


def test_there_is_a_converter_for_every_format() -> None:
    assert list(FORMATS) == list(CONVERTERS)


def test_help_has_every_format_and_what_it_is_for_and_loads_no_torch(repository: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = ['export.py', '--help']\n"
        "try: runpy.run_path('scripts/export.py', run_name='__main__')\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    told = " ".join(done.stdout.split())
    assert all(f"{name} {row.text}" in told for name, row in FORMATS.items())
