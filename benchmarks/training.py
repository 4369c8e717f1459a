"""Training beside the bare step, the usual pipeline and Lightning; and batches alone on one core.

  make bench                                   ResNet-20, -56 and -18, and batches alone
  make bench ARGS='--net resnet20 --seconds 60 --json FILE'
  make bench ARGS='--net tiny --rows reslab,bare --profile'      where the time of a step goes
  make bench ARGS='--from FILE'                the tables of a measurement again
  make bench ARGS='--from FILE --document docs/performance.md'      these in a document

In every round each row is measured for a slice, in an order that turns; what is compared is
compared within a round. A row is a process of its own: bare is forward, backward and optimiser on a
batch that is there, reslab is a run as make experiment starts it, usual is a data set in
torchvision's style with PIL transforms, a DataLoader and a loop by hand, Lightning the same in
Lightning's loop. Bare and reslab have channels last, usual and Lightning do not.
"""

import argparse
import fnmatch
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from benchmarks.clock import Row, open_row
from benchmarks.summary import DOCUMENT, between_marks, tables
from benchmarks.trace import idle_share, read_trace

from reslab import store
from reslab.arguments import Parser, number, whole
from reslab.config.costs import costs
from reslab.config.data import facts_of
from reslab.config.run import Precision, RunConfig, input_size
from reslab.disk import write_json
from reslab.errors import UserError, exit_code
from reslab.machine import available_cores, processor_name

LIBRARIES = ("torch", "torchvision", "lightning", "numpy")
NETS = ("resnet20", "resnet56", "resnet18", "loader", "tiny", "loader_tiny")
HELD = 12
"""Bytes of a parameter in training: the weight, its gradient and its momentum, float32."""
TRACED = 0.2
"""Seconds of a trace, at least: a second of a small net has 200,000 kernels."""
EVALUATED = 5.0
"""Seconds of an evaluation, at most."""
PROFILED = 10.0
"""Seconds under Python's profiler, which makes every call slower."""
UNTIMED = 0.2
"""Seconds between two slices, in which workers of the last one finish what they read ahead."""


def main(words: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, and print the tables."""
    arguments = parser().parse_args(words)
    if arguments.found is not None:
        tell(tables(json.loads(arguments.found.read_text(encoding="utf-8"))), arguments.document)
        return 0
    deadline = time.monotonic() + (arguments.within or math.inf)
    found = {**conditions(arguments), "cases": {}}
    for case in arguments.net:
        if time.monotonic() < deadline:
            found["cases"][case] = measured(case, arguments, deadline)
            if arguments.json:
                write_json(arguments.json, found)
    tell(tables(found), arguments.document)
    return 0


def tell(text: str, document: Path | None) -> None:
    """Print tables, and put them into a document, where one is named."""
    print(text)
    if document is not None:
        between_marks(document, "training", text)


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """The machine, and how it is measured."""
    import torch

    gpu = torch.cuda.is_available()
    machine = {
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "cores": available_cores(),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "gpu_memory": torch.cuda.get_device_properties(0).total_memory if gpu else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "load": os.getloadavg()[0],
        "code": store.code_version(),
    }
    said = {word: getattr(arguments, word) for word in ("seconds", "rounds", "precision")}
    return {"machine": machine, **said}


def measured(case: str, arguments: argparse.Namespace, deadline: float) -> dict[str, Any]:
    """What a case is, and its rows: round by round until the deadline (by `time.monotonic`)."""
    from benchmarks.cases import config_of, make_ready

    config = config_of(case, arguments.precision)
    make_ready(config)
    loops = {name: row for name, row in rows_of(case).items() if is_chosen(name, arguments.rows)}
    told: dict[str, dict[str, Any]] = {name: {} for name in loops}
    with opened(loops, config, told) as rows:
        for turn in range(arguments.rounds):
            for name in turned(list(rows), turn) if time.monotonic() < deadline else ():
                rate = rate_of(rows[name], config, arguments.seconds / arguments.rounds, told[name])
                say(f"{case}, round {turn + 1} of {arguments.rounds}: {name} {rate:,.0f} images/s")
        for name, row in rows.items() if time.monotonic() < deadline else ():
            told[name] |= besides(row)
            if arguments.profile:
                told[name]["profile"] = row.profile(PROFILED)
    return {**described(config), "rows": told}


def rows_of(case: str) -> dict[str, tuple[Any, ...]]:
    """A case's rows by their names: a loop and what it is told beside the run."""
    from benchmarks import loops

    if case.startswith("loader"):
        return {"reslab": (loops.batches,), "usual": (loops.usual_batches,)}
    return {
        "bare": (loops.bare, False),
        "bare, compiled": (loops.bare, True),
        "reslab": (loops.ours, False),
        "reslab, compiled": (loops.ours, True),
        **{f"usual, {n} workers": (loops.usual, n) for n in (0, 2, 4)},
        "Lightning, 2 workers": (loops.lightning, 2),
    }


def is_chosen(name: str, globs: Sequence[str]) -> bool:
    """Whether a row is asked for."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


@contextmanager
def opened(
    loops: dict[str, tuple[Any, ...]], config: RunConfig, told: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Row]]:
    """The rows that are ready; of the others is told why they are not."""
    rows = dict[str, Row]()
    try:
        for name, (loop, *words) in loops.items():
            began = time.monotonic()
            try:
                rows[name], memory = open_row(loop, config, *words)
            except UserError as error:
                told[name]["error"] = str(error)
                continue
            told[name] |= {**memory, "ready_after": round(time.monotonic() - began, 1)}
            say(f"{name}: ready after {told[name]['ready_after']:.0f} s")
        yield rows
    finally:
        for row in rows.values():
            row.close()


def turned(names: Sequence[str], turn: int) -> Sequence[str]:
    """The rows in the order of a round: each begins once, every second round is backwards."""
    places = range(len(names)) if turn % 2 == 0 else range(len(names) - 1, -1, -1)
    return [names[(place + turn) % len(names)] for place in places]


def rate_of(row: Row, config: RunConfig, seconds: float, told: dict[str, Any]) -> float:
    """Images per second of a slice; what it says is added to what is told of the row."""
    slice_of = row.steps(seconds)
    time.sleep(UNTIMED)
    rate: float = config.recipe.batch_size * slice_of.pop("steps") / slice_of.pop("seconds")
    told.setdefault("rates", []).append(rate)
    told |= slice_of
    return rate


def besides(row: Row) -> dict[str, Any]:
    """The rate of an evaluation, and on a GPU for how much of the time it has nothing to do."""
    told = row.evaluation(EVALUATED)
    found = {"evaluation_rate": told["images"] / told["seconds"]} if "images" in told else {}
    if "gpu_memory" in told:
        with TemporaryDirectory() as folder:
            file = Path(folder, "trace.json")
            row.trace(TRACED, file)
            found["idle_share"] = idle_share(read_trace(file))
    return found


def described(config: RunConfig) -> dict[str, Any]:
    """What a run reads, how often it evaluates, and how many bytes data and model take at least."""
    from reslab.training.optimizers import evaluation_interval

    facts, side = facts_of(config.data), input_size(config)
    images = 0 if config.recipe.photographs else facts.train + facts.test
    params = costs([(config.model, side)])[config.model, side].params
    return {
        "data": config.data.name,
        "side": side,
        "batch_size": config.recipe.batch_size,
        "test_images": facts.test,
        "evaluated_every": evaluation_interval(config.scaled_recipe, facts.test),
        "data_bytes": images * config.model.in_channels * side**2,
        "model_bytes": HELD * params,
    }


def say(line: str) -> None:
    """What is going on, on standard error."""
    print(line, file=sys.stderr, flush=True)


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument(
        "--net",
        type=_some_of_the_nets,
        default=["resnet20", "resnet56", "resnet18", "loader"],
        metavar="NAMES",
        help=f"some of {', '.join(NETS)}; by default the first four",
    )
    top.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        default=["*"],
        metavar="GLOBS",
        help="names of rows, 'bare,reslab*'; by default all",
    )
    top.add_argument(
        "--seconds",
        type=number("--seconds", 30, most=86_400),
        default=60.0,
        metavar="S",
        help="how long each row is measured, in all rounds together (60)",
    )
    top.add_argument(
        "--rounds",
        type=whole("--rounds", most=1000),
        default=6,
        metavar="N",
        help="in how many slices (6)",
    )
    top.add_argument(
        "--within",
        type=number("--within", 300, most=86_400),
        metavar="S",
        help="no round begins after so many seconds, and no net",
    )
    top.add_argument(
        "--precision", choices=get_args(Precision), default="32-true", help="of all rows"
    )
    top.add_argument(
        "--profile", action="store_true", help="also where Python spends the time of a step"
    )
    top.add_argument("--json", type=Path, metavar="FILE", help="keep what is found, net by net")
    top.add_argument("--from", dest="found", type=Path, metavar="FILE", help="measure nothing")
    top.add_argument("--document", type=Path, metavar="FILE", help=DOCUMENT)
    return top


def _some_of_the_nets(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in NETS:
            raise UserError(f"--net={text}: expected some of {', '.join(NETS)}, with commas")
    return names


if __name__ == "__main__":
    sys.exit(exit_code(main))
