"""Puts an experiment's table and figure into a document, between two marks.

<!-- quickstart:begin -->  …  <!-- quickstart:end -->, and the figure as an image beside it.
"""

import re
from pathlib import Path

from reslab import disk, store
from reslab.errors import UserError
from reslab.report.figure import draw
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.store.plan import Plan


def insert(document: Path, images: Path, plan: Plan) -> None:
    """Renew the table of a plan in `document` and its figure in `images`.

    `UserError` if the document has no place for it, or if a run of the plan is not final: what
    stands in a document is a whole result.
    """
    name = plan.name
    missing = [run.name for run in plan.folders() if store.state(run) not in store.FINAL]
    if missing:
        raise UserError(f"{name} is not finished: {', '.join(missing)}")
    marks = rf"(<!-- {re.escape(name)}:begin -->\n).*?(<!-- {re.escape(name)}:end -->)"
    text = document.read_text(encoding="utf-8")
    table = markdown(tabulate([plan]))
    renewed, places = re.subn(
        marks, lambda found: f"{found[1]}\n{table}\n{found[2]}", text, flags=re.DOTALL
    )
    if places != 1:
        raise UserError(f"{document} needs one place <!-- {name}:begin --> … <!-- {name}:end -->")
    images.mkdir(parents=True, exist_ok=True)
    png = next(path for path in draw(plan) if path.suffix == ".png")
    with disk.replacing(images / f"{name}.png") as temporary:
        temporary.write_bytes(png.read_bytes())
    disk.write_text(document, renewed)
