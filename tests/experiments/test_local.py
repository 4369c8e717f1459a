"""Runs as processes of this machine: their threads, their GPUs, how nice they are."""

from pathlib import Path

import pytest

from reslab import store
from reslab.execution import Execution
from reslab.experiments import local
from reslab.experiments.slots import Slot

pytestmark = pytest.mark.process


def trained(folder: Path, execution: Execution) -> int:
    """The process of a run in `folder`, which has ended."""
    process, opened = local.train(folder, Slot((), 1), execution)
    with opened:
        process.wait(60)
    return process.pid


@pytest.mark.parametrize(("devices", "threads"), [(1, "4"), (2, "1")])
def test_a_run_goes_on_with_its_threads_unless_its_devices_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int, threads: str
) -> None:
    """Begun on one device with four threads; the slot has one for each process. A place that the
    launcher has among others is not the run's."""
    monkeypatch.setenv("WORLD_SIZE", "8")
    store.append_start(tmp_path, {"devices": 1, "threads": 4})
    script = tmp_path / "train.py"
    script.write_text("import os; print(os.environ['OMP_NUM_THREADS'], 'WORLD_SIZE' in os.environ)")
    monkeypatch.setattr(local, "TRAIN", script)
    trained(tmp_path, Execution(devices))
    assert (tmp_path / store.LOG).read_text().split() == [threads, "False"]


def test_a_run_is_as_nice_as_its_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a session of its own, and Linux shares the CPU among these."""
    nice, script = list[int](), tmp_path / "train.py"
    script.write_text("")
    monkeypatch.setattr(local, "TRAIN", script)
    monkeypatch.setattr(local, "hand_on_niceness", nice.append)
    assert nice == [trained(tmp_path, Execution())]


def test_a_process_gets_its_slots_gpus_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shared = Slot(("2", "3"), 4, runs=3)
    gpu, cpu = (local._environment(slot, None) for slot in (shared, Slot((), 2)))
    assert (gpu["CUDA_VISIBLE_DEVICES"], gpu["RESLAB_RUNS_PER_GPU"]) == ("2,3", "3")
    assert cpu["OMP_NUM_THREADS"] == "2"
    assert not {"CUDA_VISIBLE_DEVICES", "RESLAB_RUNS_PER_GPU"} & cpu.keys()
