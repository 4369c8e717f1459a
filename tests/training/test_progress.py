"""What a run says of itself while it trains."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reslab.training.progress import Progress
from reslab.training.record import Record


def test_without_a_terminal_each_evaluation_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Record(tmp_path)
    record.latest = {"step": 20, "train_top1_error": 12.5, "test_top1_error": 25.0}
    progress, module = Progress(record, batch_size=32), SimpleNamespace()
    trainer: Any = SimpleNamespace(global_step=0, max_steps=1000, is_global_zero=True)
    progress.on_train_start(trainer, module)
    trainer.global_step = 20
    progress.on_train_batch_end(trainer, module, None, None, 0)
    progress.on_validation_end(trainer, module)
    progress.on_train_end(trainer, module)
    line = capsys.readouterr().out
    assert re.match(r"step 20 of 1,000  about \d+ s left  ", line)
    assert line.endswith("images/s  train 12.50 % test 25.00 % (top-1 error)\n")


def test_without_a_terminal_a_line_comes_at_least_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps of 10 s, 1,000 of them, evaluated for two minutes after the tenth."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress, module = Progress(Record(tmp_path), batch_size=32), SimpleNamespace()
    trainer: Any = SimpleNamespace(global_step=0, max_steps=1000, is_global_zero=True)
    progress.on_train_start(trainer, module)
    for trainer.global_step in range(1, 11):
        now += 10
        progress.on_train_batch_end(trainer, module, None, None, 0)
    for _ in range(24):
        now += 5
        progress.on_validation_batch_end(trainer, module, None, None, 0)
    assert capsys.readouterr().out.splitlines() == [
        "step 5 of 1,000  about 2.8 h left  3 images/s",
        "step 10 of 1,000  about 2.8 h left  3 images/s",
        "step 10 of 1,000  about 4.0 h left  2 images/s  evaluating",
        "step 10 of 1,000  about 5.2 h left  2 images/s  evaluating",
    ]
    trainer.is_global_zero, now = False, now + 1000
    progress.on_test_batch_end(trainer, module, None, None, 0)
    assert capsys.readouterr().out == "", "one process speaks"
