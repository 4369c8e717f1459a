"""The zoo: names of nets and their descriptions.

CIFAR names are the 6n+2 nets of He 2015, Sec. 4.2, with option A; ImageNet names are torchvision's
nets (option B, stride on the 3×3). `resnet8` and `plain8` are described for MNIST, the suffix `_w8`
stands for widths 8/16/32 and digits. Any name can be used with any data set: a run takes its input
channels and its class count from the data.
"""

from dataclasses import dataclass
from typing import Any, Literal

from reslab.config.schema import ResNet
from reslab.errors import UserError, nearest


@dataclass(frozen=True)
class Entry:
    """A named net, the image size at which its costs are counted, and where it comes from."""

    description: ResNet
    image_size: int
    source: str


def cifar(depth: int, width: int = 16, **fields: Any) -> ResNet:
    """The 6n+2 net of He 2015, Sec. 4.2: three stages of n basic units, widths w, 2w, 4w."""
    if depth < 8 or depth % 6 != 2:
        raise UserError(f"a basic CIFAR net has 6n+2 layers (8, 14, 20, …), not {depth}")
    return ResNet(
        units=((depth - 2) // 6,) * 3,
        widths=(width, 2 * width, 4 * width),
        strides=(1, 2, 2),
        stem_width=width,
        **fields,
    )


IMAGENET_UNITS: dict[int, tuple[Literal["basic", "bottleneck"], tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
"""He 2015, Table 1."""


def imagenet(depth: int, **fields: Any) -> ResNet:
    """The nets of He 2015, Table 1, as torchvision builds them."""
    branch, units = IMAGENET_UNITS[depth]
    return ResNet(
        units=units,
        widths=(64, 128, 256, 512),
        strides=(1, 2, 2, 2),
        branch=branch,
        **{"shortcut": "B", "stem": "7x7_pool", "stem_width": 64, "classes": 1000, **fields},
    )


def _zoo() -> dict[str, Entry]:
    paper, ours = "He 2015, Sec. 4.2", "this repository"
    zoo = {"resnet1202": Entry(cifar(1202), 32, paper)}
    for kind, shortcut in (("resnet", {}), ("plain", {"shortcut": "none"})):
        zoo[f"{kind}8"] = Entry(cifar(8, in_channels=1, **shortcut), 28, ours)
        for depth in (20, 32, 44, 56, 110):
            zoo[f"{kind}{depth}"] = Entry(cifar(depth, **shortcut), 32, paper)
        for depth in (8, 20, 32):
            zoo[f"{kind}{depth}_w8"] = Entry(cifar(depth, 8, in_channels=1, **shortcut), 8, ours)
    for depth in IMAGENET_UNITS:
        zoo[f"resnet{depth}"] = Entry(imagenet(depth), 224, "He 2015, Table 1")
    for depth in (18, 34):
        zoo[f"plain{depth}"] = Entry(imagenet(depth, shortcut="none"), 224, "He 2015, Table 1")
    return zoo


ZOO = _zoo()


def describe(name: str) -> ResNet:
    """The description of a named net; `UserError` with the nearest names for an unknown one."""
    if name not in ZOO:
        raise UserError(f"no net is called {name!r}{nearest(name, ZOO)}")
    return ZOO[name].description
