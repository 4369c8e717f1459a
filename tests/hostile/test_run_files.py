"""Mutated files of runs, through all that reads them: read, or the damaged one is named."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from tests.conftest import DECODING
from tests.hostile.conftest import Main
from tests.hostile.guard import outcome
from tests.hostile.mutations import LEAVES, damaged, each, texts, trees
from tests.hostile.tensors import TENSORS, saved

pytestmark = DECODING

FILES = (
    "plan.json", "config.yaml", "tracking.json", "env.json", "metrics.jsonl", "result.json",
    "error.json", "eval-ten_crop.json", "last.ckpt", "lock",
    "answers.npz",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One file of an experiment, what it holds now, and who reads it."""

    run: str
    file: Path
    way: str
    content: bytes = field(repr=False)


def doors(script: Main) -> dict[str, Callable[[Path], Callable[[], int]]]:
    """All that reads an experiment, or a run of it, by its name."""
    return {
        "status": lambda _: script("experiment", "status", "tiny"),
        "table": lambda _: script("experiment", "table", "tiny"),
        "compare": lambda _: script("experiment", "compare", "tiny"),
        "curves": lambda _: script("experiment", "figure", "tiny", "--figure=curves"),
        "classes": lambda _: script("experiment", "figure", "tiny", "--figure=class_errors"),
        "plan": lambda _: script("experiment", "run", "tiny", "--dry"),
        "sync": lambda _: script("sync", "tiny", "--dry"),
        "resume": lambda run: script("train", run / "config.yaml"),
        "predict": lambda run: script("predict", "image.png", "--weights", run),
        "export": lambda run: script("export", run, "--to", "safetensors", "runs/x.safetensors"),
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_lines(rows: list[Any]) -> bytes:
    return b"".join(as_json(row) + b"\n" for row in rows)


@pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_damage_is_named_and_costs_no_more_than_it_must(
    cases: int, place: Path, script: Main, finished: Path
) -> None:
    ways = doors(script)
    often = [*ways, "status", "table", "plan", "resume", "status", "table"]
    tiny = place / "runs" / "tiny"
    shutil.copy(finished / "tiny.yaml", place / "configs" / "experiments")
    (place / "image.png").write_bytes(b"no image")

    def content(file: Path) -> st.SearchStrategy[bytes]:
        whole = file.read_bytes()
        match file.suffix:
            case ".ckpt":
                held = torch.load(io.BytesIO(whole), weights_only=True)
                return damaged(whole) | trees(held, (*LEAVES, *TENSORS)).map(saved)
            case ".npz":
                return damaged(whole)
            case ".json":
                return texts([whole.decode()]) | trees(json.loads(whole)).map(as_json)
            case ".jsonl":
                rows = [json.loads(line) for line in whole.splitlines()]
                return texts([whole.decode()]) | trees(rows).map(as_lines)
        return damaged(whole) | texts([whole.decode()])

    @st.composite
    def mutated(draw: Callable[..., Any]) -> Case:
        runs = sorted(path.name for path in finished.iterdir() if path.is_dir())
        run, name = draw(st.sampled_from(runs)), draw(st.sampled_from(FILES))
        file = finished / name if name == "plan.json" else finished / run / name
        drawn = content(file) if file.exists() else st.binary(max_size=20)
        return Case(run, file.relative_to(finished), draw(st.sampled_from(often)), draw(drawn))

    def case(drawn: Case) -> None:
        shutil.rmtree(tiny, ignore_errors=True)
        shutil.copytree(finished, tiny)
        (tiny / drawn.file).write_bytes(drawn.content)
        outcome(ways[drawn.way](tiny / drawn.run), place)

    each(cases, mutated(), case)
