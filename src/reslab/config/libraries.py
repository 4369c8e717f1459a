"""Names of other libraries' nets, read from their source: importing them would import torch.

Both register a net with a decorator over the function that builds it. The names are only asked for
where one is unknown: a scan takes a fifth of a second.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

REGISTERED = re.compile(
    r"^@register_model(?:\([^)]*\))?\n(?:@.*\n)*def (?P<name>\w+)\(", re.MULTILINE
)

Library = Literal["torchvision", "timm"]
LIBRARIES: tuple[Library, ...] = ("torchvision", "timm")


@cache
def sources(library: str) -> tuple[str, ...]:
    """The sources of a library's nets; none where it is not installed as files."""
    found = find_spec(library)
    if found is None or found.origin is None:
        return ()
    files = sorted((Path(found.origin).parent / "models").glob("*.py"))
    return tuple(file.read_text(encoding="utf-8") for file in files)


@cache
def library_names(library: str) -> frozenset[str]:
    """The names of a library's nets."""
    texts = sources(library)
    return frozenset(match["name"] for text in texts for match in REGISTERED.finditer(text))


def elsewhere(name: str) -> list[str]:
    """`torchvision:mobilenet_v2`, `timm:mobilenetv2_100` for `mobilenet_v2`, where a library has a
    net of that name but for its underscores; none for all other names."""
    plain = _plain(name)
    names = {library: sorted(library_names(library)) for library in LIBRARIES}
    if not plain or not any(_plain(one) == plain for known in names.values() for one in known):
        return []
    likest = {library: _likest(plain, known) for library, known in names.items()}
    return [f"{library}:{one}" for library, one in likest.items() if one]


def _likest(plain: str, names: list[str]) -> str | None:
    """The name that is the same, else timm's with a width: …_100 is 100 %."""
    same = [one for one in names if _plain(one) == plain]
    wide = [one for one in names if _plain(one) == f"{plain}100"]
    return next(iter(same + wide), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def tag_of(architecture: str) -> str:
    """The tag in a name of trained weights: timm's `resnet50.a1_in1k`, torchvision's
    `resnet50.IMAGENET1K_V2`; none in a net's."""
    return architecture.partition(".")[2]


def refusal(library: str, architecture: str) -> str:
    """Why a name with a tag names no net here, and how both are said."""
    net, _, tag = architecture.partition(".")
    weights = f"timm:{architecture}" if library == "timm" else f"torchvision:<Net>_Weights.{tag}"
    return (
        f"{library}:{architecture} names trained weights ({tag}) and not only a net; the net alone "
        f"is {library}:{net}, and to begin with these weights say beside it start: {weights}"
    )
