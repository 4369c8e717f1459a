"""How long commands take: those that everything begins with, and those over plans of many runs.

Every time is that of a process, from its start to its end, its output thrown away; commands take
turns. The runs of large plans are made up, nothing is trained; their plan is a grid of rates times
ten seeds.

  make bench ARGS='growth --json FILE'
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.summary import DOCUMENT, between_marks

from reslab import commands, store
from reslab.arguments import Parser, whole
from reslab.disk import write_json
from reslab.errors import exit_code
from reslab.experiments.file import Experiment
from reslab.experiments.jobs import jobs_of
from reslab.experiments.plan import expand
from reslab.experiments.preview import announcement, preview
from reslab.experiments.slots import make_slots
from reslab.store.folder import WRONG
from reslab.store.plan import Options, Plan
from reslab.text import markdown_table

SEEDS, LARGE, FINISHED = 10, 10_000, 1_000
"""Of every variant; runs of a plan; runs of a plan that are done."""
TESTED, WRONG_AT_FIRST = 10_000, 800
"""Test images, and how many the first run gets wrong; every other run some more."""


def plan_of(runs: int) -> Plan:
    """A plan of so many runs, expanded."""
    rates = [round(0.1 + 0.001 * place, 3) for place in range(max(1, runs // SEEDS))]
    tree = {"data": "cifar10", "model": "resnet20", "recipe": "he2015_cifar"}
    grid: dict[str, list[Any]] = {"recipe.optimizer.lr": rates}
    experiment = Experiment(base=tree, seeds=list(range(min(runs, SEEDS))), grid=grid)
    return expand(f"grown-{runs}", experiment, Options(), "the benchmark")


def dry(runs: int) -> None:
    """What `make experiment … DRY=1` prints."""
    plan = plan_of(runs)
    jobs = jobs_of(plan)
    slots = make_slots(len(jobs), plan.options)
    print(preview(jobs, slots[0]), announcement(jobs, slots), sep="\n")


def write(runs: int) -> None:
    """The plan and its run folders, where there are none yet."""
    with TemporaryDirectory(dir=store.runs_root()) as folder:
        store.write_plan(replace(plan_of(runs), place=Path(folder)))


def make(runs: int) -> None:
    """A plan, and of every run what it leaves when it is done."""
    plan = plan_of(runs)
    store.write_plan(plan)
    for place, (_, folder, config) in enumerate(plan.runs()):
        finish(folder, config.run_id, WRONG_AT_FIRST + place % 97)


def finish(folder: Path, run_id: str, wrong: int) -> None:
    """The files of a run that is done, as far as tables and status read them."""
    start = {"time": store.timestamp(), "run_id": run_id, "device": "cpu (x86_64)", "devices": 1}
    test = {"examples": TESTED, "wrong": wrong, "loss": 0.4, "top1_error": 100 * wrong / TESTED}
    result = {"status": "done", "step": 64_000, "seconds": 3600.0, "train": test, "test": test}
    rows = ({"step": 320 * n, "train_loss": 1.0, "train_top1_error": 9.0} for n in range(1, 201))
    (folder / store.METRICS).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / store.ENV).write_text(json.dumps([start]))
    bits = (2**wrong - 1) << (TESTED - wrong)
    (folder / WRONG).write_bytes(bits.to_bytes(TESTED // 8, "big"))
    (folder / store.RESULT).write_text(json.dumps({**result, "code": store.code_version()}))


def read(command: str, runs: int) -> None:
    """The status or the table of a plan that was made."""
    commands.read(command, [f"grown-{runs}"])


PARTS: dict[str, Callable[[int], None]] = {
    "dry": dry,
    "write": write,
    "keep": lambda runs: store.write_plan(plan_of(runs)),
    "make": make,
    "status": lambda runs: read("status", runs),
    "table": lambda runs: read("table", runs),
}
"""What a process is asked for."""


def rows_of(large: int, finished: int) -> dict[str, list[str]]:
    """What is timed, by its name: the words of a process."""
    front = "scripts/experiment.py"
    own = "-m", "benchmarks.growth", "--part"
    return {
        "--help": [front, "--help"],
        "plan (DRY=1) of quickstart": [front, "run", "quickstart", "--dry"],
        "status of 10 runs": [*own, "status", "--runs=10"],
        "table of 10 runs": [*own, "table", "--runs=10"],
        f"status of {finished:,} finished runs": [*own, "status", f"--runs={finished}"],
        f"table of {finished:,} finished runs": [*own, "table", f"--runs={finished}"],
        f"plan (DRY=1) of {large:,} runs": [*own, "dry", f"--runs={large}"],
        f"plan of {large:,} runs, written": [*own, "write", f"--runs={large}"],
        f"status of {large:,} runs": [*own, "status", f"--runs={large}"],
    }


def measured(rounds: int, large: int = LARGE, finished: int = FINISHED) -> dict[str, list[float]]:
    """Seconds of every command, round by round."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "RESLAB_RUNS": folder, "COLUMNS": "80"}
        for part, runs in (("make", 10), ("make", finished), ("keep", large)):
            seconds_of(["-m", "benchmarks.growth", "--part", part, f"--runs={runs}"], environment)
        rows = rows_of(large, finished)
        found: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(rounds):
            for name, words in rows.items():
                found[name].append(seconds_of(words, environment))
                print(f"{name}: {found[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return found


def seconds_of(words: Sequence[str], environment: dict[str, str]) -> float:
    """How long a process takes; `CalledProcessError` where it fails."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def table(found: dict[str, list[float]]) -> str:
    """The times, in seconds."""
    rows = [
        [name, f"{median(each):.2f}", f"{min(each):.2f} to {max(each):.2f}"]
        for name, each in found.items()
    ]
    return markdown_table(["", "seconds", "range"], rows, numeric=(1, 2))


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument("--rounds", type=whole("--rounds", most=1000), default=3, metavar="N")
    top.add_argument("--json", type=Path, metavar="FILE", help="keep what is found")
    top.add_argument("--from", dest="found", type=Path, metavar="FILE", help="measure nothing")
    top.add_argument("--document", type=Path, metavar="FILE", help=DOCUMENT)
    top.add_argument("--part", choices=PARTS, help="one of them alone, in this process")
    top.add_argument("--runs", type=whole("--runs", most=LARGE), default=10, help="of a part")
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, and print the table."""
    arguments = parser().parse_args(words)
    if arguments.part:
        PARTS[arguments.part](arguments.runs)
        return 0
    if arguments.found is not None:
        found = json.loads(arguments.found.read_text(encoding="utf-8"))
    else:
        found = measured(arguments.rounds)
        if arguments.json:
            write_json(arguments.json, found)
    print(table(found))
    if arguments.document:
        between_marks(arguments.document, "growth", table(found))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
