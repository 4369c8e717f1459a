"""The least that `result.json` says of a run."""

from typing import Any

DONE: dict[str, Any] = {
    "status": "done",
    "step": 400,
    "train": {"top1_error": 1.0},
    "test": {"top1_error": 2.0},
}
DIVERGED: dict[str, Any] = {"status": "diverged", "step": 20}
