"""How many filters stay where they are pruned: of each unit's first convolution, per stage.

Li et al. 2017 (arXiv 1608.08710), Sec. 4.2. How many they are is a net's `inner_widths`; which ones
stay is decided by weights (weights/slicing.py).
"""

from collections.abc import Collection, Sequence
from typing import Any

from reslab.config.nets import ResNet
from reslab.config.trees import spelled
from reslab.errors import UserError
from reslab.text import shortened

Widths = tuple[tuple[int, ...], ...]


def kept_widths(net: ResNet, parts: Sequence[float], whole: Collection[int] = ()) -> Widths:
    """The inner widths of a net of which these parts of the filters stay, one for each stage,
    rounded down.

    `whole` are layers from which nothing is pruned, as the paper numbers them: the stem is 1, a
    basic unit has two, so that the first convolutions are 2, 4, 6 ….
    """
    first = 2
    widths = list[tuple[int, ...]]()
    for stage, (units, part) in enumerate(zip(net.units, parts, strict=True)):
        width = net.whole_width(stage)
        fewer = int(width * part + 1e-9)  # 0.29 of 100 are 29
        layers = range(first, first + 2 * units, 2)
        widths.append(tuple(width if layer in whole else fewer for layer in layers))
        first += 2 * units
    return tuple(widths)


def kept_by_stage(net: ResNet, keep: Any) -> Widths:
    """The same for what stands in YAML: one part for all stages, or one for each; `UserError` for
    anything else, and where nothing would stay."""
    parts = keep if isinstance(keep, list) else [keep] * len(net.units)
    if len(parts) != len(net.units) or not all(map(_is_part, parts)):
        stages = len(net.units)
        raise UserError(
            f"got {spelled(keep)}; expected the part of the filters that stay, such as 0.7, or a "
            f"list of one for each of the {stages} stages"
        )
    if all(part == 1 for part in parts):
        raise UserError(f"{spelled(keep)} leaves every filter where it is; write loads: all")
    widths = kept_widths(net, parts)
    if not all(map(all, widths)):
        raise UserError(f"{spelled(keep)} leaves a unit without filters")
    return widths


def _is_part(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 1


def parts_from(text: str) -> tuple[float, ...]:
    """`0.1,0.5` on a command line: parts of the filters that are pruned; `UserError` otherwise."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < part < 1 for part in found):
        raise UserError(
            f"got {shortened(text)}; expected parts between 0 and 1, such as 0.1,0.3,0.5"
        )
    return found


def without_part(net: ResNet, stage: int, part: float) -> ResNet:
    """A net of which this part of one stage's filters is gone, in each unit at least one stays."""
    widths = [
        tuple(net.inner_width(place, unit) for unit in range(units))
        for place, units in enumerate(net.units)
    ]
    widths[stage] = tuple(max(1, int(width * (1 - part) + 1e-9)) for width in widths[stage])
    return ResNet.model_validate({**dict(net), "inner_widths": tuple(widths)})
