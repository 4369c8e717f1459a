"""What the bench prints; how fast the machine is, no test can say."""

import re
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.conftest import DECODING
from tests.data.images import encoded, gradient

from benchmarks import photographs as bench


@DECODING
@pytest.mark.process
def test_each_reader_and_the_step_have_a_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    for place in ("train/a", "train/b", "val/a", "val/b"):
        (tmp_path / "photos" / place).mkdir(parents=True)
        for shade in range(4):
            file = tmp_path / "photos" / place / f"{shade}.jpg"
            file.write_bytes(encoded(gradient(shade=shade), "JPEG"))
    data = {"name": "imagefolder", "folder": str(tmp_path / "photos")}
    printed = bench.bench(data, size=32, shorter_side=40, batch=4, seconds=0)
    lines = re.findall(r"^\| (\w.*?) +\| +([\d,]+) \| +([\d.]+) \|$", printed, re.MULTILINE)
    assert [name for name, *_ in lines] == [
        "torchvision's ImageFolder and DataLoader",
        "reslab, from the files",
        "reslab, from the store of shorter side 40",
        "ResNet-18's training step, nothing read",
    ]
    assert lines[0][2] == "1"
    assert all(int(rate.replace(",", "")) > 0 for _, rate, _ in lines)
    assert "32 × 32 pixels, batches of 4, no worker processes, 1 thread, c" in printed


def test_the_first_batch_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.0, 12.0])
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    used: list[int] = []
    batch = torch.zeros(5), torch.zeros(5)
    rate = bench.images_per_second(lambda batch: used.append(1), repeat(batch), seconds=1)
    assert (rate, len(used)) == (3 * 5 / 2, 4)
