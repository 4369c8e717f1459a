"""Adapters as values: what is added to a net, or taken from it, to fit it to other data.

What they do to a net is in methods/adapters.py. LoRA: Hu et al. 2021 (arXiv 2106.09685); residual
adapters: Rebuffi et al. 2017 (arXiv 1705.08045) and 2018 (arXiv 1803.10082); prompts: Bahng et al.
2022 (arXiv 2203.17274); pruning by magnitude: Han et al. 2015 (arXiv 1506.02626).
"""

from collections.abc import Callable
from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from reslab.config.convolutions import Convolution
from reslab.config.description import Named, OpenFraction, PositiveFloat


class Adapter(Named):
    """A way to adapt a net, whose head is never adapted.

    lora: weights W + α/r B A. parallel: a 1×1 convolution A beside each spatial one, conv(x) + A x.
    series: behind each, y + A norm(y). prompt: a border that is added to the normalised image.
    mask: all but the largest weights of the trunk are 0 and stay so. All but the mask leave what
    the net computes as it was at step 0, if the prompt begins with zeros.
    """

    name: Literal["lora", "parallel", "series", "prompt", "mask"]
    rank: PositiveInt | None = None
    """r: B has as many columns, A as many rows. LoRA must say it."""
    alpha: PositiveFloat | None = None
    """α of the factor α/r; None is r, so that the factor is 1."""
    kernels: Literal["all", "spatial"] = "all"
    """What LoRA adapts: every convolution and linear layer of the trunk, or the spatial
    convolutions alone, of an odd kernel larger than 1×1 (residual adapters adapt no others)."""
    width: PositiveInt | None = None
    """The border's, in pixels. A prompt must say it."""
    init: Literal["zeros", "randn"] = "zeros"
    """How the border begins: with zeros, or as the authors' code draws it, normal with variance 1,
    which changes what the net computes."""
    keep: OpenFraction | None = None
    """The part of the trunk's weights, of convolutions and linear layers, that is not 0: those of
    the largest magnitude in all of it, when training begins. A mask must say it."""

    READ_BESIDE = {
        "rank": {"name": ("lora",)},
        "alpha": {"name": ("lora",)},
        "kernels": {"name": ("lora",)},
        "width": {"name": ("prompt",)},
        "init": {"name": ("prompt",)},
        "keep": {"name": ("mask",)},
    }

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        field, example = NEEDED.get(self.name, ("name", ""))
        if getattr(self, field) is None:
            raise ValueError(f"name: {self.name} needs {field}, for example {field}: {example}")
        if self.alpha is not None and self.alpha == self.rank:
            raise ValueError(f"alpha: {self.alpha:g} is the rank, as without it; leave it out")
        return self

    @property
    def has_parameters(self) -> bool:
        """Whether it adds something that trains."""
        return self.name != "mask"


NEEDED = {"lora": ("rank", "4"), "prompt": ("width", "4"), "mask": ("keep", "0.2")}
"""The field without which an adapter says nothing, and a value of it."""


def largest_rank(convolution: Convolution) -> int:
    """Of a convolution's weight, seen as a matrix of a row for each output channel."""
    columns = convolution.inputs // convolution.groups * convolution.kernel**2
    return min(convolution.outputs, columns)


def is_spatial(*kernel: int) -> bool:
    """Whether a kernel of these sides has a centre and more than that."""
    return max(kernel) > 1 and all(side % 2 for side in kernel)


def does_not_adapt(
    adapter: Adapter, convolutions: tuple[Convolution, ...], image_size: int
) -> str | None:
    """Why an adapter cannot adapt a net with these convolutions; None if it can.

    Of other libraries' nets none are known here: what is impossible is told when they are built.
    """
    if adapter.width and 2 * adapter.width >= image_size:
        return (
            f"width: a border of {adapter.width} leaves nothing of an image of "
            f"{image_size} × {image_size} pixels; expected at most {(image_size - 1) // 2}"
        )
    if adapter.rank and convolutions:
        if adapter.kernels == "spatial":
            convolutions = tuple(c for c in convolutions if is_spatial(c.kernel))
        largest = min(map(largest_rank, convolutions), default=adapter.rank)
        if adapter.rank > largest:
            return too_large_a_rank(adapter, largest, "a convolution of the net")
    return None


def too_large_a_rank(adapter: Adapter, largest: int, where: str) -> str:
    """What is told of a rank that a layer's weight cannot have."""
    others = "" if adapter.kernels == "spatial" else ", or kernels: spatial, which leaves 1×1 alone"
    return (
        f"rank: {adapter.rank} is more than {where} has, whose weight is a matrix of rank "
        f"{largest}; expected at most {largest}{others}"
    )


def parameters(
    adapter: Adapter, convolutions: tuple[Convolution, ...], channels: int, image_size: int
) -> int | None:
    """How many an adapter adds to a net with these convolutions, for square images of `channels`;
    None where that is not known, since none are."""
    if adapter.name in ADDED:
        spatial = (c for c in convolutions if is_spatial(c.kernel))
        every = convolutions if adapter.name == "lora" and adapter.kernels == "all" else spatial
        return sum(ADDED[adapter.name](adapter, c) for c in every) if convolutions else None
    if adapter.width:
        return channels * 4 * adapter.width * (image_size - adapter.width)
    return 0


def _low_rank(adapter: Adapter, c: Convolution) -> int:
    assert adapter.rank is not None
    return adapter.rank * (c.outputs + c.inputs // c.groups * c.kernel**2)


ADDED: dict[str, Callable[[Adapter, Convolution], int]] = {
    "lora": _low_rank,
    "parallel": lambda _, c: c.outputs * (c.inputs // c.groups),
    "series": lambda _, c: c.outputs**2 + 2 * c.outputs,
}
"""Parameters at each convolution that is adapted; a series adapter's norm has two per channel."""
