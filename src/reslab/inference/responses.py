"""Standard deviations of layer responses: how strongly each convolution changes what it reads.

He et al. 2015 (arXiv 1512.03385), Sec. 4.2 and Fig. 7: "The responses are the outputs of each 3×3
layer, after BN and before other nonlinearity (ReLU/addition)." There residual nets have smaller
responses than plain nets, and deeper residual nets smaller ones than shallow.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from reslab.data.batches import Batch
from reslab.models.layers import Bias

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.GroupNorm, Bias)
"""What a response is read behind; `Bias` stands in the place of a norm in nets without."""

Heard = Callable[[nn.Module, tuple[Any, ...], Any], None]
"""A forward hook of torch: module, inputs, output."""


@torch.no_grad()
def layer_responses(net: nn.Module, batches: Iterable[Batch], images: int) -> dict[str, float]:
    """The standard deviation of each 3×3 convolution's responses, by its name, in the order in
    which a net in evaluation mode calls them.

    It is over the first `images` images, channels and positions together (the paper does not say).
    A response is read behind the norm that reads the convolution's output, and before what else
    that norm may do; where none reads it (the last convolution of a branch of pre-activation, a
    depthwise one) it is the convolution's output.
    """
    found = dict[str, _Moments]()
    for part in _first(batches, images):
        sources = _sources(net, part[:1])
        found = found or {name: _Moments() for name in sources}
        heard = {source: partial(_add, found[name]) for name, source in sources.items()}
        with _listening(heard):
            net(part)
    return {name: moments.std for name, moments in found.items()}


def _first(batches: Iterable[Batch], images: int) -> Iterator[Tensor]:
    """The first images, in parts."""
    for batch, _ in batches:
        yield batch[:images]
        images -= len(batch)
        if images <= 0:
            return


def _sources(net: nn.Module, image: Tensor) -> dict[str, nn.Module]:
    """The module behind which the responses of each 3×3 convolution are read, by its name."""
    names = {m: name for name, m in net.named_modules() if isinstance(m, (nn.Conv2d, *NORMS))}
    found, last = dict[str, nn.Module](), dict[str, Any]()

    def hear(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.Conv2d):
            last.update(name=names[module], output=output)
            if module.kernel_size == (3, 3):
                found[names[module]] = module
        elif inputs[0] is last.get("output") and last["name"] in found:
            found[last["name"]] = module

    with _listening(dict.fromkeys(names, hear)):
        net(image)
    return found


def _add(moments: "_Moments", module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
    """Of a norm that does more (timm's with an activation inside) what the norm alone puts out."""
    kind = next((kind for kind in NORMS if isinstance(module, kind)), None)
    moments.add(kind.forward(module, *inputs) if kind else output)  # type: ignore[arg-type]


@contextmanager
def _listening(heard: Mapping[nn.Module, Heard]) -> Iterator[None]:
    """Each module is heard when it is called; afterwards none is."""
    handles = [module.register_forward_hook(hear) for module, hear in heard.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Moments:
    """Sums of responses over batches, in float64."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def add(self, responses: Tensor) -> None:
        values = responses.double()
        self.count += values.numel()
        self.sum += float(values.sum())
        self.squares += float(values.square().sum())

    @property
    def std(self) -> float:
        mean = self.sum / self.count
        return math.sqrt(max(0.0, self.squares / self.count - mean**2))
