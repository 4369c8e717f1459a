"""What a GPU makes of this repository, in one go and without a network: its tests, the benchmark,
how many runs it takes at once, and as much of plain_vs_residual as there is time for.

  make gpu-check                                       ten minutes, to results/gpu/CARD
  make gpu-check PYTHON=python3 WHEELS=.gpu/whl        with packages that this Python lacks
  make gpu-check ARGS='--parts packing protocol'       some of its parts
  make gpu-check ARGS=--cpu SECONDS=120                its form for a machine without a GPU
  PYTHONPATH=src python3 -m tests.gpu_check …          where there is no make

Each part is a process of its own, which is stopped when its time is up; what it has found by then
is kept. Python alone is needed to begin; the wheels are installed into a folder that is gone at the
end. docs/gpu.md says what comes out.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.gpu_check.check import CPU, GPU, ROOT, Check, Found
from tests.gpu_check.measured import tests, training
from tests.gpu_check.packing import packing
from tests.gpu_check.protocol import protocol
from tests.gpu_check.told import commit, is_bad, machine, summary

from reslab.arguments import Parser, number
from reslab.errors import UserError, exit_code
from reslab.machine import visible_gpus

NEEDED = (
    "torch", "torchvision", "lightning", "torchmetrics", "timm", "pydantic", "yaml", "numpy",
    "scipy", "matplotlib", "tqdm", "safetensors", "PIL", "pytest", "hypothesis",
)  # fmt: skip
"""Modules without which a part would fail; wandb is not imported where W&B is disabled."""

CIFAR10 = "cifar-10-batches-bin/data_batch_1.bin"
"""Under the data folder, where the data set is there."""

PARTS: dict[str, tuple[float, Callable[[Check, float], Found]]] = {
    "tests": (0.3, tests),
    "training": (0.2, training),
    "packing": (0.25, packing),
    "protocol": (0.25, protocol),
}
"""Each with its share of the seconds; what one leaves over the later ones have."""


def check_all(check: Check, chosen: Sequence[str], seconds: float) -> bool:
    """Every part in its time; whether all went well."""
    began, whole = time.monotonic(), sum(PARTS[name][0] for name in chosen)
    share = 0.0
    for name in chosen:
        share += PARTS[name][0] / whole
        until, start = began + seconds * share, time.monotonic()
        print(f"{name}: {until - start:.0f} s at most", flush=True)
        found = PARTS[name][1](check, until)
        check.found["parts"][name] = found | {"seconds": round(time.monotonic() - start, 1)}
        check.write()
    return not any(is_bad(found) for found in check.found["parts"].values())


def install(wheels: Path, site: Path) -> None:
    """The wheels of a folder into another, without a network. `UserError` where that fails."""
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        raise UserError(
            f"WHEELS={wheels}: there is no *.whl in it; docs/gpu.md says how to get them"
        )
    options = ["-q", "--no-index", "--no-deps", "--no-compile", "--target", str(site)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *files], capture_output=True, text=True
    )
    if done.returncode:
        raise UserError(f"WHEELS={wheels}: pip did not install them\n       {done.stderr.strip()}")


def refuse_lacking(environment: dict[str, str]) -> None:
    """`UserError` where a module is missing that some part needs, before any has begun."""
    look = (
        "import sys, importlib.util as u; print(*(m for m in sys.argv[1:] if not u.find_spec(m)))"
    )
    lacking = subprocess.run(
        [sys.executable, "-c", look, *NEEDED], env=environment, capture_output=True, text=True
    ).stdout.split()
    if lacking:
        raise UserError(
            f"{sys.executable} lacks {', '.join(lacking)}; WHEELS= is a folder with their wheels "
            "(docs/gpu.md)"
        )


@contextlib.contextmanager
def prepared(arguments: Namespace) -> Iterator[Check]:
    """A check whose packages and folders are there. `UserError` where they cannot be."""
    gpu = None if arguments.cpu else next(iter(visible_gpus()), None)
    if gpu is None and not arguments.cpu:
        raise UserError("nvidia-smi lists no GPU that may be used; --cpu runs the form for a CPU")
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as made:
        scratch = Path(made)
        environment = environment_of(gpu, scratch / "site")
        if arguments.wheels:
            install(arguments.wheels, scratch / "site")
        refuse_lacking(environment)
        told = machine(gpu)
        card = re.sub(r"[^a-z0-9]+", "-", told.get("card", "cpu").lower()).strip("-")
        default = ROOT / "results" / "gpu" / card if gpu else ROOT / ".gpu" / card
        folder = Path(os.environ.get("RESLAB_DATA") or ROOT / "data")
        data = "cifar10" if gpu and (folder / CIFAR10).exists() else "digits"
        out = (arguments.out or default).resolve()
        for made_here in (out, arguments.runs, *filter(None, [arguments.archive])):
            made_here.mkdir(parents=True, exist_ok=True)
        found = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(), "seconds": arguments.seconds, "machine": told, "data": data,
            "parts": {},
        }  # fmt: skip
        yield Check(
            CPU if gpu is None else GPU, gpu, data, out, arguments.runs.resolve(),
            arguments.archive, scratch, environment, found,
        )  # fmt: skip


def environment_of(gpu: str | None, site: Path) -> dict[str, str]:
    """Of every part: the checkout's code, then the wheels; one GPU or none; no W&B."""
    paths = [str(ROOT / "src"), str(site), os.environ.get("PYTHONPATH", "")]
    waiting = {} if gpu else {"OMP_WAIT_POLICY": "passive"}  # on a busy machine threads starve else
    return (
        os.environ
        | waiting
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "CUDA_VISIBLE_DEVICES": gpu or "",
            "WANDB_MODE": "disabled",
            "PYTHONUNBUFFERED": "1",
        }
    )


def main() -> int:
    """Parse the arguments, check, and print the table."""
    arguments = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with prepared(arguments) as check:
        if check.gpu and check.data != "cifar10":
            print("there is no CIFAR-10 in the data folder: digits take its place")
        check.write()
        well = check_all(check, arguments.parts, arguments.seconds)
        print(summary(check.found), f"\n{check.out}")
    return 0 if well else 1


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument(
        "--seconds", type=number("SECONDS", 600, most=86_400), default=600.0, metavar="S",
        help="of all parts together (600)",
    )  # fmt: skip
    top.add_argument(
        "--wheels", type=Path, metavar="FOLDER", help="of packages that this Python lacks"
    )
    top.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
        help=f"some of {', '.join(PARTS)}",
    )  # fmt: skip
    top.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for what is found; else results/gpu/CARD"
    )
    top.add_argument(
        "--runs", type=Path, metavar="FOLDER", default=ROOT / ".gpu" / "runs",
        help="where the protocol's runs go on, or archives of them lie (.gpu/runs)",
    )  # fmt: skip
    top.add_argument(
        "--archive", type=Path, metavar="FOLDER", help="keep these runs there, as runs-N.zip"
    )
    top.add_argument("--cpu", action="store_true", help="the form for a machine without a GPU")
    return top


if __name__ == "__main__":
    sys.exit(exit_code(main))
