"""A slice of the loss is drawn with its trained weights in the middle."""

from reslab.report.figures.landscape import landscape

COORDINATES = [-1.0, 0.0, 1.0]


def slice_of(loss: list[list[float | None]]) -> dict[str, object]:
    return {"coordinates": COORDINATES, "loss": loss, "images": 1200}


def test_contours_reach_from_the_lowest_loss_to_the_highest() -> None:
    """Apart by equal factors; a loss that is not finite, null in a file, is no contour's."""
    figure = landscape(slice_of([[100.0, 10.0, None], [1.0, 0.01, 1.0], [100.0, 10.0, 100.0]]))
    [axes] = figure.axes
    levels = axes.collections[0].levels
    assert (round(levels[0], 9), round(levels[-1], 6)) == (0.01, 100)
    assert max(levels[1:] / levels[:-1]) / min(levels[1:] / levels[:-1]) < 1 + 1e-9
    assert axes.get_title() + axes.get_title(loc="left") == "training loss of 1,200 images"
    [cross] = axes.get_lines()
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (0, 0)


def test_a_loss_that_is_the_same_everywhere_has_no_contour() -> None:
    assert not landscape(slice_of([[0.0] * 3] * 3)).axes[0].collections
