"""What a plan needs to know of the weights that runs start from: names, digests, what is missing.

Published names are looked up in the sources of torchvision and timm, which importing would take
seconds for, and in our own table of small public weights. Files are looked for under their
published names in `RESLAB_WEIGHTS` (default `data/weights`). Nothing is read here but bytes that
are hashed.
"""

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reslab import disk, web
from reslab.config import shipped
from reslab.config.libraries import LIBRARIES, library_names, sources
from reslab.config.recipe import IMAGENET, MeanAndStd
from reslab.config.start import CHECKPOINT, Start
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import Tree
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


# ---- where files are -----------------------------------------------------------------------------


def weights_root() -> Path:
    """The folder of weights: `RESLAB_WEIGHTS`, or data/weights under the working directory."""
    return Path(os.environ.get("RESLAB_WEIGHTS") or Path("data") / "weights")


def published_file(start: Start) -> PublishedWeights | None:
    """What is known of an origin that can be downloaded."""
    if start.name is not None:
        return published(start.name)
    if start.url is not None and start.sha256 is not None:
        name = urlsplit(start.url).path.rpartition("/")[2] or start.sha256[:16]
        return PublishedWeights(start.url, start.url, name, start.sha256)
    return None


def places(start: Start) -> list[Path]:
    """Where an origin that is no run is looked for; the first that is there is taken."""
    if start.file is not None:
        path = Path(start.file).expanduser()
        return [path, weights_root() / path.name]
    found = published_file(start)
    return [found.path or weights_root() / found.file] if found else []


def there(start: Start) -> Path | None:
    """The file of an origin; None where it is missing, or the origin is a run."""
    return next((path for path in places(start) if path.is_file()), None)


def bring(start: Start) -> Path:
    """The file of an origin that is no run; one that is missing is downloaded.

    `UserError` says which file would do where that cannot be.
    """
    if path := there(start):
        return path
    known, looked = published_file(start), places(start)
    if known is None:
        raise UserError(
            f"there is no {' and no '.join(map(str, looked))}; bring the file back, to one "
            f"of these places (its SHA-256 is {start.sha256})"
        )
    if known.path:
        raise UserError(f"{known.path} is missing, which comes with reslab; install it again")
    try:
        download_weights(known, looked[0])
    except UserError as error:
        raise UserError(f"{error}; to bring it yourself, put that file to {looked[0]}") from None
    return looked[0]


def download_weights(known: PublishedWeights, path: Path) -> None:
    """Bring published weights to a path, whole and checked, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloading {known.url} to {path}", file=sys.stderr, flush=True)
    with disk.replacing(path) as temporary, temporary.open("wb") as target:
        web.download(known.url, target, known.digest)


def sha256_of(path: Path) -> str:
    """A file's SHA-256; hashed once while it stays as it is."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- what our own files say ----------------------------------------------------------------------

CONFIG = "config.yaml"
"""Of a run's folder, as `config.start.CHECKPOINT`; the others are named in `store.folder`."""

MOST_HEADER = 2**26
"""Bytes of a safetensors header that is read."""


def run_of(path: Path) -> Tree | None:
    """The description of the run that a file's weights are of, as a tree; None where it is not
    known without reading tensors.

    A checkpoint stands beside its config.yaml; a safetensors file has it in its header.
    """
    beside = path.with_name(CONFIG)
    try:
        if path.name == CHECKPOINT and beside.is_file():
            return load_yaml(beside)
        told = json.loads(_header(path)["__metadata__"]["reslab"])["config"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError):
        return None
    return told if isinstance(told, dict) else None


def _header(path: Path) -> Any:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)) if length <= MOST_HEADER else {}
