"""Cores and GPUs are counted as a run will see them."""

import subprocess
from types import SimpleNamespace

import pytest

from reslab.machine import available_cores, ending, visible_gpus


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


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "ended with exit code 3"),
        (-9, "killed by signal 9 (SIGKILL: most likely memory ran out"),
        (-7, "(SIGBUS: most likely the disk or shared memory"),
        (-11, "(SIGSEGV: a fault in a library's own code"),
        (-28, "killed by signal 28 (SIGWINCH)"),
        (-99, "killed by signal 99"),
    ],
)
def test_a_signal_is_named_with_its_likely_cause(code: int, words: str) -> None:
    assert words in ending(code)
