"""What `load` gives: the net itself, which also knows its classes and how an image becomes its
input.

Its class is one made of the net's own, as torch's parametrizations do it, so that names of weights
and parts, `forward` and what torch asks a class for stay those of the plain net.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from reslab.config.nets import Described, Foreign, PythonNet
from reslab.config.use import Use
from reslab.config.zoo import ZOO
from reslab.data.batches import dtype_of
from reslab.data.normalize import Normalization
from reslab.data.photographs.crops import test_crop
from reslab.data.photographs.decode import Undecodable, pixels
from reslab.errors import UserError
from reslab.text import counted, printable, shortened
from reslab.weights.about import About

SCREEN = 79
"""Letters of a line of a `repr`."""


class LoadedNet(nn.Module):
    """A trained net in evaluation mode: images (N, C, H, W), as `preprocess` gives them, to logits
    (N, classes)."""

    class_names: tuple[str, ...]
    """Of the logits, in their order."""
    preprocess: "Preprocess"

    def __repr__(self) -> str:
        """What it is, in a few lines; `nn.Module.__repr__(net)` has every layer, as has a part of
        it, `net[:-1]`."""
        if "preprocess" not in vars(self):
            return super().__repr__()
        return "\n".join(shortened(line, SCREEN) for line in _told(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as a net of the class that it was made of."""
        state: Callable[[], Any] = super().__getstate__
        return _empty, (type(self).__mro__[2],), state()


def with_meaning(net: nn.Module, about: About) -> LoadedNet:
    """The same net, which now knows what it is about."""
    net.__class__ = _kind(type(net))
    assert isinstance(net, LoadedNet)
    net.class_names = about.class_names
    net.preprocess = Preprocess(about.use, about.normalization)
    return net


KINDS: dict[Any, Any] = {}
"""Those classes, by what they are made of, so that copies are of one class."""


def _kind(of: type[nn.Module]) -> Any:
    """It has the name and module of what it is made of, by which torch.fx knows what it need not
    look into."""
    if of not in KINDS:
        KINDS[of] = type(of.__name__, (LoadedNet, of), {"__module__": of.__module__})
    return KINDS[of]


def _empty(of: type[nn.Module]) -> LoadedNet:
    kind = _kind(of)
    net: LoadedNet = kind.__new__(kind)
    return net


# ---- from images to inputs -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Preprocess:
    """Images as a net was tested on: resized, cropped, normalised."""

    use: Use
    normalization: Normalization

    def __call__(self, images: Image.Image | Tensor) -> Tensor:
        """A PIL image, or uint8 (C, H, W) or (N, C, H, W) with 1 or 3 channels, of any size, as
        floating (N, C, H, W), a batch also of one image; on the device where it is.

        `UserError` for anything else.
        """
        batch = _batch(images)
        inputs = torch.stack([as_input(image, self.use) for image in batch])
        return self.normalization.to(inputs.device)(inputs, dtype_of(self.use.precision))

    def __repr__(self) -> str:
        """In a line."""
        crops, use = self.use.photographs, self.use
        shorter = crops.test_shorter_side if crops else use.image_size
        grey = ", grey" if use.model.in_channels == 1 else ""
        return (
            f"shorter side to {shorter}, centre {use.image_size} × {use.image_size}{grey}, "
            f"normalised ({self.normalization.kind})"
        )


def _batch(images: Any) -> Tensor:
    """uint8 (N, 3, H, W)."""
    if isinstance(images, Image.Image):
        try:
            return torch.from_numpy(pixels(ImageOps.exif_transpose(images))).permute(2, 0, 1)[None]
        except Undecodable as error:
            raise UserError(f"the image: {error}") from None
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise UserError(f"got {found}; expected a PIL image, or a tensor of torch.uint8, 0 to 255")
    batch = images[None] if images.dim() == 3 else images
    if batch.dim() != 4 or batch.shape[1] not in (1, 3) or not batch.numel():
        raise UserError(
            f"got uint8 {tuple(images.shape)}; expected (C, H, W) or (N, C, H, W), C = 1 or 3"
        )
    return batch.expand(-1, 3, -1, -1)


def as_input(image: Tensor, use: Use) -> Tensor:
    """An image, uint8 (3, H, W), as a net takes it before it is normalised: uint8."""
    if use.photographs:
        return test_crop(image, use.photographs)
    size = [use.image_size]
    small: Tensor = functional.center_crop(functional.resize(image, size), size)
    grey: Tensor = functional.rgb_to_grayscale(small)
    return grey if use.model.in_channels == 1 else small


# ---- told ----------------------------------------------------------------------------------------


def _told(net: LoadedNet) -> list[str]:
    use, first = net.preprocess.use, next(net.parameters())
    size, channels = use.image_size, use.model.in_channels
    count = sum(parameter.numel() for parameter in net.parameters())
    mode = "training" if net.training else "evaluation"
    parts = ", ".join(name for name, _ in net.named_children())
    return [
        f"{_name(use.model)}: images (N, {channels}, {size}, {size}) → "
        f"logits (N, {len(net.class_names)})",
        f"  parameters   {count:,}, {str(first.dtype).removeprefix('torch.')}, on {first.device}, "
        f"in {mode} mode",
        f"  class_names  {', '.join(map(printable, net.class_names))}",
        f"  preprocess   {net.preprocess!r}",
        f"  parts        {parts or 'none'}",
        "  every layer  print(torch.nn.Module.__repr__(net))",
    ]


def _name(net: Described) -> str:
    """What a net is called: by the zoo, whatever its classes and channels, else by what it is."""
    if isinstance(net, Foreign):
        return f"{net.library}:{net.architecture}"
    if isinstance(net, PythonNet):
        return printable(net.name)
    ends = {"in_channels", "classes"}
    own = net.model_dump(exclude=ends)
    for name, entry in ZOO.items():
        if entry.description.model_dump(exclude=ends) == own:
            return name
    return f"a {net.family} of {counted(sum(net.units), 'unit')}"
