"""Adapters: a net rewritten in place, layer by layer; merging.py writes it back.

A layer keeps its kind and its names: LoRA, the parallel adapter and the mask are parametrisations
of its weight (torch.nn.utils.parametrize), which stays `original` below the layer; a series adapter
is its child `adapter`, the prompt the net's own parameter `prompt`. So all of it is in the state
dict and nothing else is called otherwise. Papers are named in config/adapters.py.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize, skip_init

from reslab.config.adapters import Adapter, is_spatial, too_large_a_rank
from reslab.errors import UserError
from reslab.text import counted
from reslab.weights.head import head_of

ImageShape = tuple[int, int, int]
"""Of one image: channels, height, width."""


def adapt(net: nn.Module, adapter: Adapter, shape: ImageShape, seed: int) -> nn.Module:
    """`net` with an adapter, in place, for images of `shape`.

    What an adapter draws comes from `seed` alone, on the CPU and in float32. `UserError` where the
    net has nothing to adapt, or a weight of a smaller rank.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    with torch.no_grad():
        ADAPTERS[adapter.name](net, adapter, shape, generator)
    return net


# ---- weights as functions of weights -------------------------------------------------------------


class LowRank(nn.Module):
    """W + α/r B A, the weight seen as a matrix with a row for each output channel.

    Of a convolution in groups that is a row of its group's inputs, so it is right for any number of
    groups. B begins as 0, A as torch's linear layers do (Hu 2021's code).
    """

    def __init__(self, weight: Tensor, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        columns = weight[0].numel()
        drawn = torch.empty(rank, columns, device="cpu", dtype=torch.float32)
        drawn.uniform_(-(columns**-0.5), columns**-0.5, generator=generator)
        self.lora_A = nn.Parameter(drawn.to(weight))
        self.lora_B = nn.Parameter(weight.new_zeros(len(weight), rank))
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        with _unmixed(weight.device.type):
            change = (self.lora_B @ self.lora_A).view(weight.shape)
            return torch.add(weight, change, alpha=self.scale)

    def extra_repr(self) -> str:
        return f"rank={len(self.lora_A)}, scale={self.scale:g}"


def _unmixed(device: str) -> AbstractContextManager[None]:
    """Weights in their own precision, whatever layers compute in: what trained is what merges."""
    available = torch.amp.is_autocast_available(device)  # not of tensors without numbers
    return torch.autocast(device, enabled=False) if available else nullcontext()


class Center(nn.Module):
    """W with a 1×1 convolution's weight, 0 at first, added to the centre of its kernel.

    A convolution is linear in its weight, so this is conv(x) + A x: Rebuffi 2018's parallel
    adapter. A has the stride, the groups and the padding's centre of the convolution.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.parallel = nn.Parameter(weight.new_zeros(*weight.shape[:2], 1, 1))

    def forward(self, weight: Tensor) -> Tensor:
        rows, columns = (side // 2 for side in weight.shape[2:])
        return weight + functional.pad(self.parallel, (columns, columns, rows, rows))


class Mask(nn.Module):
    """W where the mask holds, 0 elsewhere."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def lora(net: nn.Module, adapter: Adapter, _: ImageShape, generator: torch.Generator) -> None:
    """The weights of the trunk's layers, or of its spatial convolutions, by `adapter.kernels`."""
    assert adapter.rank is not None
    scale = 1.0 if adapter.alpha is None else adapter.alpha / adapter.rank
    layers = trunk(net) if adapter.kernels == "all" else spatial(net, adapter)
    for name, layer in layers.items():
        largest = min(len(layer.weight), layer.weight[0].numel())
        if adapter.rank > largest:
            raise UserError(f"adapter.{too_large_a_rank(adapter, largest, name)}")
        _parametrize(layer, LowRank(layer.weight, adapter.rank, scale, generator))


def parallel(net: nn.Module, adapter: Adapter, _: ImageShape, __: torch.Generator) -> None:
    """Every spatial convolution's weight."""
    for layer in spatial(net, adapter).values():
        _parametrize(layer, Center(layer.weight))


def mask(net: nn.Module, adapter: Adapter, _: ImageShape, __: torch.Generator) -> None:
    """The trunk's weights of the largest magnitude are kept, of equal ones the first.

    What is masked is 0 below the mask, too, where no gradient reaches it: no optimiser moves it.
    """
    assert adapter.keep is not None
    layers = trunk(net).values()
    magnitudes = torch.cat([layer.weight.abs().flatten() for layer in layers])
    kept = _largest(magnitudes, max(1, round(adapter.keep * len(magnitudes))))
    parts = torch.split(kept, [layer.weight.numel() for layer in layers])
    for layer, part in zip(layers, parts, strict=True):
        chosen = part.view(layer.weight.shape).clone()  # of its own memory
        layer.weight.masked_fill_(~chosen, 0)
        _parametrize(layer, Mask(chosen))


def _largest(values: Tensor, count: int) -> Tensor:
    """Where the `count` largest of values (N,) are, of equal ones the first."""
    least = values.kthvalue(len(values) - count + 1).values
    above, equal = values > least, values == least
    return above | (equal & (equal.cumsum(0) <= count - above.sum()))


def _parametrize(layer: nn.Module, rewrite: nn.Module) -> None:
    parametrize.register_parametrization(layer, "weight", rewrite)


# ---- layers and images ---------------------------------------------------------------------------


class Series(nn.Module):
    """y + A norm(y), A a 1×1 convolution across all channels, 0 at first (Rebuffi 2018's code,
    which draws it).

    The norm is a BatchNorm, whatever norms the net has.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        # Not drawn: what is drawn behind it stays as it was.
        made = skip_init(nn.Conv2d, channels, channels, 1, bias=False)  # type: ignore[no-untyped-call]
        self.convolution: nn.Conv2d = made
        nn.init.zeros_(self.convolution.weight)

    def forward(self, y: Tensor) -> Tensor:
        change: Tensor = self.convolution(self.norm(y))
        return y + change


def series(net: nn.Module, adapter: Adapter, _: ImageShape, __: torch.Generator) -> None:
    """Behind every spatial convolution, whose child the adapter becomes."""
    for layer in spatial(net, adapter).values():
        layer.add_module(
            "adapter", Series(layer.out_channels).to(layer.weight).train(layer.training)
        )
        layer.register_forward_hook(through_adapter)


def through_adapter(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """A layer's output as its adapter has it."""
    adapted: Tensor = layer.get_submodule("adapter")(output)
    return adapted


def prompt(net: nn.Module, adapter: Adapter, shape: ImageShape, generator: torch.Generator) -> None:
    """A border that is added to what the net reads, as a parameter (channels, pixels)."""
    assert adapter.width is not None
    channels, size, _ = shape
    pixels = 4 * adapter.width * (size - adapter.width)
    border = torch.zeros(channels, pixels, device="cpu", dtype=torch.float32)
    if adapter.init == "randn":
        border.normal_(generator=generator)
    net.register_parameter(PROMPT, nn.Parameter(border.to(next(net.parameters()))))
    net.register_forward_pre_hook(partial(add_border, adapter.width, size))


PROMPT = "prompt"


def add_border(
    width: int, size: int, net: nn.Module, images: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """The images that a net reads, (N, C, size, size), with its prompt of `width` pixels;
    `ValueError` for images of another size."""
    (read,) = images
    if read.shape[-2:] != (size, size):
        raise ValueError(f"its prompt is the border of images of {size} × {size} pixels")
    return (read + framed(net.get_parameter(PROMPT), width, size),)


def framed(border: Tensor, width: int, size: int) -> Tensor:
    """(C, 4 w (S - w)) → (C, S, S): top, bottom, left and right in this order, 0 inside."""
    channels, inner = len(border), size - 2 * width
    parts = torch.split(border, [width * size] * 2 + [width * inner] * 2, 1)
    top, bottom = (part.view(channels, width, size) for part in parts[:2])
    left, right = (part.view(channels, inner, width) for part in parts[2:])
    middle = torch.cat((left, border.new_zeros(channels, inner, inner), right), 2)
    return torch.cat((top, middle, bottom), 1)


ADAPTERS: dict[str, Callable[[nn.Module, Adapter, ImageShape, torch.Generator], None]] = {
    "lora": lora,
    "parallel": parallel,
    "series": series,
    "prompt": prompt,
    "mask": mask,
}


# ---- what is adapted -----------------------------------------------------------------------------


def trunk(net: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers of a net by name, but for its head."""
    head = head_of(net)
    return {
        name: layer
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and f"{name}.weight" not in head
    }


def spatial(net: nn.Module, adapter: Adapter) -> dict[str, nn.Conv2d]:
    """The convolutions of the trunk whose kernel has a centre and more; `UserError` for none."""
    found = {
        name: layer
        for name, layer in trunk(net).items()
        if isinstance(layer, nn.Conv2d) and is_spatial(*layer.kernel_size)
    }
    if not found:
        raise UserError(
            f"adapter.name: {adapter.name} adapts convolutions of an odd kernel larger than 1×1; "
            "the net has none; lora adapts linear layers, too"
        )
    return found


def adapted_layers(net: nn.Module) -> list[str]:
    """The layers that an adapter has rewritten, by name; a prompt is its own."""
    added = (name for name in net.state_dict() if is_adapter_parameter(name))
    parts = (re.split(r"\.(?:parametrizations|adapter)\.", name)[0] for name in added)
    return list(dict.fromkeys(parts))


def adaptation(net: nn.Module, adapter: Adapter) -> str:
    """What an adapter has done to a net, in a line."""
    own = {name: p for name, p in net.named_parameters() if is_adapter_parameter(name)}
    if own:
        layers = counted(len(adapted_layers(net)), "layer")
        where = "the border" if adapter.name == "prompt" else layers
        number = sum(parameter.numel() for parameter in own.values())
        return f"adapter {adapter.name}: {counted(number, 'parameter')} more, at {where}"
    masks = [buffer for name, buffer in net.named_buffers() if is_adapter_parameter(name)]
    kept, weights = sum(int(m.sum()) for m in masks), sum(m.numel() for m in masks)
    return f"adapter {adapter.name}: {kept:,} of {weights:,} weights of the trunk are kept"


def is_adapter_parameter(name: str) -> bool:
    """Whether a parameter or buffer of an adapted net is the adapter's, by its name."""
    return name == PROMPT or ".parametrizations.weight.0." in name or ".adapter." in name


def plain_name(name: str) -> str:
    """What a parameter of an adapted net that is not the adapter's is called in the plain net."""
    return name.replace(".parametrizations.weight.original", ".weight")
