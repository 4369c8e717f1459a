"""Cores and GPUs are counted as a run will see them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from reslab.machine import (
    Gpu,
    available_cores,
    gpu,
    is_shared_by_mps,
    processor_name,
    visible_gpus,
    why_nothing_compiles,
)


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("0", ["0"]),
        ("2,0", ["2", "0"]),
        (" 0 , 1 ", ["0", "1"]),
        ("GPU-8932f937,MIG-3", ["GPU-8932f937", "MIG-3"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_gpus_are_named_as_cuda_reads_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, names: list[str]
) -> None:
    """CUDA ignores what stands after the first name that is none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("code", "output", "names"),
    [(0, "0\n1\n", ["0", "1"]), (9, "NVIDIA-SMI has failed\n", []), (6, "No devices\n", [])],
)
def test_without_that_variable_the_driver_is_asked(
    monkeypatch: pytest.MonkeyPatch, code: int, output: str, names: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    answer = SimpleNamespace(returncode=code, stdout=output)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert visible_gpus() == names


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert visible_gpus() == []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`programs(name, script)`: the only ones on the PATH, but for the shell's own."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return write


SMI = """
case "$*" in
  "--query-gpu=index --format=csv,noheader") echo 0; echo 1;;
  "--id=1 --query-gpu=name,memory.free --format=csv,noheader,nounits") echo "NVIDIA A10, 22000";;
  *) echo "No devices were found"; exit 6;;
esac"""


@pytest.mark.process
def test_a_driver_tells_a_gpus_name_and_free_memory(
    programs: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu("1") is None, "without a driver"
    programs("nvidia-smi", SMI)
    assert visible_gpus() == ["0", "1"]
    assert gpu("1") == Gpu("NVIDIA A10", 22_000 * 2**20)
    assert gpu("MIG-3") is None


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "runs"),
    [
        ("read question; [ $question = get_default_active_thread_percentage ] && echo 100.0", True),
        ("echo Cannot find MPS control daemon process; exit 1", False),
        ("echo Cannot find MPS control daemon process", False),
    ],
)
def test_mps_runs_where_its_daemon_answers(
    programs: Callable[[str, str], None], script: str, runs: bool
) -> None:
    assert not is_shared_by_mps(), "without the program"
    programs("nvidia-cuda-mps-control", script)
    assert is_shared_by_mps() == runs


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


def test_a_processor_has_a_name() -> None:
    assert processor_name().strip() == processor_name() != ""


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("no-such-compiler", "torch.compile finds no C++ compiler (g++, or what CXX names)"),
        ("false", "the C++ compiler does not work: ended with exit code 1"),
        ("true", None),
    ],
)
def test_a_compiler_has_to_be_there_and_to_work(
    monkeypatch: pytest.MonkeyPatch, compiler: str, reason: str | None
) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert why_nothing_compiles() == reason


def test_a_compiler_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plan may have ten thousand runs that could be compiled."""
    script, calls = tmp_path / "c++", tmp_path / "calls"
    script.write_text(f"#!/bin/sh\necho >> {calls}\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    assert [why_nothing_compiles() for _ in range(3)] == [None] * 3
    assert calls.read_text().count("\n") == 1
