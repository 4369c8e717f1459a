"""`times.json` of a run's folder: seconds of training until each evaluation, by its step."""

from pathlib import Path

from pydantic import TypeAdapter

from reslab import disk
from reslab.config.description import NonNegativeFloat, NonNegativeInt
from reslab.disk import Shape

TIMES = "times.json"

Times = dict[int, float]
"""Seconds by steps."""

SHAPE: Shape = TypeAdapter(dict[NonNegativeInt, NonNegativeFloat])


def read_times(folder: Path) -> Times:
    """Those of a run; none of one from before they were kept. `UserError` for a damaged file."""
    found = disk.read_json(folder / TIMES, SHAPE) or {}
    return {int(step): seconds for step, seconds in found.items()}


def write_times(folder: Path, times: Times) -> None:
    """Put them in the place of those that are there."""
    disk.write_json(folder / TIMES, times)
