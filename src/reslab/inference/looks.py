"""Pictures of a finished run's net: what `scripts/explain.py` draws, each under its word.

All come from the run's folder and its data; nothing of the run changes. They lie in `explained/`
of the run's folder, or elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reslab import disk, store
from reslab.config.resolve import read_run
from reslab.data.batches import Batch, dtype_of
from reslab.data.modules import ImageData, data_module
from reslab.data.readers import spread
from reslab.errors import UserError
from reslab.inference.explain import enlarged, grad_cam, overlay
from reslab.inference.landscape import loss_slice, spaced
from reslab.inference.trained import merged, trained
from reslab.models.precision import default_device, set_precision
from reslab.report.figures.landscape import landscape
from reslab.report.figures.style import COLUMN, TEXT, in_style, keep, new_figure
from reslab.store.wrong import read_wrong
from reslab.text import counted, printable
from reslab.weights.about import About, refuse_untrained_head

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

EXPLAINED = "explained"
"""The folder in a run's."""

LANDSCAPE = "landscape.json"

ACROSS = 8
"""First-layer filters in a row."""

SHOWN = 3
"""Test images of a sheet that are right, and as many that are wrong."""


@dataclass(frozen=True)
class Options:
    """What a picture may be told."""

    images: int = 500
    """Training images that a slice's loss is a mean over."""
    points: int = 21
    """Of a slice, along each side."""
    reach: float = 1.0
    """How far a slice goes, in lengths of each filter."""
    seed: int = 0
    """Of a slice's directions."""


@dataclass(frozen=True)
class Finished:
    """A run that is done, with its net in evaluation mode and its data."""

    folder: Path
    net: nn.Module
    about: About

    @classmethod
    def read(cls, folder: Path) -> "Finished":
        """`UserError` for a run that is not done, and for adapters that no plain net stands for."""
        if (state := store.state(folder)) != "done":
            raise UserError(f"{folder} is {state}; expected the folder of a run that is done")
        net, about = merged(folder, *trained(folder))
        set_precision(about.use.precision)
        return cls(folder, net.to(default_device()), about)

    @cached_property
    def data(self) -> ImageData:
        """Of the run, its normalisation that of the weights."""
        config = read_run(self.folder / store.CONFIG)
        return data_module(config, self.about.normalization).opened()

    def normalized(self, images: Tensor) -> Tensor:
        """Images, uint8 (N, C, H, W), as the net takes them."""
        device, dtype = default_device(), dtype_of(self.about.use.precision)
        return self.about.normalization.to(device)(images.to(device), dtype)


# ---- a slice of the loss ------------------------------------------------------------------------


def draw_landscape(run: Finished, into: Path, options: Options) -> "Figure":
    """A slice of the loss on training images (`inference.landscape`), whose numbers go to
    landscape.json; drawn from that."""
    refuse_untrained_head(run.folder, run.about)
    batches = _training_batches(run, options.images)
    found = loss_slice(run.net, batches, spaced(options.points, options.reach), options.seed)
    seen = sum(len(targets) for _, targets in batches)
    disk.write_json(
        into / LANDSCAPE, {"run": run.folder.name, "seed": options.seed, "images": seen, **found}
    )
    return landscape(disk.read_json(into / LANDSCAPE))


def _training_batches(run: Finished, images: int) -> list[Batch]:
    """So many training images, spread over the whole split."""
    batches, device = run.data.evaluation(spread(run.data.train, images)), default_device()
    return [(normalized.to(device), targets.to(device)) for normalized, targets in batches]


# ---- first-layer filters ------------------------------------------------------------------------


def draw_filters(run: Finished, into: Path, options: Options) -> "Figure":
    """The first convolution's filters as images, each by its own largest weight: 0 is grey.

    `UserError` where that convolution does not read an image of one channel or three.
    """
    weight = _first_convolution(run).weight.detach().float().cpu()
    rows = -(-len(weight) // ACROSS)
    figure = new_figure(COLUMN, COLUMN / ACROSS * rows + 0.1)
    grid = figure.subplots(rows, ACROSS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, kernel in zip(grid.flat, weight, strict=False):
        pixels = 0.5 + 0.5 * kernel / kernel.abs().max().clamp(min=1e-12)
        axes.imshow(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
    return figure


def _first_convolution(run: Finished) -> nn.Conv2d:
    first = next((m for m in run.net.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.weight.shape[1] not in (1, 3):
        found = "none" if first is None else counted(first.weight.shape[1], "channel")
        raise UserError(
            f"{run.folder}: expected a first convolution that reads an image of one channel or "
            f"three, got {found}"
        )
    return first


# ---- what it looks at ---------------------------------------------------------------------------


def draw_gradcam(run: Finished, into: Path, options: Options) -> "Figure":
    """A sheet: test images that are right and some that are wrong, and of each stage the Grad-CAM
    of the class that the net says. `UserError` for a net without known stages."""
    refuse_untrained_head(run.folder, run.about)
    test = run.data.test
    shown = _shown(read_wrong(run.folder))
    images = torch.cat([test.evaluation_images(range(i, i + 1)) for i in shown])
    normalized = run.normalized(images)
    with torch.no_grad():
        probabilities, classes = run.net(normalized).softmax(1).max(1)
    cams = grad_cam(run.net, normalized, classes)
    figure = new_figure(TEXT, TEXT / (len(cams) + 1) * len(shown) * 1.12)
    grid = figure.subplots(len(shown), len(cams) + 1, squeeze=False)
    for row, axes in enumerate(grid):
        _show(axes[0], enlarged(images[row]))
        for place, cam in zip(axes[1:], cams.values(), strict=True):
            _show(place, overlay(images[row], cam[row]))
        names = [run.about.class_names[int(c)] for c in (test.targets[shown[row]], classes[row])]
        told = names[0] if names[0] == names[1] else f"{names[0]}, said {names[1]}"
        title = printable(f"{told}: {100 * float(probabilities[row]):.0f} %")
        axes[0].set_title(title, fontsize=7, parse_math=False)
    for place, stage in zip(grid[0][1:], cams, strict=True):
        place.set_title(stage, fontsize=7)
    return figure


def _shown(wrong: "NDArray[np.bool_]") -> list[int]:
    """Where the images of a sheet are: those right, then those wrong, spread over the split."""
    found = list[int]()
    for kind in (~wrong, wrong):
        places = kind.nonzero()[0]
        count = min(SHOWN, len(places))
        found += [int(places[i * len(places) // count]) for i in range(count)]
    return found


def _show(axes: "Axes", image: Tensor) -> None:
    axes.set_axis_off()
    axes.imshow(image.permute(1, 2, 0).cpu().numpy())


# ---- all ----------------------------------------------------------------------------------------

PICTURES: dict[str, Callable[[Finished, Path, Options], "Figure"]] = {
    "landscape": draw_landscape,
    "filters": draw_filters,
    "gradcam": draw_gradcam,
}


def draw(word: str, folder: Path, into: Path | None, options: Options) -> list[Path]:
    """Draw a picture of a finished run, into explained/ of its folder if nowhere else; its files.

    `UserError` for a run that is not done, and as the pictures' functions say.
    """
    run = Finished.read(folder)
    into = into or folder / EXPLAINED
    into.mkdir(parents=True, exist_ok=True)
    with in_style():
        return keep(PICTURES[word](run, into, options), into / word)
