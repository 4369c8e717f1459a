"""The worst mistakes of a plan's nets, as images; and the answers of runs that kept none.

The worst are what most of the nets get wrong, and of these what they are surest of.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reslab import store
from reslab.config.resolve import read_run
from reslab.data.modules import ImageData
from reslab.data.readers import Images
from reslab.errors import UserError
from reslab.inference.evaluate import Function, as_trained, log_answers, opened
from reslab.report.figures.draw import FOLDER
from reslab.report.figures.style import KINDS, TEXT, entitle, in_style, keep, new_figure
from reslab.report.runs import Run, outcomes_of
from reslab.store.answers import Answers, read_answers, write_answers
from reslab.store.folder import WRONG
from reslab.store.plan import Plan
from reslab.store.wrong import read_wrong
from reslab.text import printable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, ROWS = 8, 3
NAME = 13
"""Letters of a class's name below an image."""


class Mistake(NamedTuple):
    """A test image that nets get wrong."""

    place: int
    """In the test set."""
    target: int
    predicted: int
    """What most of those that are wrong take it for."""
    confidence: float
    """Their softmax, the mean."""
    nets: int
    """That are wrong."""


def draw_mistakes(plan: Plan, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Draw `mistakes.png` and others beside a plan's figures; the paths.

    Runs from before answers were kept are evaluated, and keep them. `UserError` where no run is
    done, where no image is wrong, and for data that are not there.
    """
    done = [run for o in outcomes_of(plan) for run in o.runs if run.state == "done"]
    if not done:
        raise UserError(f"{plan.name} has nothing for mistakes: no run is done")
    nets = _alike([(run, read_answers(run.folder) or answered(run.folder)) for run in done])
    found = worst([answers for _, answers in nets])
    if not found:
        raise UserError(f"{plan.name} has nothing for mistakes: no net gets an image wrong")
    images = images_of_test(nets[0][0].folder)
    with in_style():
        figure = _sheet(found, images, nets[0][1].class_names, len(nets))
        entitle(figure, plan.title)
        return keep(figure, plan.home / FOLDER / "mistakes", kinds)


def _alike(nets: Sequence[tuple[Run, Answers]]) -> list[tuple[Run, Answers]]:
    """Those that were tested on the images of the first one; how many were not is said."""
    (first, answers), *_ = nets
    data = read_run(first.folder / store.CONFIG).data
    alike = [
        (run, each)
        for run, each in nets
        if each.class_names == answers.class_names
        and np.array_equal(each.targets, answers.targets)
        and read_run(run.folder / store.CONFIG).data.name == data.name
    ]
    if others := len(nets) - len(alike):
        print(f"{others} of {len(nets)} nets are tested on other images, and left out",
              file=sys.stderr)  # fmt: skip
    return alike


def worst(nets: Sequence[Answers], most: int = COLUMNS * ROWS) -> list[Mistake]:
    """The images that most of these nets get wrong, the surest first among equals."""
    wrong = np.array([each.wrong for each in nets])
    confidence = np.array([each.confidence for each in nets], dtype=float)
    count = wrong.sum(0)
    mean = np.where(wrong, confidence, 0).sum(0) / np.maximum(count, 1)
    order = np.lexsort((np.arange(len(count)), -mean, -count))[:most]
    return [
        Mistake(
            int(i),
            int(nets[0].targets[i]),
            _most_frequent(np.array([each.predicted[i] for each in nets])[wrong[:, i]]),
            float(mean[i]),
            int(count[i]),
        )
        for i in order
        if count[i]
    ]


def _most_frequent(classes: NDArray[np.uint16]) -> int:
    return int(np.bincount(classes).argmax())


# ---- answers ------------------------------------------------------------------------------------


def answered(folder: Path) -> Answers:
    """Evaluate a run that is done and keep what it answers; nothing else is touched.

    `UserError` where the net answers otherwise than when it was tested, as on another machine.
    """
    print(f"evaluates {folder.name}", file=sys.stderr)
    net, use, data = opened(folder)
    answers = _answers(as_trained(net, use.precision), data.opened())
    _refuse_other_answers(folder, answers)
    write_answers(folder, answers)
    return answers


@torch.no_grad()
def _answers(net: Function, data: ImageData) -> Answers:
    parts = [(targets, *logs.max(1)) for logs, targets in log_answers(net, data)]
    targets, logs, predicted = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return Answers(
        targets.numpy().astype(np.uint16),
        predicted.numpy().astype(np.uint16),
        logs.exp().numpy().astype(np.float16),
        data.class_names,
    )


def _refuse_other_answers(folder: Path, answers: Answers) -> None:
    if not (folder / WRONG).exists():
        return
    other = int((answers.wrong != read_wrong(folder)).sum())
    if other:
        raise UserError(
            f"{folder}: its net answers otherwise here than when it was tested, on {other:,} of "
            f"{len(answers.targets):,} images; evaluate it on the machine that trained it"
        )


# ---- the sheet ----------------------------------------------------------------------------------


def images_of_test(folder: Path) -> Images:
    """The images that a run was tested on, as the net has seen them but for normalisation."""
    config = read_run(folder / store.CONFIG)
    data = ImageData(config.data, config.recipe.photographs, "none", config.precision)
    return data.opened().test


def _sheet(
    found: Sequence[Mistake], images: Images, class_names: Sequence[str], nets: int
) -> "Figure":
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    figure = new_figure(TEXT, 0.25 + rows * (TEXT / COLUMNS + 0.42))
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, mistake in zip(grid.flat, found, strict=False):
        _image(axes, images, mistake, class_names, nets)
    return figure


def _image(
    axes: "Axes", images: Images, mistake: Mistake, class_names: Sequence[str], nets: int
) -> None:
    pixels = images.evaluation_images(range(mistake.place, mistake.place + 1))[0]
    shown = pixels.cpu().permute(1, 2, 0).numpy()
    if shown.shape[2] == 1:
        axes.imshow(shown[..., 0], cmap="gray", vmin=0, interpolation="nearest")
    else:
        axes.imshow(shown, interpolation="nearest")
    names = [_name(class_names[i]) for i in (mistake.target, mistake.predicted)]
    share = f"{mistake.confidence:.2f}, {mistake.nets} of {nets}"
    together = " → ".join(names)
    line = together if len(together) <= NAME + 3 else f"{names[0]} →\n{names[1]}"
    axes.set_title(f"{line}\n{share}", fontsize=6, loc="center", parse_math=False)


def _name(name: str) -> str:
    return shortened(printable(name), NAME)
