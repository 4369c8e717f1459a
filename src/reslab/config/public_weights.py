"""Weights by names that others know: where they are to be had, and what of them is known.

The names are looked up in the sources of torchvision and timm, which importing would take seconds
for, and in our own table of small public weights.
"""

import ast
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reslab.config import shipped
from reslab.config.libraries import LIBRARIES, library_names, sources
from reslab.config.recipe import IMAGENET, MeanAndStd
from reslab.errors import UserError, did_you_mean, nearest
from reslab.text import quoted


@dataclass(frozen=True)
class PublishedWeights:
    """Weights by a name that others know."""

    name: str
    url: str
    file: str
    """Its name in `RESLAB_WEIGHTS`."""
    digest: str = ""
    """How its SHA-256 begins, as far as it is known."""
    size: int | None = None
    """In bytes, where it is known; torchvision's to about 10 kB."""
    normalization: MeanAndStd | None = None
    """Where it is written here; timm's is asked of timm."""
    licence: str = ""
    path: Path | None = None
    """Where it lies, of those that come with the package."""


def _akamaster(depth: int, digest: str, size: int | None = None) -> PublishedWeights:
    """From the README of akamaster/pytorch_resnet_cifar10; trainer.py has the normalisation."""
    file = f"resnet{depth}-{digest[:8]}.th"
    url = f"https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/{file}"
    name = f"akamaster:resnet{depth}"
    return PublishedWeights(name, url, file, digest, size, IMAGENET, "BSD 2-clause")


TABLE = {
    row.name: row
    for row in (
        _akamaster(20, "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8", 1099231),
        _akamaster(32, "d509ac18"),
        _akamaster(44, "014dd654"),
        _akamaster(56, "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367", 3471733),
        _akamaster(110, "1d1ed7c2"),
        _akamaster(1202, "f3b1deed"),
    )
}
"""Small public weights by names of our own; the CIFAR-10 nets of akamaster."""

HASHED = re.compile(r"-([0-9a-f]{8,64})\.")
"""How a published file's name tells its digest: torch.hub's convention."""


def published(name: str) -> PublishedWeights:
    """What is known of a published name; `UserError` with the nearest for an unknown one."""
    library, colon, _ = name.partition(":")
    if name in TABLE:
        return TABLE[name]
    if not colon or library not in PUBLISHERS:
        own = nearest(name, TABLE)
        raise UserError(
            f"no published weights are called {quoted(name)}{own}; expected "
            "torchvision:<Net>_Weights.<TAG>, timm:<net>.<tag>, reslab:<net>.<data>, or a file"
        )
    return PUBLISHERS[library](name)


# ---- torchvision ---------------------------------------------------------------------------------


@cache
def torchvision_weights() -> dict[str, PublishedWeights]:
    """By names such as torchvision:ResNet50_Weights.IMAGENET1K_V2, DEFAULT left out."""
    return {row.name: row for text in sources("torchvision") for row in _enums(text)}


def _enums(text: str) -> Iterator[PublishedWeights]:
    if "WeightsEnum)" not in text:
        return
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("_Weights"):
            for line in node.body:
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call):
                    called = line.targets[0]
                    assert isinstance(called, ast.Name)
                    yield from _of_torchvision(f"{node.name}.{called.id}", line.value)


def _of_torchvision(name: str, call: ast.Call) -> Iterator[PublishedWeights]:
    said = _keywords(call)
    url = _literal(said.get("url"))
    if isinstance(url, str):
        preset = said.get("transforms")
        moments = _moments(_keywords(preset)) if isinstance(preset, ast.Call) else None
        megabytes = _literal(_items(said.get("meta")).get("_file_size"))
        size = round(megabytes * 2**20) if isinstance(megabytes, float) else None
        row = _at(f"torchvision:{name}", url)
        yield replace(row, size=size, normalization=moments or IMAGENET, licence="BSD 3-clause")


def _of_torchvision_named(name: str) -> PublishedWeights:
    known = torchvision_weights()
    if name not in known:
        if name.endswith(".DEFAULT"):
            others = [one for one in known if one.startswith(name.removesuffix("DEFAULT"))]
            raise UserError(
                f"{quoted(name)} is another file with another version of torchvision; say which: "
                f"{' or '.join(others) or 'a name of its own'}"
            )
        raise UserError(f"torchvision has no weights {quoted(name)}{nearest(name, known)}")
    return known[name]


# ---- timm ----------------------------------------------------------------------------------------


def _of_timm(name: str) -> PublishedWeights:
    """From the calls beside the names in timm's sources."""
    known = name.removeprefix("timm:")
    net, _, tag = known.partition(".")
    if not tag:
        raise UserError(
            f"{quoted(name)} names a net, not its weights; expected a tag behind it"
            f"{nearest(known, _tags(net))}"
        )
    if call := _call_beside(known):
        return _told_by_timm(known, call)
    raise UserError(f"timm has no weights {quoted(name)}{nearest(known, _tags(net))}")


def _tags(net: str) -> list[str]:
    """The weights of a net of timm's; of all nets with such a beginning where there are none."""
    names = _tagged()
    return [name for name in names if name.partition(".")[0] == net] or sorted(names)


@cache
def _tagged() -> tuple[str, ...]:
    """All of timm's weights by name, each once, in the order of its sources."""
    names = (name for text in sources("timm") for name in TAGGED.findall(text))
    return tuple(dict.fromkeys(names))


TAGGED = re.compile(r"^\s+'([a-z0-9_]+\.[a-z0-9_]+)': _", re.MULTILINE)


@cache
def _call_beside(name: str) -> ast.Call | None:
    """What timm's sources say of weights, a call in a dict; None for a name they do not have."""
    for text in sources("timm"):
        if f"{name}'" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            call = _items(node).get(name) if isinstance(node, ast.Dict) else None
            if isinstance(call, ast.Call):
                return call
    return None


def _told_by_timm(name: str, call: ast.Call) -> PublishedWeights:
    """GitHub's file where there is one: its name has its digest. Else Hugging Face's."""
    said = _keywords(call)
    url, hub = _literal(said.get("url")), _literal(said.get("hf_hub_id"))
    licence = _literal(said.get("license"))
    told = str(licence) if licence else ""
    if isinstance(url, str) and HASHED.search(url):
        return replace(_at(f"timm:{name}", url), licence=told)
    if not isinstance(hub, str):
        raise UserError(f"timm:{name}: timm does not say where its weights are to be had")
    hub = f"{hub}{name}" if hub.endswith("/") else hub
    server = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    url = f"{server}/{hub}/resolve/main/model.safetensors"
    return PublishedWeights(f"timm:{name}", url, f"{name}.safetensors", licence=told)


# ---- ours ----------------------------------------------------------------------------------------


def _of_ours(name: str) -> PublishedWeights:
    """One of those that come with the package."""
    path = shipped.shipped_file(name)
    if path is None:
        near = nearest(name, shipped.shipped())
        raise UserError(f"no net that comes with reslab is called {quoted(name)}{near}")
    row = shipped.shipped()[name]
    return PublishedWeights(
        name, "", path.name, row["sha256"], row["size"], licence=row["licence"], path=path
    )


PUBLISHERS: dict[str, Callable[[str], PublishedWeights]] = {
    "torchvision": _of_torchvision_named,
    "timm": _of_timm,
    shipped.LIBRARY: _of_ours,
}


# ---- the weights of a net ------------------------------------------------------------------------


def weights_of(net: str) -> str:
    """The published weights that a net's name stands for: torchvision's newest, timm's first.

    A name with a tag stands for these weights. `UserError` for a net that has none.
    """
    library, _, known = net.rpartition(":")
    architecture, _, tag = known.partition(".")
    if library == "timm":
        return f"timm:{known if tag else _first_of_timm(net)}"
    enum, newest = _enums_by_net().get(architecture, (None, None))
    if enum is None or library not in ("", "torchvision"):
        raise UserError(f"no published weights are known of the net {quoted(net)}{_own(net)}")
    return f"torchvision:{enum}.{tag or newest}"


def net_of(name: str) -> str:
    """The net that published weights are of: a name of the zoo, or of their library."""
    library, _, known = name.partition(":")
    if library == "torchvision":
        enum = known.partition(".")[0]
        nets = (net for net, (found, _) in _enums_by_net().items() if found == enum)
        return f"torchvision:{next(nets)}"
    if library == shipped.LIBRARY:
        return known.partition(".")[0]
    return name.partition(".")[0] if library == "timm" else known


def _own(net: str) -> str:
    if f"akamaster:{net}" in TABLE:
        return f"; there are akamaster:{net}, of CIFAR-10"
    return _near(net)


def _near(net: str) -> str:
    """The nets that are meant where a library has none of this name."""
    library, _, name = net.rpartition(":")
    known = library_names(library) if library in LIBRARIES else ()
    return "" if name in known else did_you_mean(net, [f"{library}:{one}" for one in known])


def _first_of_timm(net: str) -> str:
    """The first tag, which is timm's default."""
    architecture = net.removeprefix("timm:")
    for name in _tagged():
        if name.partition(".")[0] == architecture and name != f"{architecture}.untrained":
            return name
    raise UserError(f"timm has no weights of the net {quoted(net)}{_near(net)}")


@cache
def _enums_by_net() -> dict[str, tuple[str, str]]:
    """Of torchvision: a net's name, its class of weights, and which of these is called DEFAULT."""
    texts = sources("torchvision")
    newest = {m["enum"]: m["name"] for text in texts for m in DEFAULT.finditer(text)}
    nets = (m for text in texts for m in TAKES_WEIGHTS.finditer(text))
    return {m["net"]: (m["enum"], newest[m["enum"]]) for m in nets if m["enum"] in newest}


TAKES_WEIGHTS = re.compile(
    r"^def (?P<net>\w+)\(\s*\*, weights: [^\n]*?(?P<enum>\w+_Weights)\b", re.M
)
DEFAULT = re.compile(
    r"^class (?P<enum>\w+_Weights)\(WeightsEnum\):.*?^    DEFAULT = (?P<name>\w+)", re.M | re.S
)


# ---- reading sources -----------------------------------------------------------------------------


def _at(name: str, url: str) -> PublishedWeights:
    file = urlsplit(url).path.rpartition("/")[2]
    digest = HASHED.search(file)
    return PublishedWeights(name, url, file, digest[1] if digest else "")


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _items(node: ast.expr | None) -> dict[str, ast.expr]:
    """Of a dict that is written out, by those keys that are words."""
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


def _literal(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _moments(said: dict[str, ast.expr]) -> MeanAndStd | None:
    try:
        mean, std = (ast.literal_eval(said[name]) for name in ("mean", "std"))
    except (KeyError, ValueError):
        return None
    return tuple(mean), tuple(std)
