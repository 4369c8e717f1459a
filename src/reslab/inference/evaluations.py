"""What scripts/evaluate.py asks for: weights one after another, each told or refused by itself."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from reslab import disk, store
from reslab.errors import INTERRUPTED, UserError, exit_code
from reslab.weights.given import Given, given


def evaluate_each(arguments: Namespace) -> int:
    """Evaluate and print all that are named; 2 if one could not be evaluated."""
    paths = [*arguments.runs, *filter(None, [arguments.weights])]
    if not paths:
        raise UserError("which weights? Say a run's folder or a file")
    if arguments.confusion and len(paths) > 1:
        raise UserError("--confusion is for one run or file")
    if arguments.confusion and not arguments.confusion.absolute().parent.is_dir():
        raise UserError(f"--confusion: there is no folder {arguments.confusion.parent}")
    _refuse_beside_time(arguments)
    codes = []
    for path in paths:
        codes.append(exit_code(partial(evaluate_one, path, given(arguments), arguments)))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes)


def _refuse_beside_time(arguments: Namespace) -> None:
    """What says how it is tested, or asks for what is found, of a net as it was trained."""
    for word in ("views", "confusion"):
        if getattr(arguments, word) and (arguments.quantize or arguments.latency):
            raise UserError(
                f"--{word} is of a net as it was trained; leave it out beside --quantize, --latency"
            )


def measure_one(path: Path, said: Given, arguments: Namespace) -> None:
    """Quantise or time, and print; what is found of a run is also written beside its result."""
    from reslab.inference.light import ALL, TO_COMPARE, quantized, timed  # torch: seconds

    if path.is_dir() and store.state(path) != "done":
        raise UserError(f"{path} is {store.state(path)}; int8 and times are of runs that are done")
    ways = ALL if arguments.latency else TO_COMPARE
    found = quantized(path, said, ways) if arguments.quantize else timed(path, said)
    print(disk.to_json(found.as_dict()) if arguments.json else found.as_text(), flush=True)


def evaluate_one(path: Path, said: Given, arguments: Namespace) -> None:
    """Evaluate and print; a run's own weights on views of its own data are a result to keep."""
    if arguments.quantize or arguments.latency:
        return measure_one(path, said, arguments)
    from reslab.inference.evaluate import (  # torch and lightning: seconds
        evaluate_file,
        evaluate_run,
    )

    if arguments.views and path.is_dir() and said == Given():
        found = evaluate_run(path, arguments.views)
    else:
        found = evaluate_file(path, said, arguments.views or "center")
    if arguments.confusion:
        found.write_confusion(arguments.confusion)
    print(disk.to_json(found.as_dict()) if arguments.json else found.as_text(), flush=True)
