"""Small runs on real digits: a net of eight layers, some dozens of steps, seconds each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reslab import store
from reslab.config import dump_yaml, merge, resolve

SMALL = {
    "model": "resnet8_w8",
    "data": "digits",
    "recipe": {"name": "digits", "steps": 40, "batch_size": 32, "schedule.milestones": [20, 30]},
}
"""One evaluation every 38 steps, one training row a step."""

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run("name", {"recipe.steps": 10})`: a prepared run folder; returns its config file."""

    def make(name: str, override: dict[str, Any] | None = None) -> Path:
        config = resolve(merge(merge(SMALL, {}), override or {}), name)
        folder = tmp_path / "runs" / "test" / f"{name}-s{config.seed}-{config.run_id}"
        store.prepare(folder, dump_yaml(config.model_dump(mode="json")), {"name": name})
        return folder / store.CONFIG

    return make
