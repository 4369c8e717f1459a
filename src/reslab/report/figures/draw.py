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

OF_COSTS = "Dots are seeds, markers their mean; lines join nets that differ in their size alone."
CAPTIONS = {
    "curves": "Error in per cent against the step: test error, and dashed that of the training "
    "batches, as they are augmented and before each step; the mean over seeds, and the range from "
    "the worst to the best. A dot at the end is the training error of the final weights on images "
    "that are not augmented.",
    "depth": "Test error, and dashed training error (final weights, not augmented), in per cent "
    f"against the number of layers with weights, shortcuts apart. {OF_COSTS}",
    "parameters": f"Test error in per cent against the number of parameters. {OF_COSTS}",
    "multiply_adds": f"Test error in per cent against the multiply-adds of one image. {OF_COSTS}",
    "trainable": f"Test error in per cent against the number of parameters that train. {OF_COSTS}",
    "confusion": "Of 100 test images of a row's class how many are taken for a column's, the mean "
    "over seeds; colours are of errors alone, and what is right is grey.",
    "class_errors": "Test error of each class in per cent, the mean over seeds and the range from "
    "the worst to the best.",
    "mistakes": "Test images that most of the nets get wrong: their class and what they are mostly "
    "taken for, the mean softmax of the wrong answers, and how many of the nets are wrong.",
    "differences": "Differences of error in points, with plain 95 % intervals (Student's t) and "
    "verdicts; below zero the errors are fewer. Small dots are the seeds of a pair, a grey band "
    "is the margin, and an open square has no interval.",
    "gradients": "Norm of the gradient of the loss in the weight of each layer, shortcuts apart: "
    "at the first step, and the geometric mean over some 20 steps after it and over seeds. Plain "
    "nets are dashed.",
    "responses": "Standard deviation of the responses of each 3×3 layer, behind its norm and "
    "before ReLU or addition, in evaluation mode, on test images; the mean over seeds. Above as "
    "the layers come, below in descending order. Plain nets are dashed.",
}
"""Of each figure; in a paper the experiment's title stands before."""


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
