"""The launcher with real processes: it finishes what it began, however it was stopped before."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.experiments.jobs import digits, launched
from tests.results import DONE

from reslab import disk, store
from reslab.execution import Execution
from reslab.experiments import launch, local
from reslab.experiments.jobs import Job
from reslab.experiments.launch import _terminable
from reslab.experiments.overview import Overview
from reslab.experiments.slots import Slot

pytestmark = pytest.mark.process

STEPS = 900
"""Some seconds of training: long enough to be stopped in the middle."""


class Laboratory:
    """A folder of runs, and the command that trains two seeds of one small net in it."""

    def __init__(self, repository: Path, runs: Path) -> None:
        self.runs = runs
        self.script = repository / "scripts" / "experiment.py"
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *more: str, steps: int = STEPS) -> subprocess.Popen[str]:
        command = [sys.executable, str(self.script), "train", "--model=resnet8_w8"]
        options = ["--data=digits", "--recipe=digits", "--seeds=2", f"--budget={steps / 400}"]
        process = subprocess.Popen(
            [*command, *options, *more],
            env={**os.environ, "RESLAB_RUNS": str(self.runs), "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=300)
        self.started.remove(process)
        return output

    def run(self, *more: str, steps: int = STEPS) -> str:
        process = self.start(*more, steps=steps)
        output = self.finish(process)
        assert process.returncode == 0, output
        return output

    def folders(self) -> list[Path]:
        return sorted(path.parent for path in self.runs.glob(f"*/*/{store.CONFIG}"))

    def states(self) -> list[store.State]:
        return [store.state(folder) for folder in self.folders()]

    def wait_until(self, true: Callable[[], bool], what: str, patience: float = 120) -> None:
        deadline = time.monotonic() + patience
        while not true():
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.05)

    def wait_for_step(self, step: int) -> None:
        """Until every run has passed a step."""
        self.wait_until(
            lambda: (
                len(self.folders()) == 2
                and all(store.last_step(folder) >= step for folder in self.folders())
            ),
            f"step {step} of both runs",
        )

    def processes(self) -> list[str]:
        """Every process that knows this folder of runs from its command line."""
        listed = subprocess.run(
            ["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True
        )
        return [line for line in listed.stdout.splitlines() if str(self.runs) in line]

    def descendants(self) -> dict[int, str]:
        """Every process that has inherited this folder of runs, whatever its group and session."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"RESLAB_RUNS={self.runs}".encode() in (path / "environ").read_bytes():
                    found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        return found

    def weights(self) -> list[dict[str, torch.Tensor]]:
        paths = [folder / store.CHECKPOINT for folder in self.folders()]
        return [torch.load(path, weights_only=True)["state_dict"] for path in paths]


@pytest.fixture
def laboratory(repository: Path, tmp_path: Path) -> Iterator[Laboratory]:
    made = Laboratory(repository, tmp_path / "here")
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def undisturbed_run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """The same two runs without any disturbance."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WANDB_MODE", "disabled")
        patched.setenv("PYTHONPATH", str(repository / "src"))
        made = Laboratory(repository, tmp_path_factory.mktemp("undisturbed") / "runs")
        made.run()
    return made


def assert_equal(one: Laboratory, other: Laboratory) -> None:
    """Bit for bit the same weights, and the same rows of metrics, none twice."""
    assert one.states() == other.states() == ["done", "done"]
    for a, b in zip(one.weights(), other.weights(), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    for a, b in zip(one.folders(), other.folders(), strict=True):
        assert store.read_metrics(a) == store.read_metrics(b)


def test_a_second_call_trains_nothing_and_says_so(laboratory: Laboratory) -> None:
    first = laboratory.run(steps=20)
    assert "2 of 2 runs to do" in first
    assert "| resnet8_w8 " in first
    before = [(folder / store.RESULT).stat().st_mtime_ns for folder in laboratory.folders()]
    second = laboratory.run(steps=20)
    assert "all 2 runs are final: nothing to train" in second
    after = [(folder / store.RESULT).stat().st_mtime_ns for folder in laboratory.folders()]
    assert before == after
    table = [line for line in second.splitlines() if line.startswith("| resnet8_w8")]
    assert table == [line for line in first.splitlines() if line.startswith("| resnet8_w8")]


def test_a_run_killed_in_the_middle_is_reported_and_resumes_bit_for_bit(
    laboratory: Laboratory, undisturbed_run: Laboratory
) -> None:
    launcher = laboratory.start()
    laboratory.wait_for_step(60)
    victim = laboratory.folders()[0]
    os.kill(disk.read_json(victim / store.ENV)[-1]["pid"], signal.SIGKILL)
    output = laboratory.finish(launcher)
    assert launcher.returncode == 1
    assert "killed by signal 9 (SIGKILL: most likely memory ran out" in output
    assert f"{victim} failed" in output
    assert laboratory.states() == ["crashed", "done"]
    laboratory.run()
    assert [e["resumed"] for e in disk.read_json(victim / store.ENV)] == [False, True]
    assert_equal(laboratory, undisturbed_run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_all_runs_which_resume_bit_for_bit(
    laboratory: Laboratory, undisturbed_run: Laboratory, number: int
) -> None:
    launcher = laboratory.start()
    laboratory.wait_for_step(60)
    launcher.send_signal(number)
    output = laboratory.finish(launcher)
    assert launcher.returncode == 130, output
    assert laboratory.states() == ["interrupted", "interrupted"]
    assert laboratory.processes() == []
    laboratory.run()
    assert_equal(laboratory, undisturbed_run)


def test_a_run_that_another_launcher_has_is_tried_again_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that one's run was stopped before this one looks: nobody holds it."""
    script = tmp_path / "train.py"
    script.write_text(f"import sys; sys.exit({store.BUSY})")
    monkeypatch.setattr(local, "TRAIN", script)
    store.append_start(tmp_path, {"devices": 1, "threads": 1})
    job, slot, pending = digits(tmp_path), Slot((), 1), deque[Job]()
    here = local.Local([slot], Execution())
    assert here.start(deque([job])) == {}
    here.runs[0].process.wait(60)
    [ended] = here.ended()
    assert launch._close(ended, pending, Overview([job], slot)) == {}
    assert list(pending) == [job]
    assert store.state(tmp_path) == "interrupted"


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs whose runs are done at once."""
    script = tmp_path / "train.py"
    script.write_text(
        "import json, pathlib, sys\n"
        f"pathlib.Path(sys.argv[1]).with_name('result.json').write_text({json.dumps(DONE)!r})"
    )
    monkeypatch.setattr(local, "TRAIN", script)
    jobs = [digits(tmp_path / name) for name in "abc"]
    for job in jobs:
        job.folder.mkdir()
    return jobs


def test_a_run_that_cannot_be_started_fails_alone(three: list[Job]) -> None:
    """One whose folder has gone, and one whose starts are not known any more."""
    gone, damaged, whole = three
    gone.folder.rmdir()
    (damaged.folder / store.ENV).write_text("[{")
    failed = launched(three, [Slot((), 1)], Execution())
    assert list(failed) == [gone, damaged]
    assert "its folder is gone" in failed[gone]
    assert f"{damaged.folder / store.ENV} is damaged: line 1" in failed[damaged]
    assert store.state(whole.folder) == "done"


def test_what_there_is_no_room_for_is_not_started_and_told_once(
    three: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    failed = launched(three, [Slot((), 1)], Execution())
    told = launch.failures(failed)
    assert told.startswith(f"{three[0].folder} and 2 other runs failed: it was not started: ")
    assert "has 1 MB left, and the run will write up to 2 MB" in told
    assert [store.state(job.folder) for job in three] == ["pending"] * 3


def test_a_damaged_result_is_left_as_it_is_and_fails_its_run_alone(laboratory: Laboratory) -> None:
    laboratory.run(steps=20)
    damaged, whole = laboratory.folders()
    for folder in (damaged, whole):
        (folder / store.RESULT).write_text("{")
    (whole / store.RESULT).unlink()
    launcher = laboratory.start(steps=20)
    output = laboratory.finish(launcher)
    assert launcher.returncode == 1
    assert f"{damaged} failed: {damaged / store.RESULT} is damaged: line 1: " in output
    assert laboratory.states() == ["damaged", "done"]
    assert (damaged / store.RESULT).read_text() == "{"
    assert "Traceback" not in output


def test_a_launcher_that_is_told_to_ignore_hang_ups_does_so() -> None:
    """As nohup does; without it a hang-up is as Ctrl-C."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with _terminable():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt), _terminable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nothing_is_left_of_a_launcher_that_is_killed(laboratory: Laboratory) -> None:
    launcher = laboratory.start()
    laboratory.wait_for_step(60)
    assert len(laboratory.processes()) == 2
    launcher.kill()
    laboratory.wait_until(lambda: not laboratory.processes(), "all processes gone", 20)
    stopped = ["interrupted", "interrupted"]
    laboratory.wait_until(lambda: laboratory.states() == stopped, "both runs interrupted", 5)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_run_in_two_processes(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Of its supervisor, its ranks and W&B's helper, which has a session of its own."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    launcher = laboratory.start("--devices=2", "--seeds=1", steps=6000)
    laboratory.wait_until(
        lambda: any(store.last_step(folder) > 0 for folder in laboratory.folders()), "a step"
    )
    assert len(laboratory.processes()) == 3  # of the run
    assert any("wandb" in command for command in laboratory.descendants().values())
    launcher.send_signal(number)
    launcher.wait(60)
    laboratory.wait_until(lambda: not laboratory.descendants(), "all processes gone", 30)
    assert laboratory.states() == ["interrupted"]


def test_two_launchers_never_train_the_same_run(laboratory: Laboratory) -> None:
    launchers = [laboratory.start(steps=200), laboratory.start(steps=200)]
    outputs = [laboratory.finish(launcher) for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [0, 0], outputs
    assert laboratory.states() == ["done", "done"]
    for folder in laboratory.folders():
        assert len(disk.read_json(folder / store.ENV)) == 1
    assert all("2/2" in output for output in outputs)


def test_two_processes_share_a_run_and_count_every_example_once(laboratory: Laboratory) -> None:
    laboratory.run("--devices=2", steps=20)
    for folder in laboratory.folders():
        result = store.read_result(folder)
        assert result is not None
        assert (result["train"]["examples"], result["test"]["examples"]) == (1437, 360)
        assert result["normalization_batch"] == 32
        (start,) = disk.read_json(folder / store.ENV)
        assert start["devices"] == 2
    assert laboratory.processes() == []


def delete_under_way(folder: Path) -> None:
    """Deletes a folder into which a process writes: a file may be new while the others go."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def test_a_run_whose_folder_is_deleted_under_way_fails_alone(laboratory: Laboratory) -> None:
    launcher = laboratory.start(steps=200)
    laboratory.wait_for_step(1)
    gone, other = laboratory.folders()
    delete_under_way(gone)
    output = laboratory.finish(launcher)
    assert launcher.returncode == 1
    assert f"{gone} failed: " in output and "its folder is gone" in output
    assert store.state(other) == "done"
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_others(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config that somebody has spoiled: its run fails with a reason, the other one is trained."""
    laboratory.run(steps=20)
    spoiled, whole = laboratory.folders()
    for folder in (spoiled, whole):
        (folder / store.RESULT).unlink()
    (spoiled / store.CHECKPOINT).write_bytes(b"not a checkpoint")
    launcher = laboratory.start(steps=20)
    output = laboratory.finish(launcher)
    assert launcher.returncode == 1
    assert laboratory.states() == ["crashed", "done"]
    assert f"{spoiled} failed: {spoiled / store.CHECKPOINT} is damaged: " in output
    assert "or remove it: the run then begins again" in output
    assert "Traceback" not in output
    assert "the same command tries them again" in output
