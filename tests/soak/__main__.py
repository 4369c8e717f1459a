"""make soak: tiny runs of many kinds, killed, stopped and starved as long as SECONDS says; every
result must equal the undisturbed one bit for bit.

A full disk needs a file system of its own: where the system has user namespaces the soak goes into
one, and mounts it there without asking for a privilege.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.soak import soak

from reslab.arguments import Parser, number, whole
from reslab.errors import exit_code

INSIDE = "RESLAB_SOAK_INSIDE"
SIZE = "512m"
"""Of the disk; a dozen finished runs have a few megabytes, and each launch asks for some."""


def main() -> int:
    """Parse the arguments, soak, and print the report."""
    parser = Parser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=number("SECONDS", 600, most=86_400), default=120)
    parser.add_argument(
        "--seed", type=whole("--seed", least=0), help="of the chaos; default: the time"
    )
    parser.add_argument("--only", action="append", default=[], metavar="KIND")
    arguments = parser.parse_args()
    if INSIDE not in os.environ and _has_namespaces():
        words = [sys.executable, "-m", "tests.soak", *sys.argv[1:]]
        os.execvpe("unshare", ["unshare", "-Urm", *words], {**os.environ, INSIDE: "1"})
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as made:
        folder, scratch = Path(made, "disk"), Path(made, "scratch")
        folder.mkdir()
        scratch.mkdir()
        disk = INSIDE in os.environ and _mount(folder)
        if not disk:
            print("no full disk: no user namespace with a disk of its own here", file=sys.stderr)
        code, report = soak(folder, scratch, arguments.seconds, seed, disk, tuple(arguments.only))
        print(report)
        if code:
            kept = shutil.copytree(folder / "disturbed", tempfile.mkdtemp(), dirs_exist_ok=True)
            print(f"what was found is in {kept}")
    return code


def _has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode == 0


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "soak", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
