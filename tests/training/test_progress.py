"""What a run says of itself while it trains."""

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
    assert line.startswith("step 20 of 1,000  ")
    assert line.endswith("images/s  train 12.50 % test 25.00 % (top-1 error)\n")
