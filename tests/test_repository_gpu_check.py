"""make gpu-check, as far as it can be known without a GPU."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.gpu_check import __main__ as gpu_check
from tests.gpu_check.check import CPU, GPU, Check
from tests.gpu_check.measured import outcomes_in, rates_in
from tests.gpu_check.packing import MPS, Pace, best, form_in, mps, to_measure
from tests.gpu_check.protocol import pack, standing, unpack
from tests.gpu_check.told import is_bad, machine, summary

from reslab.errors import UserError

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(repository: Path) -> Command:
    """`python -m tests.gpu_check` as a process."""

    def call(*words: str, python: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *python, "-m", "tests.gpu_check", *words]
        return subprocess.run(command, cwd=repository, capture_output=True, text=True)

    return call


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """One that has found nothing."""
    return Check(
        CPU, None, "digits", tmp_path, tmp_path / "runs", None, tmp_path, {**os.environ},
        {"parts": {}},
    )  # fmt: skip


@pytest.mark.slow
def test_the_form_for_a_cpu_goes_through_every_part_in_its_time(
    command: Command, tmp_path: Path
) -> None:
    """So short that most of them are stopped; docs/gpu.md tells of one that was not."""
    out, began = tmp_path / "out", time.monotonic()
    words = [f"--out={out}", f"--runs={tmp_path / 'runs'}", f"--archive={out}"]
    answer = command("--cpu", "--seconds=120", *words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert time.monotonic() - began < 120 + 60  # the machine may be busy
    found = json.loads((out / "check.json").read_text())
    assert list(found["parts"]) == ["tests", "training", "packing", "protocol"]
    assert {part["state"] for part in found["parts"].values()} <= {"done", "stopped"}
    assert found["machine"]["torch"] and "card" not in found["machine"]
    assert found["parts"]["packing"]["rows"]
    assert "| packing" in answer.stdout


def test_it_begins_with_python_alone(command: Command) -> None:
    """-S: no package of the environment."""
    assert "--wheels FOLDER" in command("--help", python=("-S",)).stdout


def test_without_a_gpu_the_form_for_a_cpu_has_to_be_asked_for(command: Command) -> None:
    answer = command()
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "lists no GPU that may be used; --cpu runs the form for a CPU" in answer.stderr


def test_a_folder_without_wheels_is_named(command: Command, tmp_path: Path) -> None:
    answer = command("--cpu", f"--wheels={tmp_path}")
    assert answer.returncode == 2
    assert f"WHEELS={tmp_path}: there is no *.whl in it; docs/gpu.md" in answer.stderr


def test_what_is_lacking_is_named_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "NEEDED", ("json", "no_such_module", "nor_this"))
    with pytest.raises(UserError, match="lacks no_such_module, nor_this; WHEELS= is a folder"):
        gpu_check.refuse_lacking({**os.environ})


# ---- processes and their time -------------------------------------------------------------------


def test_a_process_that_does_not_stop_is_killed_when_its_time_is_up(check: Check) -> None:
    ignores = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf');"
        "time.sleep(60)"
    )
    log, began = check.out / "log", time.monotonic()
    assert check.run(["-uc", ignores], began + 2, log) == "stopped"
    assert 1.5 <= time.monotonic() - began < 20
    assert log.read_text() == "deaf\n"


def test_what_became_of_a_process(check: Check) -> None:
    log, until = check.out / "log", time.monotonic() + 60
    assert check.run(["-c", "pass"], until, log) == "done"
    assert check.run(["-c", "raise SystemExit(3)"], until, log) == "exit code 3"
    assert check.run(["-c", "import time; time.sleep(60)"], until, log, lambda: True) == "done"


def test_a_parts_share_grows_by_what_those_before_it_left(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, float] = {}

    def part(name: str) -> Callable[[Check, float], dict[str, Any]]:
        def noted(_: Check, until: float) -> dict[str, Any]:
            given[name] = until - time.monotonic()
            return {"state": "done"}

        return noted

    monkeypatch.setattr(gpu_check, "PARTS", {"a": (0.1, part("a")), "b": (0.3, part("b"))})
    assert gpu_check.check_all(check, ["a", "b"], 100)
    assert given == {"a": pytest.approx(25, abs=1), "b": pytest.approx(100, abs=1)}


# ---- what is found ------------------------------------------------------------------------------


def test_outcomes_are_read_while_pytest_goes_on() -> None:
    printed = (
        "tests/a.py::test_one[cuda] PASSED    [ 25%]\n"
        "[gw3] [ 50%] FAILED tests/a.py::test_two[cuda] \n"
        "tests/a.py::test_three SKIPPED (no GPU: FAILED to find one) [ 75%]\n"
        "tests/a.py::test_four "
        "\n=== short test summary info ===\nFAILED tests/a.py::test_two[cuda] - assert"
    )
    assert outcomes_in(printed) == {
        "tests/a.py::test_one[cuda]": "passed",
        "tests/a.py::test_two[cuda]": "failed",
        "tests/a.py::test_three": "skipped",
        "tests/a.py::test_four": "begun",
    }


def step_to(runs: Path, name: str, step: int) -> None:
    """A run has a row of that step, and half of another."""
    folder = runs / "experiment" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text(f'{{"step": {step}}}\n{{"step": 9')


def test_a_rate_is_of_all_runs_while_all_of_them_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs, seen at seconds 10 to 14: 30 and 20 steps from when both had begun until one ended,
    in two seconds."""
    now = 10.0
    monkeypatch.setattr("tests.gpu_check.packing.time.monotonic", lambda: now)
    pace = Pace(tmp_path, 2, 50)
    assert not pace()
    step_to(tmp_path, "a", 10)
    assert not pace() and pace.rate is None
    now = 12.0
    step_to(tmp_path, "a", 20)
    step_to(tmp_path, "b", 5)
    assert not pace() and pace.rate is None
    now = 14.0
    step_to(tmp_path, "a", 50)
    step_to(tmp_path, "b", 25)
    assert pace() and pace.rate == 25


def test_packed_runs_share_a_gpu_with_and_without_mps_where_it_is_at_hand(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that writes down how it is called stands for NVIDIA's."""
    assert [row["mps"] for row in to_measure(check)] == [False, False]
    daemon = tmp_path / "bin" / MPS
    daemon.parent.mkdir()
    daemon.write_text(
        '#!/bin/sh\necho "$1" >>"$CUDA_MPS_LOG_DIRECTORY/called"\n'
        '[ "$1" ] || cat >>"$CUDA_MPS_LOG_DIRECTORY/called"\n'
    )
    daemon.chmod(0o755)
    monkeypatch.setenv("PATH", str(daemon.parent), prepend=os.pathsep)
    on_a_gpu = replace(check, form=GPU, gpu="0", environment={**os.environ})
    rows = [(row["runs"], row["precision"], row["mps"]) for row in to_measure(on_a_gpu)]
    assert rows[:3] == [(1, "tf32", False), (8, "tf32", False), (8, "tf32", True)]
    assert rows[-2:] == [(1, "bf16-mixed", False), (1, "32-true", False)]
    with mps(on_a_gpu, True) as environment:
        called = Path(environment["CUDA_MPS_LOG_DIRECTORY"], "called")
        assert called.read_text() == "-d\n"
    assert called.read_text() == "-d\n\nquit\n"
    with mps(on_a_gpu, False) as environment:
        assert environment == {}


def test_how_packed_runs_step_is_what_their_first_start_says(tmp_path: Path) -> None:
    assert form_in(tmp_path) is None
    step_to(tmp_path, "a", 1)
    (tmp_path / "experiment" / "a" / "env.json").write_text('[{"form": "cuda graphs"}]')
    assert form_in(tmp_path) == "cuda graphs"


def test_the_best_packing_is_the_fastest_in_the_first_precision() -> None:
    rows = [
        {"runs": runs, "precision": precision, "steps_per_second": rate}
        for runs, precision, rate in [
            (1, "tf32", 10.0), (8, "tf32", 40.0), (16, "tf32", None), (1, "bf16-mixed", 50.0),
        ]
    ]  # fmt: skip
    assert best({"rows": rows}) == rows[1]
    assert best({"rows": []}) is best({}) is None


def test_archived_runs_go_on_elsewhere(tmp_path: Path) -> None:
    """Files of 10 MB: none of the archives is larger than 15 MiB; what is there is not replaced."""
    here, there, archive = (tmp_path / name for name in ("here", "there", "archive"))
    for folder in (archive, there):
        folder.mkdir()
    for name in ("a", "b", "c"):
        step_to(here, name, 7)
        (here / "experiment" / name / "last.ckpt").write_bytes(name.encode() * 10_000_000)
    pack(here, archive)
    pack(here, archive)
    assert sorted(file.name for file in archive.iterdir()) == [f"runs-{n}.zip" for n in (1, 2, 3)]
    assert max(file.stat().st_size for file in archive.iterdir()) < 16 << 20
    for file in archive.iterdir():
        file.rename(there / file.name)
    step_to(there, "b", 8)
    unpack(there)
    assert (there / "experiment/a/metrics.jsonl").read_text().startswith('{"step": 7}')
    assert (there / "experiment/b/metrics.jsonl").read_text().startswith('{"step": 8}')
    assert (there / "experiment/c/last.ckpt").read_bytes() == b"c" * 10_000_000


def test_how_far_runs_are_is_read_of_their_files(tmp_path: Path) -> None:
    runs = tmp_path / "plain_vs_residual"
    step_to(tmp_path, "x", 1)  # of another experiment
    (tmp_path / "experiment").rename(runs)
    step_to(tmp_path, "y", 4)
    done = {
        "status": "done",
        "seconds": 3.5,
        "train": {"top1_error": 1.0},
        "test": {"top1_error": 8.5},
    }
    (runs / "x" / "result.json").write_text(json.dumps(done))
    assert standing(tmp_path) == {
        "x": {"step": 1, "status": "done", "seconds": 3.5, "train_error": 1.0, "test_error": 8.5}
    }


def test_the_last_table_says_what_failed_and_what_was_left_out() -> None:
    rows = [{"runs": 4, "precision": "tf32", "mps": True, "steps_per_second": 812.5}]
    row = {"rates": [900.0, 1200.0], "idle_share": 0.25}
    benchmark = {"cases": {"tiny": {"rows": {"reslab": row, "usual": {}}}}}
    parts = {
        "tests": {"state": "exit code 1", "tests": {"t::a": "passed", "t::b": "failed"}},
        "training": {"state": "stopped", "rates": rates_in(benchmark)},
        "packing": {"state": "done", "rows": rows},
        "protocol": {"state": "left out", "why": "CIFAR-10 is not there"},
    }
    for part in parts.values():
        part["seconds"] = 61.0
    lines = summary({"parts": parts}).splitlines()
    assert "1 passed, 1 failed; t::b" in lines[2]
    assert "tiny, reslab: 1,050 images/s, GPU idle 25%" in lines[3]
    assert "4 × tf32 with MPS: 812.5 steps/s" in lines[4]
    assert "left out" in lines[5] and "CIFAR-10 is not there" in lines[5]
    assert [is_bad(part) for part in parts.values()] == [True, False, False, False]


def test_the_machine_says_which_libraries_it_has() -> None:
    told = machine(None)
    assert told["torch"] and told["cores"] >= 1 and "card" not in told
