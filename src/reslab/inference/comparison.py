"""Several evaluations side by side: a table with the names of what was evaluated, CSV, JSON.

No torch here: what a command line asks for is refused before it is imported.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import disk, store
from reslab.errors import UserError
from reslab.report.csv_text import to_csv
from reslab.report.text import NOTHING, percent
from reslab.terminal import fitted_table

if TYPE_CHECKING:
    from reslab.inference.evaluate import Evaluation

FIELDS = (
    "run", "data", "split", "views", "examples", "wrong", "top1_error", "wrong5", "top5_error",
    "loss", "undecodable",
)  # fmt: skip
"""Columns of the CSV; the JSON has every field of an evaluation."""

Evaluations = Mapping[Path, "Evaluation"]


def names(found: Evaluations) -> list[str]:
    """Of run folders and files, without their folders where that tells them apart."""
    whole = [path.parent if path.name == store.CHECKPOINT else path for path in found]
    short = [path.name for path in whole]
    return short if len({*short}) == len(short) else [str(path) for path in whole]


def as_table(found: Evaluations) -> str:
    """Markdown, a row for each, on a terminal no wider than that; below it what was assumed."""
    top5 = any(each.score.top5_error is not None for each in found.values())
    head = ["run", "data", "wrong", "of", "top-1 error", *(["top-5 error"] * top5), "loss"]
    rows = [_row(name, each, top5) for name, each in zip(names(found), found.values(), strict=True)]
    table = fitted_table(head, rows, numeric=range(2, len(head)), leave=["loss", "data", "of"])
    assumed = dict.fromkeys(line for each in found.values() for line in each.assumed)
    return "\n".join([table, *(f"assumed: {line}" for line in assumed)])


def _row(name: str, found: "Evaluation", top5: bool) -> list[str]:
    score = found.score
    views = "" if found.views == "center" else f", {found.views}"
    five = NOTHING if score.top5_error is None else percent(score.top5_error)
    return [
        name,
        f"{found.data} {found.split}{views}",
        f"{score.wrong:,}",
        f"{score.examples:,}",
        percent(score.top1_error),
        *([five] * top5),
        f"{score.loss:.4f}",
    ]


def as_csv(found: Evaluations) -> str:
    """A row for each, with the columns of `FIELDS`; what was not counted is empty."""
    return to_csv(FIELDS, ([each.get(field) for field in FIELDS] for each in _named(found)))


def _named(found: Evaluations) -> list[dict[str, Any]]:
    """Each as a value for programs, with its `run`."""
    each = zip(names(found), found.values(), strict=True)
    return [{"run": name, **one.as_dict()} for name, one in each]


def as_json(found: Evaluations) -> str:
    """A list of objects, each with its `run`, with errors by class and what was taken for what."""
    return disk.to_json(_named(found), indent=1) + "\n"


FORMS = {".csv": as_csv, ".json": as_json}
"""By the end of a file's name."""


def refuse_no_file(path: Path) -> None:
    """`UserError` for a file that could not be written in the end."""
    if path.suffix not in FORMS:
        raise UserError(f"--save {path}: expected a file that ends with {' or '.join(FORMS)}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--save: there is no folder {path.parent}")


def save(found: Evaluations, path: Path) -> None:
    """Write CSV or JSON, as the file's name ends."""
    disk.write_text(path, FORMS[path.suffix](found))
