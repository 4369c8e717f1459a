"""docs/results.md: what was run for real, from the files in results alone.

Per folder, which `report.archive` has filled: the command, how many runs ended and with what, the
figure, the table with its verdicts and deviations, and what was remarked by hand.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reslab import disk
from reslab.report.archive import ENVIRONMENT, FIGURE, REMARKS, RESULTS, RUNS, TABLE
from reslab.report.machines import machine
from reslab.report.text import listed
from reslab.text import counted, duration

PAGE = Path("docs/results.md")
HEAD = (
    "# Results\n\n"
    "<!-- Written by `make results`; what is said by hand is in results, in remarks.md. -->\n\n"
    "What was run for real, whatever came of it. `make results NAME=…`, with the words of a plan, "
    "takes what `make experiment` has left in `runs/` into [results](../results) and writes this "
    "page: of each plan every run (`runs.csv`), its table, its curves, what it was run with "
    "(`environment.json`), and what there is to say (`remarks.md`, by hand: what agrees, what does "
    "not, and the likeliest reason). [Verdicts](protocols.md#verdicts) and deviations are computed."
    "\n"
)


def write(root: Path = RESULTS, document: Path = PAGE) -> Path:
    """Write the page of what is in `root`; where it stands."""
    disk.write_text(document, page(root))
    return document


def page(root: Path = RESULTS) -> str:
    """The page as Markdown: remarks on all, then each plan by name."""
    folders = sorted(file.parent for file in root.glob(f"*/{RUNS}"))
    return "\n".join([HEAD, *_remarks(root), *("\n".join(_section(one)) for one in folders)])


def _section(folder: Path) -> Iterator[str]:
    title, _, table = (folder / TABLE).read_text(encoding="utf-8").partition("\n")
    with (folder / RUNS).open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    at = f"../results/{quote(folder.name, safe='@=+')}"
    yield f"## {title.strip('*')}\n"
    yield f"    make experiment NAME={runs[0]['experiment']} {runs[0]['options']}".rstrip() + "\n"
    starts = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    links = f"[every run]({at}/{RUNS}), [all of it]({at}/{ENVIRONMENT})"
    yield f"{_ended(runs)}{_with(starts)} ({links}).\n"
    yield f"![Training and test error against the step]({at}/{FIGURE})"
    yield table
    yield from _remarks(folder)


def _remarks(folder: Path) -> Iterator[str]:
    """What was said by hand of a plan, or of all."""
    if (file := folder / REMARKS).is_file():
        yield file.read_text(encoding="utf-8")


def _ended(runs: Sequence[dict[str, str]]) -> str:
    """How many runs became what, and how long they took."""
    states = Counter(run["state"] for run in runs)
    told = listed([f"{count} {state}" for state, count in states.most_common()])
    seconds = sum(float(run["seconds"] or 0) for run in runs)
    return f"{counted(len(runs), 'run')}: {told}; {duration(seconds)} of training in all"


def _with(starts: Sequence[dict[str, Any]]) -> str:
    """What most runs were made with, in a line; nothing where none says it."""
    if not starts:
        return ""
    most, others = starts[0], len(starts) - 1
    told = [machine(most)]
    told += [counted(most["threads"], "thread")] if "threads" in most else []
    told += [most["form"]] if "form" in most else []
    told += [f"{name} {most[name]}" for name in ("torch", "commit") if name in most]
    more = f", and {counted(others, 'other environment')}" if others else ""
    return f", on {', '.join(told)}{more}"
