"""What scripts/evaluate.py asks for: weights one after another, each told or refused by itself."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from reslab import disk
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
    codes = []
    for path in paths:
        codes.append(exit_code(partial(evaluate_one, path, given(arguments), arguments)))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes)


def evaluate_one(path: Path, said: Given, arguments: Namespace) -> None:
    """Evaluate and print; a run's own weights on views of its own data are a result to keep."""
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
