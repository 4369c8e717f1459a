"""What a net is trained for: the classes of its images, or to see an image in two views of it.

SimSiam: Chen & He 2021 (arXiv 2011.10566); what it computes is in methods/simsiam.py. A net that
was trained without labels is tested by the classes of its features' nearest neighbours (Wu et al.
2018, arXiv 1805.01978), in methods/neighbors.py.
"""

from typing import Literal

from pydantic import PositiveInt

from reslab.config.description import Named, PositiveFloat


class Objective(Named):
    """classes: cross-entropy with the labels. simsiam: -cos of what is predicted from one view of
    an image and of what the other gives, each the other's target once.

    Its errors are those of k nearest neighbours: a training image votes for its class by
    exp(cos / temperature), cos that of its features and the test image's; the net's head is as it
    was drawn.
    """

    name: Literal["classes", "simsiam"] = "classes"
    projector_layers: Literal[2, 3] = 3
    """Linear layers from the features to what is compared (Chen 2021: 3, on CIFAR-10 2)."""
    width: PositiveInt = 2048
    """Of the projector's layers, and of what is compared."""
    bottleneck: PositiveInt = 512
    """Of the predictor's one hidden layer."""
    norm: Literal["batch", "none"] = "batch"
    """Behind every linear layer but the predictor's last; without, what is compared may collapse
    (Chen 2021, Table 3)."""
    neighbors: PositiveInt = 200
    """k."""
    temperature: PositiveFloat = 0.1

    READ_BESIDE = {
        "projector_layers": {"name": ("simsiam",)},
        "width": {"name": ("simsiam",)},
        "bottleneck": {"name": ("simsiam",)},
        "norm": {"name": ("simsiam",)},
        "neighbors": {"name": ("simsiam",)},
        "temperature": {"name": ("simsiam",)},
    }

    @property
    def is_of_classes(self) -> bool:
        """Whether the labels are read, and the head trained."""
        return self.name == "classes"

    @property
    def sees_twice(self) -> bool:
        """Whether a step reads two views of each of its images."""
        return self.name == "simsiam"
