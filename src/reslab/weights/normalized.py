"""What the images were normalised with on which weights were trained that a run starts from.

Our own files say it; published weights are known by their names or by their digests; of others the
net's architecture says it, as timm and torchvision have it.
"""

from typing import Any

from reslab.config.libraries import library_names
from reslab.config.nets import DenseNet, Described, Foreign, Opaque, ResNet
from reslab.config.public_weights import TABLE, published, torchvision_weights
from reslab.config.recipe import IMAGENET, MeanAndStd
from reslab.config.run import RunConfig, input_size
from reslab.config.start import Start
from reslab.config.zoo import ZOO
from reslab.data.normalize import Normalization
from reslab.errors import UserError, located
from reslab.weights.files import Weights
from reslab.weights.sources import Origin


def start_normalization(config: RunConfig, origin: Origin, weights: Weights) -> Normalization:
    """What `recipe.normalization: start` is of a run; `UserError` where nobody says it, or where it
    is not for such images."""
    assert config.start is not None
    found = known_normalization(config.start, config.model, origin, weights)
    if found is None:
        raise UserError(
            f"recipe.normalization: start: {origin.label} does not say what its images were "
            "normalised with, nor is it known of the net; say it: recipe.normalization: imagenet, "
            "or {mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}"
        )
    channels, size = config.model.in_channels, input_size(config)
    if channels == 1 and found.whitening is None and found.mean.shape[0] == 3:
        found = averaged(found)
    with located(f"recipe.normalization: start is that of {origin.label}"):
        found.refuse_unfit((channels, size, size))
    return found


def averaged(colour: Normalization) -> Normalization:
    """For grey images that of colour ones, averaged over the channels, as the stem's are summed."""
    mean, std = (numbers.mean(0, keepdim=True) for numbers in (colour.mean, colour.std))
    return Normalization("given", mean, std)


def known_normalization(
    start: Start, net: Described, origin: Origin, weights: Weights
) -> Normalization | None:
    """What the images, of as many channels as they had, were normalised with on which these weights
    of such a net were trained, as far as that is known."""
    if weights.about:
        return weights.about.normalization
    found = _of_name(start) or of_digest(origin.digest) or of_architecture(net)
    return Normalization.given(*found) if found else None


def _of_name(start: Start) -> MeanAndStd | None:
    if start.name is None:
        return None
    if start.name.startswith("timm:"):
        return _of_timm(start.name.removeprefix("timm:"))
    return published(start.name).normalization


def of_digest(digest: str) -> MeanAndStd | None:
    """Of a file that is a published one: its digest is known."""
    for row in (*TABLE.values(), *torchvision_weights().values()):
        if row.digest and digest.startswith(row.digest):
            return row.normalization
    return None


def of_architecture(net: Described) -> MeanAndStd | None:
    """What a library's own weights of such a net were trained with; None for nets of small images
    and of one's own, which have no convention."""
    if isinstance(net, Foreign):
        return _of_timm(net.architecture) if net.library == "timm" else IMAGENET
    if isinstance(net, Opaque):
        return None
    for name, row in ZOO.items():
        if row.image_size >= 224 and _without_ends(row.description) == _without_ends(net):
            return IMAGENET if name in library_names("torchvision") else _of_timm(name)
    return None


def _without_ends(net: ResNet | DenseNet) -> dict[str, Any]:
    return net.model_dump(exclude={"in_channels", "classes"})


def _of_timm(name: str) -> MeanAndStd | None:
    from timm.models import get_pretrained_cfg, is_model

    if not is_model(name.partition(".")[0]):
        return None
    found = get_pretrained_cfg(name)
    return (tuple(found.mean), tuple(found.std)) if found else None
