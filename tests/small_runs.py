"""Small runs on real digits: a net of eight layers, some dozens of steps, seconds each."""

import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from reslab import build, load, store
from reslab.config.resolve import read_run, resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.data.modules import data_module
from reslab.data.normalize import Normalization
from reslab.training import checkpointing, chunks
from reslab.weights.about import About
from reslab.weights.files import write_safetensors

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
        store.make_folder(folder, config, {"name": name})
        return folder / store.CONFIG

    return make


def weights(config: Path) -> dict[str, torch.Tensor]:
    """The state of a run's net, from the checkpoint beside its config file."""
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    return dict(held["state_dict"])


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@torch.no_grad()
def wrong_again(config: Path) -> list[bool]:
    """Which images of its test split a run's net gets wrong, evaluated once more."""
    data, net = data_module(read_run(config)), load(config.parent)
    data.setup()
    seen = [net(images).argmax(1) != targets for images, targets in data.val_dataloader()]
    wrong: list[bool] = torch.cat(seen).tolist()
    return wrong


def write_weights(
    file: Path, config: RunConfig, normalization: Normalization, class_names: tuple[str, ...]
) -> Path:
    """Weights of a run that was never trained, as safetensors; its norms have statistics."""
    net = build(config.model)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    write_safetensors(file, net.state_dict(), About(config, normalization, class_names))
    return file


@pytest.fixture
def digit_weights(tmp_path: Path) -> Path:
    """`write_weights` for a net of digits, with a mean image and classes a … j."""
    mean = torch.rand(1, 8, 8)
    normalization = Normalization("pixel_mean", mean, torch.ones(1, 1, 1))
    config = resolve(merge(SMALL, {}), "a net of digits")
    return write_weights(tmp_path / "net.safetensors", config, normalization, tuple("abcdefghij"))


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Runs that come to this step save there and stop, as if they had got SIGTERM."""
    due = chunks.next_due_of

    def due_there_too(config: RunConfig, interval: int, examples: int, steps: int) -> int:
        usual = due(config, interval, examples, steps)
        return min(usual, step) if steps < step else usual

    saved = checkpointing.Checkpoint.on_train_batch_end

    def save_and_stop(self: Any, trainer: Any, *more: Any, **named: Any) -> None:
        if trainer.global_step == step and self.saved_step < step:
            self.stop_signal = 15
        saved(self, trainer, *more, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(checkpointing.Checkpoint, "on_train_batch_end", save_and_stop)
        patched.setattr(chunks, "next_due_of", due_there_too)
        yield


Script = Callable[..., tuple[int, str, str]]


@pytest.fixture
def script(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Script:
    """`script("predict.py", …)` as from the command line: exit code, stdout, stderr."""

    def run(name: str, *words: str | Path) -> tuple[int, str, str]:
        file = str(repository / "scripts" / name)
        monkeypatch.setattr(sys, "argv", [file, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(file, run_name="__main__")
        return int(ended.value.code or 0), *capsys.readouterr()

    return run
