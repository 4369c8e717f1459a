"""A slice of the loss around a net's weights: L(θ + α δ + β η) over two random directions.

Li et al. 2018 (arXiv 1712.09913), Sec. 4: each filter of a direction has the norm of the net's own.
As in their code (`net_plotter.py`, `dir_type=weights`, `ignore=biasbn`): biases and what norms
learn, all of one dimension there, stay as they are; so do running statistics, and the net is in
evaluation mode. Training images, as they are, not augmented.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from reslab.data.batches import Batch
from reslab.inference.metrics import Tally

Direction = dict[str, Tensor]
"""Of the weight of each convolution and linear layer, by its name."""


def random_direction(net: nn.Module, seed: int, which: int) -> Direction:
    """Normal numbers of which each filter (each row of a linear layer) has the norm of the net's.

    The same for a seed and a number, on every device.
    """
    generator = torch.Generator().manual_seed(2 * seed + which)
    return {
        name: filter_normalized(torch.randn(weight.shape, generator=generator), weight)
        for name, weight in _weights(net).items()
    }


def filter_normalized(direction: Tensor, weight: Tensor) -> Tensor:
    """d ‖θ‖ / ‖d‖ for each filter d of a direction, (outputs, …), and θ of a weight."""
    like = direction.to(weight.device, weight.dtype)
    norms: Tensor = weight.flatten(1).norm(dim=1) / like.flatten(1).norm(dim=1)
    return like * norms.view(-1, *[1] * (weight.dim() - 1))


def _weights(net: nn.Module) -> dict[str, Tensor]:
    kinds = nn.Linear | nn.modules.conv._ConvNd
    return {
        f"{name}.weight".lstrip("."): module.weight.detach().clone()
        for name, module in net.named_modules()
        if isinstance(module, kinds)
    }


@torch.no_grad()
def loss_slice(
    net: nn.Module, batches: Sequence[Batch], coordinates: Sequence[float], seed: int
) -> dict[str, Any]:
    """Mean cross-entropy, and error in per cent, at every pair of coordinates: lists of rows, one
    for each β, of one number for each α.

    The net is left as it was. A loss that is not finite stays so.
    """
    start = _weights(net)
    along, across = (random_direction(net, seed, which) for which in (0, 1))
    places = [(a, b) for b in coordinates for a in coordinates]
    scores = []
    try:
        for a, b in tqdm(places, unit="point", disable=None):
            _move(net, {n: w + a * along[n] + b * across[n] for n, w in start.items()})
            scores.append(_score(net, batches))
    finally:
        _move(net, start)
    size = len(coordinates)
    loss, error = ([score[i] for score in scores] for i in (0, 1))
    rows = range(0, size * size, size)
    return {
        "coordinates": list(coordinates),
        "loss": [loss[i : i + size] for i in rows],
        "top1_error": [error[i : i + size] for i in rows],
    }


def spaced(points: int, reach: float) -> list[float]:
    """An odd number of coordinates from −reach to reach, 0 in their middle."""
    half = points // 2
    return [reach * i / half for i in range(-half, half + 1)]


def _move(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        net.get_parameter(name).copy_(weight)


def _score(net: nn.Module, batches: Sequence[Batch]) -> tuple[float, float]:
    tally = Tally().to(batches[0][0].device)
    for images, targets in batches:
        tally.update(net(images), targets)
    score = tally.score()
    return score.loss, score.top1_error
