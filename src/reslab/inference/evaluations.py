"""What scripts/evaluate.py asks for: weights one after another, each told or refused by itself;
those of several runs in one table."""

import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from reslab import disk, store
from reslab.errors import INTERRUPTED, UserError, exit_code
from reslab.inference.comparison import as_table, refuse_no_file, save
from reslab.weights.given import Given, given

if TYPE_CHECKING:
    from reslab.inference.evaluate import Evaluation


def evaluate_each(arguments: Namespace) -> int:
    """Evaluate all that are named, and print them, several as a table with their names; 2 if one
    could not be evaluated."""
    named = [*arguments.runs, *filter(None, [arguments.weights])]
    if not named:
        raise UserError("which weights? Say a run's folder or a file")
    paths = list(dict.fromkeys(chain.from_iterable(map(runs_of, named))))
    _refuse(arguments, paths)
    codes, found = list[int](), dict[Path, "Evaluation"]()
    for path in paths:
        codes.append(exit_code(partial(_one, path, arguments, found, len(paths))))
        if codes[-1] == INTERRUPTED:
            break
    if found and len(paths) > 1 and not arguments.json:
        print(as_table(found), flush=True)
    if found and arguments.save:
        save(found, arguments.save)
    return max(codes)


NAME = re.compile(r"[\w.=@+-]+")


def runs_of(named: Path) -> list[Path]:
    """A path as it is; of a plan's name the folders of its runs that are done.

    `UserError` where none is.
    """
    name = str(named)
    plan = None if named.exists() or not NAME.fullmatch(name) else store.find_plan(name)
    if plan is None:
        return [named]
    folders = plan.folders()
    done = [folder for folder in folders if store.state(folder) == "done"]
    if not done:
        raise UserError(f"no run of {plan.name} is done; to see them: make status NAME={plan.name}")
    if plan.name != name:
        print(f"{name} has no plan without words; taken is {plan.name}", file=sys.stderr)
    if left := len(folders) - len(done):
        told = f"{left} of {len(folders)} runs of {plan.name} are not done and left out"
        print(told, file=sys.stderr)
    return done


def _refuse(arguments: Namespace, paths: Sequence[Path]) -> None:
    """`UserError` for words that make no sense together, and for files that cannot be written."""
    if arguments.confusion and len(paths) > 1:
        raise UserError("--confusion is for one run or file")
    if arguments.confusion and not arguments.confusion.absolute().parent.is_dir():
        raise UserError(f"--confusion: there is no folder {arguments.confusion.parent}")
    _refuse_beside_time(arguments)
    if arguments.save:
        refuse_no_file(arguments.save)


def _refuse_beside_time(arguments: Namespace) -> None:
    """What says how it is tested, or asks for what is found, of a net as it was trained."""
    for word in ("views", "confusion", "save"):
        if getattr(arguments, word) and (arguments.quantize or arguments.latency):
            raise UserError(
                f"--{word} is of a net as it was trained; leave it out beside --quantize, --latency"
            )


def _one(path: Path, arguments: Namespace, found: "dict[Path, Evaluation]", count: int) -> None:
    """Evaluate one of so many, and print it where it is the only one or a line for itself."""
    if arguments.quantize or arguments.latency:
        return measure_one(path, given(arguments), arguments)
    found[path] = each = evaluate_one(path, given(arguments), arguments)
    if arguments.json:
        named = {"run": str(path)} if count > 1 else {}
        print(disk.to_json({**named, **each.as_dict()}), flush=True)
    elif count == 1:
        print(each.as_text(), flush=True)
    elif sys.stderr.isatty():
        print(f"{len(found)} of {count}: {path.name}", file=sys.stderr)


def measure_one(path: Path, said: Given, arguments: Namespace) -> None:
    """Quantise or time, and print; what is found of a run is also written beside its result."""
    from reslab.inference.light import ALL, TO_COMPARE, quantized, timed  # torch: seconds

    if path.is_dir() and store.state(path) != "done":
        raise UserError(f"{path} is {store.state(path)}; int8 and times are of runs that are done")
    ways = ALL if arguments.latency else TO_COMPARE
    found = quantized(path, said, ways) if arguments.quantize else timed(path, said)
    print(disk.to_json(found.as_dict()) if arguments.json else found.as_text(), flush=True)


def evaluate_one(path: Path, said: Given, arguments: Namespace) -> "Evaluation":
    """Evaluate; a run's own weights on views of its own data are a result to keep."""
    from reslab.inference.evaluate import (  # torch and torchmetrics: seconds
        evaluate_file,
        evaluate_run,
    )

    if arguments.views and path.is_dir() and said == Given():
        found = evaluate_run(path, arguments.views)
    else:
        found = evaluate_file(path, said, arguments.views or "center")
    if arguments.confusion:
        found.write_confusion(arguments.confusion)
    return found
