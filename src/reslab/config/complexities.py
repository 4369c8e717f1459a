"""Golden costs of the zoo's nets, for whoever must not import torch to know them.

complexities.json has one row per name, unnamed_complexities.json one for each net that a shipped
experiment describes without a name; `scripts/models.py --write` counts both anew. A row holds for
every net that differs in nothing that costs anything, and for any number of classes: the last layer
is linear. Other nets are counted by one process with torch (`python -m reslab.counting`).
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from reslab.config.nets import Described, Foreign, ResNet
from reslab.config.nets import Net as AnyNet
from reslab.config.zoo import ZOO
from reslab.errors import UserError

GOLDEN = Path(__file__).with_name("complexities.json")
UNNAMED = Path(__file__).with_name("unnamed_complexities.json")

Net = tuple[Described, int]
"""A description and the side of its square images in pixels."""


class Impossible(UserError):
    """A net that cannot be built, or that cannot take its images."""

    def __init__(self, net: Net, reason: str) -> None:
        super().__init__(reason)
        self.net = net


@dataclass(frozen=True)
class Complexity:
    """Parameters, and multiply-adds of convolutions and linear layers for one image."""

    params: int
    multiply_adds: int

    def __add__(self, other: "Complexity") -> "Complexity":
        return Complexity(self.params + other.params, self.multiply_adds + other.multiply_adds)

    def __sub__(self, other: "Complexity") -> "Complexity":
        return Complexity(self.params - other.params, self.multiply_adds - other.multiply_adds)


@cache
def golden() -> dict[str, Complexity]:
    """The golden rows by name; each holds at its zoo entry's image size."""
    rows = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return {name: Complexity(**row) for name, row in rows.items()}


COSTS_NOTHING = frozenset(
    [
        "activation", "dropout", "gamma_init", "gate", "gate_bias", "gate_init", "init",
        "linear_init", "padding_reads", "projection_reads", "scale", "scale_init",
        "shortcut_dropout", "stem_init", "survival", "zero_gamma", "zeros",
    ]
)  # fmt: skip
"""Fields of nets that change neither parameters nor multiply-adds."""


def alike(net: Described) -> Described:
    """The net with every field that costs nothing at its default."""
    fields = type(net).model_fields
    same = {name: fields[name].default for name in COSTS_NOTHING & set(fields)}
    if isinstance(net, ResNet) and net.shortcut in ("none", "A_pooled", "scaled", "dropout"):
        same["shortcut"] = "A"  # none of them has parameters
    return net.model_copy(update=same)


@cache
def unnamed() -> dict[Net, Complexity]:
    """The golden rows of nets without a name."""
    rows = json.loads(UNNAMED.read_text(encoding="utf-8"))
    read: TypeAdapter[Described] = TypeAdapter(AnyNet)
    return {(read.validate_python(net), size): Complexity(*cost) for net, size, cost in rows}


def write_unnamed(rows: dict[Net, Complexity]) -> None:
    """Make these the golden rows of nets without a name."""
    lines = [
        json.dumps(
            [net.model_dump(mode="json", exclude_defaults=True), size, list(vars(cost).values())]
        )
        for (net, size), cost in rows.items()
    ]
    UNNAMED.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")


@cache
def _bodies() -> dict[Net, Complexity]:
    """All golden rows without the last layer."""
    rows = golden()
    named = {(n.description, n.image_size): rows[key] for key, n in ZOO.items() if key in rows}
    return {body_of(net): cost - _last_layer(net[0]) for net, cost in (named | unnamed()).items()}


def body_of(net: Net) -> Net:
    """The net without its last layer: one for all that cost the same but for that."""
    return alike(net[0]).model_copy(update={"classes": 0}), net[1]


def _last_layer(net: Described) -> Complexity:
    assert not isinstance(net, Foreign)
    return Complexity((net.features + 1) * net.classes, net.features * net.classes)


def known(description: Described, image_size: int) -> Complexity | None:
    """The costs of a net that a golden row tells, None where no row does."""
    body = _bodies().get(body_of((description, image_size)))
    return body and body + _last_layer(description)


def costs(nets: Sequence[Net]) -> dict[Net, Complexity]:
    """Costs of nets: golden rows, and one process for all that have none (a few seconds)."""
    found = {net: known(*net) for net in nets}
    unknown = [net for net, row in found.items() if row is None]
    counted = count(unknown) if unknown else []
    rows = {net: row for net, row in found.items() if row is not None}
    return rows | dict(zip(unknown, counted, strict=True))


def count(nets: Sequence[Net]) -> list[Complexity]:
    """Costs of nets in their order, counted with torch in a process of its own.

    `Impossible` for a net that another library does not have, or that cannot take such images.
    """
    return [Complexity(**row) for row in _ask(nets)]


def layers(net: Net) -> list[list[Any]]:
    """A net's layers as `reslab.counting.layers` lists them, from a process with torch."""
    rows: list[list[Any]] = _ask([net], "--layers")[0]
    return rows


def _ask(nets: Sequence[Net], *options: str) -> list[Any]:
    asked = [
        {"description": description.model_dump(mode="json"), "image_size": size}
        for description, size in nets
    ]
    command = [sys.executable, "-m", "reslab.counting", *options]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    answers: list[Any] = json.loads(done.stdout)
    for net, answer in zip(nets, answers, strict=True):
        if isinstance(answer, str):
            raise Impossible(net, answer)
    return answers
