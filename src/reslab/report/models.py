"""The zoo as a table: parameters, multiply-adds, each net's paper, and counts as printed somewhere.

Costs are summed over words; torch is only asked, in a process of its own, for layers and a check.
"""

import json
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any, Literal

from reslab.config.costs import Complexity, cost, counted_by_torch, layers_by_torch
from reslab.config.libraries import LIBRARIES
from reslab.config.trees import IN_PYTHON
from reslab.config.zoo import ZOO, describe
from reslab.errors import UserError, nearest
from reslab.papers.published import counts
from reslab.report.drawing import as_drawing
from reslab.terminal import fitted_table
from reslab.text import quoted

Row = dict[str, Any]


def matching(pattern: str) -> list[str]:
    """Names of the zoo that a glob matches or that contain a string; `UserError` if there are none.

    Nets of other libraries are none of them; one at a time can be shown as layers.
    """
    if pattern in ZOO:
        return [pattern]
    is_glob = any(sign in pattern for sign in "*?[")
    glob = pattern if is_glob else f"*{pattern}*"
    names = [name for name in ZOO if fnmatch(name, glob)]
    if not names and pattern.startswith((IN_PYTHON, *map("{}:".format, LIBRARIES))):
        raise UserError(
            f"{pattern} is a net from elsewhere and not among those listed here; its layers: "
            f"python scripts/models.py {pattern} --layers"
        )
    if not names:
        raise UserError(
            f"no net's name matches {quoted(pattern)}{nearest(pattern, ZOO, 'make models')}"
        )
    return names


def rows(pattern: str) -> list[Row]:
    """One row per matching name; `source` is the net's paper, `published` the counts that were
    printed and who printed them, or None."""
    return [_row(name) for name in matching(pattern)]


def _row(name: str) -> Row:
    costs, published = _cost(name), counts(name)
    return {
        "name": name,
        **vars(costs),
        "image_size": ZOO[name].image_size,
        "source": ZOO[name].source,
        "published": dict(published) if published else None,
    }


def as_json(pattern: str) -> str:
    """The rows as a JSON list of objects."""
    return json.dumps(rows(pattern), indent=2, ensure_ascii=False)


def as_table(pattern: str) -> str:
    """The rows as Markdown, on a terminal no wider than that."""
    head = [
        "name", "params", "multiply-adds", "image", "from", "printed params", "printed M-A",
        "printed by",
    ]  # fmt: skip
    cells = [_cells(row) for row in rows(pattern)]
    leave = ["printed by", "printed M-A", "printed params", "from"]
    return fitted_table(head, cells, numeric={1, 2, 3, 5, 6}, leave=leave)


def _cells(row: Row) -> list[str]:
    published = row["published"] or {}
    return [
        row["name"],
        f"{row['params']:,}",
        f"{row['multiply_adds']:,}",
        f"{row['image_size']}²",
        row["source"],
        _printed(published.get("params_m"), "M"),
        _printed(published.get("gmacs"), "G"),
        published.get("source", "–"),
    ]


def _printed(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value} {unit}"


def _cost(name: str) -> Complexity:
    return cost(ZOO[name].description, ZOO[name].image_size)


def differences(pattern: str) -> list[str]:
    """Where the sum over a net's words and torch's count differ: a line for a name."""
    names = matching(pattern)
    counted = counted_by_torch([(ZOO[name].description, ZOO[name].image_size) for name in names])
    return [
        f"{name}: {_told(_cost(name))} summed, {_told(found)} counted by torch"
        for name, found in zip(names, counted, strict=True)
        if found != _cost(name)
    ]


def _told(cost: Complexity) -> str:
    return f"{cost.params:,} parameters, {cost.multiply_adds:,} multiply-adds"


def as_layers(name: str) -> str:
    """A net's layers as Markdown, with a row of sums; counted by a process with torch.

    Nets of other libraries are shown at 224². `UserError` for an unknown name.
    """
    size = ZOO[name].image_size if name in ZOO else 224
    found = layers_by_torch((describe(name), size))
    rows = [[*texts, f"{params:,}", f"{macs:,}"] for *texts, params, macs in found]
    params, macs = sum(row[3] for row in found), sum(row[4] for row in found)
    head = ["layer", "kind", "output", "params", "multiply-adds"]
    return fitted_table(
        head, [*rows, ["sum", "", "", f"{params:,}", f"{macs:,}"]], numeric=range(3, 5)
    )


FORMS: dict[str, Callable[[str], str]] = {
    "table": as_table,
    "json": as_json,
    "layers": as_layers,
    "draw": as_drawing,
}


Form = Literal["table", "json", "check", "layers", "draw"]


def show(pattern: str, form: Form) -> int:
    """Print the answer to one call of scripts/models.py; 1 where a check finds a difference."""
    if form == "check":
        found = differences(pattern)
        print("\n".join(found) or f"{len(matching(pattern))} nets counted, all as summed")
        return int(bool(found))
    print(FORMS[form](pattern))
    return 0
