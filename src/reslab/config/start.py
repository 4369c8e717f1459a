"""Where the weights of a run come from: a file, a URL, a published name, or another run.

A file and a URL enter a run's id by their content (SHA-256), never by where they lie; a published
name enters it as that name, another run by its own id. So an id is known before anything is there.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from reslab.config.data import Data
from reslab.config.description import Description, Not, Sha256

ORIGINS = ("file", "url", "name", "run")

CHECKPOINT = "last.ckpt"
"""Of a run's folder, whose weights it holds; the other files are named in `store.folder`."""

RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{10}$")]

Head = Literal["zeros", "new", "kept"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Where http without encryption is read from."""


class Start(Description):
    """Weights that a run begins with, from exactly one origin.

    In YAML a word is a published name or, if it looks like a path, a file; none takes away what a
    base says. A run's folder is a file: its last.ckpt.
    """

    file: str | None = None
    """A path. No part of the run's id."""
    url: str | None = None
    """https, with its `sha256`; http on this machine alone. No part of the run's id."""
    sha256: Sha256 | None = None
    """Of what the file or the URL holds; a file's is found when YAML is read."""
    name: str | None = None
    """A published name: torchvision:ResNet50_Weights.IMAGENET1K_V2, timm:resnet50.a1_in1k, or one
    of `config.public_weights.TABLE`."""
    run: RunId | None = None
    """The id of another run, whose folder lies beside the run's own."""
    key: str | None = None
    """Which of several state dicts that a file holds, as a dotted path: state_dict_ema."""
    loads: Literal["all", "trunk", "l1"] = "all"
    """all: every tensor must find its place but those of a head that is not kept. trunk: all that
    the net has but its head, and what else the file has is left out. l1: as all, from a net with
    wider units: of each unit's first convolution the filters of the largest L1 norm, as many as
    the net's inner_widths say (Li 2017, arXiv 1608.08710). In YAML `keep` may say these: the part
    of the filters that stay, one number for all stages or a list of one for each."""
    head: Head = "new"
    """How the last layer begins: zeros (Kolesnikov 2020, arXiv 1912.11370), new (as the net's
    description says), or kept, for the same classes. In YAML, where it is left out, kept if the
    weights are a run's on the same classes, else new."""

    READ_BESIDE = {
        "sha256": ({"file": Not(None)}, {"url": Not(None)}),
        "key": ({"file": Not(None)}, {"url": Not(None)}, {"name": Not(None)}),
    }

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        found = [origin for origin in ORIGINS if getattr(self, origin) is not None]
        if len(found) != 1:
            told = f"got {' and '.join(found)}" if found else "says no origin"
            raise ValueError(f"{told}; expected one of file, url (with its sha256), name, run")
        if self.loads == "trunk" and self.head == "kept":
            raise ValueError("head: kept is no part of the trunk; write loads: all, or head: new")
        return self

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.url is None:
            return self
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError(f"url: got {self.url!r}; expected https://…")
        if self.sha256 is None:
            raise ValueError(
                "sha256: is missing; a URL says nothing of what lies there: sha256sum FILE tells it"
            )
        return self

    @property
    def origin(self) -> str:
        """What it is called in a line for people."""
        if self.run is not None:
            return f"run {self.run}"
        path = Path(self.file or "")
        file = path.parent.name if path.name == CHECKPOINT else path.name
        return self.name or self.url or file or path.name


def is_path(word: str) -> bool:
    """Whether a word means a file, and no published name."""
    return bool(re.search(r"^[.~/]|/|\.(?:safetensors|pth|th|pt|ckpt|bin|tar)$", word)) and not (
        word.startswith(("timm:", "torchvision:"))
    )


def same_classes(one: Data, other: Data) -> bool:
    """Whether the labels of two runs' data mean the same."""
    return _labels(one) == _labels(other)


def _labels(data: Data) -> tuple[object, ...]:
    if data.name != "imagefolder":
        return data.name, data.classes, data.contents and data.contents.sha256
    classes = None if data.counts is None else data.counts.classes
    return data.name, data.files, classes
