"""SimSiam: a net that learns to see an image in two views of it, without labels.

Chen & He 2021 (arXiv 2011.10566): a projector and a predictor behind the net's features, each
view's prediction held against what the other gives, through which no gradient goes. Nothing else
keeps all images from becoming one point: whether they do is measured (Fig. 2).
"""

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from reslab.config.objectives import Objective
from reslab.methods.features import in_full, outputs


class SimSiam(nn.Module):
    """Projector and predictor: features (N, D) → what is compared and what is predicted, each
    (N, width)."""

    def __init__(self, features: int, objective: Objective) -> None:
        super().__init__()
        width = objective.width
        sizes = [features, *[width] * objective.projector_layers]
        self.projector = perceptron(sizes, objective.norm == "batch", closed=True)
        sizes = [width, objective.bottleneck, width]
        self.predictor = perceptron(sizes, objective.norm == "batch", closed=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        compared = self.projector(features)
        return in_full(compared), in_full(self.predictor(compared))


def perceptron(sizes: list[int], normed: bool, closed: bool) -> nn.Sequential:
    """Linear layers of these sizes, between them norms and ReLUs; behind the last, where it is
    closed, a norm without scale and bias. A layer before a norm has no bias."""
    return nn.Sequential(OrderedDict(_layers(sizes, normed, closed)))


def _layers(sizes: list[int], normed: bool, closed: bool) -> Iterator[tuple[str, nn.Module]]:
    last = len(sizes) - 1
    for i in range(1, last + 1):
        norm = normed and (i < last or closed)
        yield f"fc{i}", nn.Linear(sizes[i - 1], sizes[i], bias=not norm)
        if norm:
            yield f"bn{i}", nn.BatchNorm1d(sizes[i], affine=i < last)
        if i < last:
            yield f"relu{i}", nn.ReLU(inplace=True)


def views_loss(beside: nn.Module, net: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of images (2 N, C, H, W), the second views after the first, in [-1, 1], and the
    spread of what is compared.

    Each view goes through the net by itself, as the authors' code has it: norms see one view.
    """
    (z1, p1), (z2, p2) = (beside(features_of(net, view)) for view in images.chunk(2))
    loss = (distance(p1, z2) + distance(p2, z1)) / 2
    return loss, spread(torch.cat((z1.detach(), z2.detach())))


def features_of(net: nn.Module, images: Tensor) -> Tensor:
    """What the last layer of a net of ours reads, (N, D)."""
    return outputs(net, images).features


def distance(predicted: Tensor, target: Tensor) -> Tensor:
    """The mean of -cos over (N, D); a target is a constant (Eqn. 3)."""
    return -cosine_similarity(predicted, target.detach(), dim=1).mean()


def spread(outputs: Tensor) -> Tensor:
    """The standard deviation of what is compared, (N, D), scaled to length 1, mean over D: 0 where
    all are one, about 1/√D where they are spread evenly (Sec. 4.1)."""
    return normalize(outputs, dim=1).std(0).mean()
