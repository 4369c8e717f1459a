"""A loss and its gradients as CUDA graphs: the kernels of one step are recorded, and replayed with
a call each for forward and backward, so that the CPU no longer sets the pace.

After torch.cuda.make_graphed_callables, which lacks two things: other threads, such as those that
bring images to the GPU, may go on while graphs are recorded; and gradients are handed on as copies,
so that those of several micro-batches add up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from reslab.errors import UserError, first_line
from reslab.training.step import Loss

WARM = 3
"""Steps before recording, in which libraries choose algorithms and take memory; as in torch."""


def captured(loss: Loss, net: nn.Module) -> Loss:
    """The loss of a net as graphs that are recorded with the first batch; `UserError` where they
    cannot be.

    All other batches have its shapes. What is drawn lies where the first draw lay, or comes from
    torch's generator, which a graph reads anew at every replay.
    """
    recorded: list[Graphs] = []

    def replayed(*batch: Tensor) -> tuple[Tensor, Tensor]:
        if not recorded:
            recorded.append(_recorded(loss, net, batch))
        return recorded[0](*batch)

    return replayed


def _recorded(loss: Loss, net: nn.Module, batch: tuple[Tensor, ...]) -> "Graphs":
    try:
        return Graphs(loss, net, batch)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise UserError(
            "no CUDA graphs can be recorded of this net's steps; COMPILE=0 (--no-compile) trains "
            f"without\n       {first_line(error)}"
        ) from error


class Graphs:
    """Forward and backward of a loss, recorded; neither changes a buffer of the net by that."""

    def __init__(self, loss: Loss, net: nn.Module, batch: tuple[Tensor, ...]) -> None:
        self.batch = tuple(tensor.clone() for tensor in batch)
        self.weights = [weight for weight in net.parameters() if weight.requires_grad]
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        how: dict[str, Any] = {"stream": stream, "capture_error_mode": "thread_local"}
        with _uncached_autocast(), _untouched(net):
            _warm(loss, self.batch, self.weights, stream)
            with torch.cuda.graph(self.forward, **how):
                self.loss, self.seen = loss(*self.batch)
            self.seen = self.seen.detach()
            self.scale = torch.empty_like(self.loss)
            with torch.cuda.graph(self.backward, pool=self.forward.pool(), **how):
                self.gradients = _gradients(self.loss, self.weights, self.scale)

    def __call__(self, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """The loss (), whose backward replays, too, and what is counted of the batch."""
        for place, tensor in zip(self.batch, batch, strict=True):
            place.copy_(tensor)
        loss: Tensor = _Replay.apply(self, *self.weights)
        return loss, self.seen


class _Replay(torch.autograd.Function):
    """From weights to a loss, as far as autograd sees."""

    @staticmethod
    def forward(ctx: Any, graphs: Graphs, *weights: Tensor) -> Tensor:
        ctx.graphs = graphs
        graphs.forward.replay()
        return graphs.loss.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        graphs: Graphs = ctx.graphs
        graphs.scale.copy_(scale)
        graphs.backward.replay()
        there = [gradient for gradient in graphs.gradients if gradient is not None]
        copies = iter(torch._foreach_mul(there, 1.0))  # a launch for all; p.grad may be kept
        return None, *(None if g is None else next(copies) for g in graphs.gradients)


def _gradients(loss: Tensor, weights: list[nn.Parameter], scale: Tensor) -> list[Tensor | None]:
    return list(torch.autograd.grad(loss, weights, scale, allow_unused=True))


def _warm(
    loss: Loss,
    batch: tuple[Tensor, ...],
    weights: list[nn.Parameter],
    stream: torch.cuda.Stream,
) -> None:
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            value = loss(*batch)[0]
            _gradients(value, weights, torch.ones_like(value))
    torch.cuda.synchronize()


@contextmanager
def _uncached_autocast() -> Iterator[None]:
    """Autocast keeps 16-bit copies of weights for the length of its context, which a graph would
    read for ever."""
    before = torch.is_autocast_cache_enabled()
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


@contextmanager
def _untouched(net: nn.Module) -> Iterator[None]:
    """The net's buffers, such as running statistics, and the GPU's generator are as before."""
    buffers = list(net.buffers())
    before, state = [buffer.clone() for buffer in buffers], torch.cuda.get_rng_state()
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
        torch.cuda.set_rng_state(state)
