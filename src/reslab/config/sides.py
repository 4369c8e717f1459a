"""Sides in pixels of what a net's norms read, from its description alone; and the norms that read
one value.

In training a BatchNorm divides by the standard deviation of each channel over the examples and
pixels that it sees at once; torch refuses one value, which has none.
"""

from collections.abc import Callable, Iterator

from reslab.config.execution import Execution
from reslab.config.nets import PROJECTIONS, DenseNet, Described, Foreign, ResNet
from reslab.config.schema import RunConfig, input_size
from reslab.config.words import SHORTCUTS, STEMS, word
from reslab.errors import UserError
from reslab.text import counted


def refuse_single_values(config: RunConfig, execution: Execution, ranks: int) -> None:
    """`UserError` for a net of ours with a BatchNorm that sees one example of 1 × 1 pixels."""
    net, size = config.model, input_size(config)
    together = execution.normalized_together(config.recipe.batch_size, ranks)
    if together > 1 or getattr(net, "norm", None) != "batch" or 1 not in norm_sides(net, size):
        return
    raise UserError(
        f"recipe.batch_size is {config.recipe.batch_size}, of which a BatchNorm of each of "
        f"{counted(ranks, 'process', 'processes')} sees one example at a time, and the net's "
        f"images shrink from {size} × {size} to 1 × 1 pixels: one value per channel cannot be "
        "normalised in training; take a larger batch_size or micro_batch, fewer devices, or "
        "model.norm: group"
    )


def norm_sides(net: Described, image_size: int) -> set[int]:
    """The sides that the norms of a net see; none are known of another library's net."""
    return set(SIDES[type(net)](net, image_size))


def _residual(net: ResNet, side: int) -> Iterator[int]:
    *sides, side = _stem(net, side)
    yield from sides
    for stage, units in enumerate(net.units):
        for place in range(units):
            yield from _unit(net, stage, place, side)
            side = side if place else _shrunk(side, net.strides[stage])
    if net.exit or "n" in word(net, 1).before:
        yield side  # the net's closing norms


def _unit(net: ResNet, stage: int, place: int, side: int) -> Iterator[int]:
    """See `models.units.unit`, which spells the same word with layers."""
    stride = 1 if place else net.strides[stage]
    pooled = net.downsample == "max_pool" and stride > 1
    convolutions = net.convolutions(stage)
    parts = word(net, convolutions, pooled)
    first, reached = not (stage or place), _shrunk(side, stride)
    if "n" in parts.before and not first:
        yield side
    middle = net.branch == "bottleneck" and net.stride_on == "middle"
    shrinks, seen = ("m" if pooled else "c", 2 if middle and not pooled else 1), 0
    for letter in parts.branch.split():
        seen += letter == shrinks[0]
        if letter == "n":
            yield reached if seen >= shrinks[1] else side
    stays = stride == 1 and net.outputs[stage + (place > 0)] == net.outputs[stage + 1]
    option = SHORTCUTS[net.shortcut]
    projects = (option.stays if stays else option.changes) in PROJECTIONS
    if "n" in parts.after or (projects and "n" in parts.branch.rpartition("c")[2]):
        yield reached


def _dense(net: DenseNet, side: int) -> Iterator[int]:
    *sides, side = _stem(net, side)
    yield from sides if net.stem == "7x7_pool" else ()
    for block in range(len(net.units)):
        yield side
        side //= 2 if block + 1 < len(net.units) else 1


def _stem(net: ResNet | DenseNet, side: int) -> Iterator[int]:
    """After each convolution, and what the stem puts out."""
    row = STEMS[net.stem]
    for kernel, stride, padding, _ in row.convolutions:
        side = (side + 2 * padding - kernel) // stride + 1
        yield side
    yield _shrunk(side, 2) if row.pooled else side


def _shrunk(side: int, stride: int) -> int:
    """By a convolution, a max-pooling or a shortcut: rounded up."""
    return -(-side // stride)


def _unknown(_: Foreign, __: int) -> Iterator[int]:
    return iter(())


SIDES: dict[type, Callable[..., Iterator[int]]] = {
    ResNet: _residual,
    DenseNet: _dense,
    Foreign: _unknown,
}
