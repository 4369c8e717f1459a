"""What was run for real, in files that are kept with the code: results/<plan>, taken from its runs.

Every run as a row, the table, the figure, and what the runs were made with. No checkpoint, and
nothing that says on whose machine, or where on it: such a word is refused. `report.archived` reads
these files alone.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reslab import disk
from reslab.errors import UserError
from reslab.report.figures.curves import curves
from reslab.report.figures.style import in_style, keep
from reslab.report.markdown import markdown
from reslab.report.results import results_of, runs_csv
from reslab.report.runs import Outcome, outcomes_of
from reslab.report.table import tabulated
from reslab.report.values import Table
from reslab.store.plan import Plan
from reslab.store.records import RECORDED
from reslab.text import quoted

RESULTS = Path("results")
RUNS, TABLE, FIGURE, ENVIRONMENT = "runs.csv", "table.md", "figure.svg", "environment.json"
REMARKS = "remarks.md"
"""Written by hand: what agrees, what does not, and the likeliest reason."""

MADE_WITH = (
    "commit", "code", "python", *RECORDED, "device", "devices", "threads", "micro_batch",
    "sync_batchnorm", "form",
)  # fmt: skip
"""What is kept of a start; its process, its time and whatever else stands there are not."""

PATH = re.compile(r"(?<![\w.~/])~?/\w[^\s'\",]*")
"""A path from the root, or from somebody's home; in https://… a slash stands before it."""


def archive(plan: Plan, root: Path = RESULTS) -> Path:
    """Take what came of a plan's runs into its folder in `root`, which is returned.

    `UserError` where no run is final, and where what would be kept has a path of this machine.
    """
    outcomes, folder = outcomes_of(plan), root / plan.name
    if not any(run.is_final for outcome in outcomes for run in outcome.runs):
        raise UserError(f"no run of {plan.name} has ended; there is nothing to keep in {folder}")
    texts = dict(_texts(plan, outcomes))
    _refuse_paths(plan.name, texts)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        disk.write_text(folder / name, text)
    with in_style():
        keep(curves(plan, outcomes), folder / Path(FIGURE).stem, ["svg"])
    return folder


def _texts(plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    results = results_of(plan, outcomes)
    yield RUNS, runs_csv([replace(each, folder=Path(each.folder).name) for each in results])
    yield TABLE, markdown(_without_commands(tabulated([(plan, outcomes)])))
    yield ENVIRONMENT, json.dumps(made_with(outcomes), indent=1, ensure_ascii=False) + "\n"


def _without_commands(table: Table) -> Table:
    """What mends something here and now is nothing for those who read it later."""
    return replace(table, notes=tuple(replace(note, command="") for note in table.notes))


def made_with(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What the starts of the runs were made with: alike ones once, and how many, most first."""
    starts = (start for outcome in outcomes for run in outcome.runs for start in run.starts)
    alike = Counter(json.dumps({k: s[k] for k in MADE_WITH if s.get(k)}) for s in starts)
    return [{"starts": count, **json.loads(text)} for text, count in alike.most_common()]


def _refuse_paths(name: str, texts: Mapping[str, str]) -> None:
    for file, text in texts.items():
        if found := PATH.search(text):
            raise UserError(
                f"{file} of {name} would say {quoted(found[0])}, a path of this machine; what is "
                "kept in results goes to everybody: plan it anew with a relative path"
            )
