"""What filters cost that are pruned without retraining: test error against the part that is gone,
stage by stage (Li et al. 2017, arXiv 1608.08710, Sec. 3.2 and 4.2, Figs. 2 and 6, layer by layer).

A stage's units lose the filters of the smallest L1 norm, all other stages stay whole. Nothing is
learned and nothing is chosen by it here: the errors are those of test images.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from reslab import disk
from reslab.config.costs import cost
from reslab.config.nets import ResNet
from reslab.config.problems import reason
from reslab.config.pruning import without_part
from reslab.config.start import Start
from reslab.config.use import Use
from reslab.data.batches import dtype_of
from reslab.data.modules import ImageData
from reslab.errors import UserError, located
from reslab.inference.evaluate import as_trained, evaluation, opened
from reslab.methods.merging import merge
from reslab.models.nets import build
from reslab.report.csv_text import to_csv
from reslab.report.figures.sensitivity import Point, draw
from reslab.weights.given import Given
from reslab.weights.starting import put


def write_sensitivity(
    path: Path, given: Given, parts: Sequence[float], to: Path | None = None
) -> list[Path]:
    """Prune a trained net in ways that are not kept, and write `sensitivity.csv` and its figure
    into a folder, by default the run's own or the one where the file lies; the paths.

    `UserError` for a net whose units cannot be pruned, and where the data are not known.
    """
    folder = to or (path if path.is_dir() else path.parent)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    points = sensitivity(path, given, parts)
    rows = [(p.stage, p.pruned, p.top1_error, p.params, p.multiply_adds) for p in points]
    table = folder / "sensitivity.csv"
    disk.write_text(table, to_csv(Point._fields, rows))
    return [table, *draw(points, folder / "sensitivity")]


def sensitivity(path: Path, given: Given, parts: Sequence[float]) -> list[Point]:
    """The whole net's point (of no stage), and one for each stage and part that is gone."""
    net, use, data = opened(path, given)
    with located(str(path)):
        tensors = merge(net).state_dict()
        nets = [("", 0.0, use.model), *_pruned(use, parts)]
    points = list[Point]()
    for stage, part, described in nets:
        assert isinstance(described, ResNet)
        error = _error(described, tensors, use, data)
        costs = cost(described, use.image_size)
        points.append(Point(stage, part, error, costs.params, costs.multiply_adds))
        print(points[-1].as_text(), flush=True)
    return points


def _pruned(use: Use, parts: Sequence[float]) -> Iterator[tuple[str, float, ResNet]]:
    """The nets with one stage narrowed each; `UserError` where the units cannot be."""
    if not isinstance(use.model, ResNet):
        raise UserError("filters are pruned in residual nets of this repository, not in this net")
    for stage in range(len(use.model.units)):
        for part in parts:
            try:
                yield f"layer{stage + 1}", part, without_part(use.model, stage, part)
            except ValidationError as error:
                raise UserError(f"its units cannot be pruned: {reason(error)}") from None


def _error(described: ResNet, tensors: dict[str, Tensor], use: Use, data: ImageData) -> float:
    """The test error in per cent of a net with what a wider one has learned."""
    net = build(described).to(dtype_of(use.precision))
    put(net, described, tensors, Start(run="0" * 10, loads="l1", head="kept"))
    return evaluation(as_trained(net.eval(), use.precision), data, "center").score.top1_error
