"""The classes of images by those of their nearest neighbours in a net's features.

Wu et al. 2018 (arXiv 1805.01978, Sec. 3.4), as lightly and solo-learn compute it: each of the k
training images whose features make the smallest angle votes for its class by exp(cos / T).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

AT_ONCE = 1024
"""Images that are held against all training images at a time."""


class Bank:
    """Features of training images (N, D) with their targets (N,)."""

    def __init__(self, features: Tensor, targets: Tensor, classes: int) -> None:
        self.features = normalize(features.float(), dim=1)
        self.targets = targets
        self.classes = classes

    def logits(
        self, features: Tensor, k: int, temperature: float, own: Sequence[int] = ()
    ) -> Tensor:
        """Logarithms of the votes for each class, (M, classes), of features (M, D).

        `own` are the places of training images whose features these are: none is its own
        neighbour. Each class has one more vote of the weight of a right angle, so that none is
        impossible.
        """
        places = torch.tensor(own, device=features.device, dtype=torch.int64)
        parts = torch.split(normalize(features.float(), dim=1), AT_ONCE)
        places_of = torch.split(places, AT_ONCE) if own else [places] * len(parts)
        pairs = zip(parts, places_of, strict=True)
        return torch.cat([self._logits(part, k, temperature, own) for part, own in pairs])

    def _logits(self, part: Tensor, k: int, temperature: float, own: Tensor) -> Tensor:
        cosines = part @ self.features.T
        if len(own):
            cosines.scatter_(1, own[:, None], -torch.inf)
        near = cosines.topk(min(k, len(self.features) - bool(len(own))), dim=1)
        weights = (near.values / temperature).exp()
        votes = one_hot(self.targets[near.indices], self.classes).to(weights) * weights[..., None]
        return (votes.sum(1) + 1).log()
