"""Golden costs of the zoo's nets, for whoever must not import torch to know them.

complexities.json has one row per name; `scripts/models.py --write` counts it anew. A row holds for
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

from reslab.config.nets import DenseNet, Described, Foreign, ResNet
from reslab.config.zoo import ZOO
from reslab.errors import UserError

GOLDEN = Path(__file__).with_name("complexities.json")

Net = tuple[Described, int]
"""A description and the side of its square images in pixels."""


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
        "activation", "dropout", "gate", "gate_bias", "init", "scale", "scale_init",
        "shortcut_dropout", "survival", "zero_gamma", "zeros",
    ]
)  # fmt: skip
"""Fields of nets that change neither parameters nor multiply-adds."""


def _last_layer(features: int, classes: int) -> Complexity:
    return Complexity((features + 1) * classes, features * classes)


def _alike(net: ResNet | DenseNet) -> ResNet | DenseNet:
    """One net for all that cost the same, whatever their number of classes."""
    fields = type(net).model_fields
    same = {name: fields[name].default for name in COSTS_NOTHING & set(fields)}
    if isinstance(net, ResNet) and net.shortcut in ("none", "scaled", "dropout"):
        same["shortcut"] = "A"  # none of them has parameters
    return net.model_copy(update={**same, "classes": 0})


@cache
def _bodies() -> dict[tuple[ResNet | DenseNet, int], Complexity]:
    """The golden rows without the last layer."""
    rows = golden()
    return {
        (_alike(net.description), net.image_size): rows[name]
        - _last_layer(net.description.features, net.description.classes)
        for name, net in ZOO.items()
        if name in rows
    }


def known(description: Described, image_size: int) -> Complexity | None:
    """The costs of a net that a golden row tells, None where no row does."""
    if isinstance(description, Foreign):
        return None
    body = _bodies().get((_alike(description), image_size))
    return body and body + _last_layer(description.features, description.classes)


def costs(nets: Sequence[Net]) -> dict[Net, Complexity]:
    """Costs of nets: golden rows, and one process for all that have none (a few seconds)."""
    found = {net: known(*net) for net in nets}
    unknown = [net for net, row in found.items() if row is None]
    counted = count(unknown) if unknown else []
    rows = {net: row for net, row in found.items() if row is not None}
    return rows | dict(zip(unknown, counted, strict=True))


def count(nets: Sequence[Net]) -> list[Complexity]:
    """Costs of nets in their order, counted with torch in a process of its own.

    `UserError` for a net that another library does not have.
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
    if done.returncode == 2:
        raise UserError(done.stderr.strip().removeprefix("error: "))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    answers: list[Any] = json.loads(done.stdout)
    return answers
