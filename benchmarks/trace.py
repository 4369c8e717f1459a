"""What a profiler's trace says of a GPU: for how much of the time it had nothing to do."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BUSY = {"kernel", "gpu_memcpy", "gpu_memset"}
"""What torch's profiler calls work of the GPU, in `cat`."""


def idle_share(trace: dict[str, Any]) -> float | None:
    """The part of the time from the first work of the GPU to the end of its last in which none ran,
    in [0, 1); None where a trace, Chrome's format, has no such work.

    Streams count together: where one works, the GPU is not idle.
    """
    spans = [
        (float(event["ts"]), float(event["ts"]) + float(event["dur"]))
        for event in trace["traceEvents"]
        if event.get("cat") in BUSY
    ]
    if not spans:
        return None
    whole = max(end for _, end in spans) - min(start for start, _ in spans)
    return 1 - _covered(spans) / whole if whole else 0.0


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of what spans cover, however they overlap."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def read_trace(file: Path) -> dict[str, Any]:
    """A trace that torch's profiler has exported."""
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found
