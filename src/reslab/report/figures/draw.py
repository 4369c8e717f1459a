"""Which figures there are, and which of them a plan has something to say for."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reslab.errors import UserError
from reslab.report.figures.classes import class_errors, confusion
from reslab.report.figures.costs import depth, multiply_adds, parameters, trainable
from reslab.report.figures.curves import curves
from reslab.report.figures.differences import differences
from reslab.report.figures.layers import gradients, responses
from reslab.report.figures.style import KINDS, NothingToDraw, in_style, keep
from reslab.report.runs import Outcome, outcomes_of
from reslab.store.plan import Plan
from reslab.text import quoted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"
"""In a plan's home."""

FIGURES: dict[str, Callable[[Plan, Sequence[Outcome]], "Figure"]] = {
    "curves": curves,
    "depth": depth,
    "parameters": parameters,
    "multiply_adds": multiply_adds,
    "trainable": trainable,
    "differences": differences,
    "confusion": confusion,
    "class_errors": class_errors,
    "gradients": gradients,
    "responses": responses,
}
"""Each makes its figure of a plan, or raises `NothingToDraw`."""

MISTAKES = "mistakes"
"""Drawn by `inference.mistakes`, and only when it is asked for: it reads images."""


def draw(
    plan: Plan,
    asked: Sequence[str] = (),
    folder: Path | None = None,
    kinds: Sequence[str] = KINDS,
) -> list[Path]:
    """Draw all figures that a plan has something to say for, or those that are asked for, to
    figures/ in its home or to a folder; the paths.

    `UserError` for a name that is none, and for one that is asked for and has nothing to show.
    """
    outcomes, paths = outcomes_of(plan), list[Path]()
    with in_style():
        for name in asked or FIGURES:
            try:
                figure = FIGURES[name](plan, outcomes)
            except NothingToDraw as reason:
                if asked:
                    raise UserError(f"{plan.name} has nothing for {name}: {reason}") from None
                continue
            paths += keep(figure, (folder or plan.home / FOLDER) / name, kinds)
    return paths


def named(text: str | None) -> list[str]:
    """The figures in `curves depth` or `curves,depth`, or `MISTAKES`; `UserError` for a name that
    is none."""
    names = re.split(r"[,\s]+", text.strip(", \t\n")) if text is not None else []
    for name in names:
        if name not in (*FIGURES, MISTAKES):
            known = ", ".join((*FIGURES, MISTAKES))
            raise UserError(f"FIGURE={quoted(name)}: expected one of {known}")
    return names
