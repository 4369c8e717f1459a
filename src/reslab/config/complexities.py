"""Golden costs of the zoo's nets, for whoever must not import torch to know them.

complexities.json has one row per name; `scripts/models.py --write` counts it anew. Nets without a
row are counted by one process with torch (`python -m reslab.counting`).
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reslab.config.nets import Described
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


@cache
def golden() -> dict[str, Complexity]:
    """The golden rows by name; each holds at its zoo entry's image size."""
    rows = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return {name: Complexity(**row) for name, row in rows.items()}


@cache
def _rows() -> dict[Net, Complexity]:
    rows = golden()
    return {(net.description, net.image_size): rows[k] for k, net in ZOO.items() if k in rows}


def known(description: Described, image_size: int) -> Complexity | None:
    """The golden row of the zoo's net that equals `description` at this image size."""
    return _rows().get((description, image_size))


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
