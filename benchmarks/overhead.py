"""What a run does beside its steps, in milliseconds of CPU time a step.

  make bench ARGS='overhead'

ResNet-8 with 8 channels on digits, batches of 8, one thread on one core. A run trains as `make
experiment` starts it, and after each of its chunks of steps as many bare ones are made (forward,
backward and optimiser on a batch that is there): what is compared sees the same machine within a
second. Evaluations are left out; rows of metrics and checkpoints are in. A round is a process.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.summary import DOCUMENT, between_marks

from reslab.arguments import Parser, whole
from reslab.disk import write_json
from reslab.errors import exit_code
from reslab.text import markdown_table

CASE = "tiny"
WARM = 60
"""Steps at the beginning that are not counted."""
MOST = 0.3
"""Milliseconds that are to be enough."""

Chunk = tuple[int, float, float]
"""Steps, and the seconds of CPU time that they took as a run and bare."""


def chunks(steps: int) -> list[Chunk]:
    """What the chunks of a run of so many steps took, each beside as many bare steps."""
    from benchmarks.cases import config_of
    from lightning import Callback, Trainer

    from benchmarks import loops
    from reslab.execution import Execution
    from reslab.store.owner import Claim
    from reslab.training.checkpointing import Interrupted
    from reslab.training.run import run

    loops.on_one_core()
    config = config_of(CASE)
    bare, found = loops.bare_step(config), list[Chunk]()

    class Beside(Callback):
        """Makes the bare steps."""

        done, began = 0, 0.0

        def on_train_batch_start(self, *_: Any) -> None:
            self.began = self.began or time.process_time()

        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            made, own = trainer.global_step - self.done, time.process_time() - self.began
            self.done = trainer.global_step
            found.append((made, own, seconds_of(bare, made)))
            if self.done >= steps:
                raise Interrupted
            self.began = time.process_time()

        def on_validation_start(self, *_: Any) -> None:
            self.began -= time.process_time()

        def on_validation_end(self, *_: Any) -> None:
            self.began += time.process_time()

    seconds_of(bare, WARM)
    loops.watch(lambda trainer: trainer.callbacks.append(Beside()))  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        run(config, Execution(), "eager", Claim(Path(folder)))
    return found


def seconds_of(step: Callable[[], None], times: int) -> float:
    """CPU time of a step that is made so many times."""
    began = time.process_time()
    for _ in range(times):
        step()
    return time.process_time() - began


def per_step(found: Sequence[Chunk]) -> dict[str, float]:
    """Milliseconds a step as a run and bare, and the difference: medians over the steps of all
    chunks but the first ones."""
    done, each = 0, list[tuple[float, float]]()
    for made, own, bare in found:
        if done >= WARM:
            each += [(1e3 * own / made, 1e3 * bare / made)] * made
        done += made
    return {
        "bare": median(bare for _, bare in each),
        "reslab": median(own for own, _ in each),
        "reslab − bare": median(own - bare for own, bare in each),
    }


def measured(rounds: int, steps: int) -> list[dict[str, float]]:
    """Each round's, in a process of its own; `CalledProcessError` where it fails."""
    words = [sys.executable, "-m", "benchmarks.overhead", "--once", f"--steps={steps}"]
    found = list[dict[str, float]]()
    for _ in range(rounds):
        told = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
        found.append(json.loads(told.splitlines()[-1]))
        print(
            f"reslab − bare: {found[-1]['reslab − bare']:.2f} ms a step",
            file=sys.stderr,
            flush=True,
        )
    return found


def table(found: Sequence[dict[str, float]]) -> str:
    """Milliseconds: the median of the rounds, and their range."""
    rows = []
    for name in found[0]:
        each = [one[name] for one in found]
        rows.append([name, f"{median(each):.2f}", f"{min(each):.2f} to {max(each):.2f}"])
    rows[-1][0] += f" (to reach: {MOST})"
    return markdown_table(["", "ms of CPU time a step", "range"], rows, numeric=(1, 2))


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--rounds", type=whole("--rounds", most=1000), default=6, metavar="N")
    top.add_argument(
        "--steps",
        type=whole("--steps", most=90_000),
        default=1_500,
        metavar="N",
        help="of a run in each round (1,500: some ten seconds)",
    )
    top.add_argument("--json", type=Path, metavar="FILE", help="keep what is found")
    top.add_argument("--document", type=Path, metavar="FILE", help=DOCUMENT)
    top.add_argument("--once", action="store_true", help="one round, in this process, as JSON")
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, and print the table."""
    arguments = parser().parse_args(words)
    if arguments.once:
        print(json.dumps(per_step(chunks(arguments.steps))))
        return 0
    found = measured(arguments.rounds, arguments.steps)
    if arguments.json:
        write_json(arguments.json, found)
    print(table(found))
    if arguments.document:
        between_marks(arguments.document, "overhead", table(found))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
