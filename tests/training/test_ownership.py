"""A run that has been taken over on another machine: its owner of before writes nothing more."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.machines import be_silent, machine, taken_over
from tests.small_runs import MakeRun

from reslab import disk, store
from reslab.training import classifier, diagnostics, run
from reslab.training.start import start

pytestmark = pytest.mark.process


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """A run's files, and when they changed."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in paths if not path.name.startswith(".last.ckpt."))  # half written
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept}


def after(function: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def both(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        then()
        return result

    return both


PLACES: dict[str, tuple[object, str, int]] = {
    "before it begins": (run, "make_trainer", 1),
    "in a step": (classifier.Classifier, "training_step", 5),
    "while it measures": (diagnostics, "gradient_norms", 2),
    "as it has written a checkpoint": (torch, "save", 2),
    "in the last evaluation": (classifier.Classifier, "test_step", 1),
    "before its result": (run, "leave_together", 1),
}
"""A function after whose so many-th call an owner is stopped, taken over and woken."""


@pytest.mark.parametrize("place", PLACES)
def test_an_owner_that_is_stopped_taken_over_and_woken_writes_nothing(
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    config = make_run("a", {"diagnostics": True})
    folder, calls = config.parent, []
    whole = dict[str, tuple[int, bytes]]()

    with ExitStack() as elsewhere:

        def sleep() -> None:
            calls.append(place)
            if len(calls) == PLACES[place][2]:
                elsewhere.enter_context(taken_over(folder))
                whole.update(contents(folder))

        where, name, _ = PLACES[place]
        monkeypatch.setattr(where, name, after(getattr(where, name), sleep))
        assert start(config) == store.BUSY
        assert len(calls) >= PLACES[place][2]
        assert contents(folder) == whole
        assert store.state(folder) == "running"
    assert f"{folder} is another's now (another process: {os.getpid()} on node8)" in (
        capsys.readouterr().out
    )


def test_an_error_of_an_owner_that_was_taken_over_is_not_the_runs(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its connections have broken meanwhile."""
    config = make_run("a")
    with ExitStack() as elsewhere:

        def fail(*_: object) -> None:
            elsewhere.enter_context(taken_over(config.parent))
            raise RuntimeError("connection reset by peer")

        monkeypatch.setattr(run, "materialise", fail)
        assert start(config) == store.BUSY
        assert store.state(config.parent) == "running"
    assert not store.read_error(config.parent)


def test_who_takes_over_says_so_and_ends_as_the_undisturbed_run(make_run: MakeRun) -> None:
    """Its owner has vanished with its machine: nobody let go of the lock."""
    short = {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]}
    config, whole = make_run("a", short), make_run("whole", short)
    with store.lock(config.parent), machine("node8"):
        assert start(config) == store.BUSY
        be_silent(config.parent)
        assert store.state(config.parent) == "pending"
        assert start(config) == 0
    start(whole)
    assert store.read_metrics(config.parent) == store.read_metrics(whole.parent)
    (entry,) = disk.read_json(config.with_name(store.ENV))
    assert entry["taken_from"].startswith(f"another process: {os.getpid()} on ")
    (entry,) = disk.read_json(whole.with_name(store.ENV))
    assert "taken_from" not in entry


OWNER = """
import fcntl, socket, sys
socket.gethostname = lambda: "node7"
fcntl.flock = lambda *_: None
from pathlib import Path
from reslab.execution import Execution
from reslab.training.start import start
if __name__ == "__main__":
    sys.exit(start(Path(sys.argv[1]), Execution(int(sys.argv[2].removeprefix("--devices=")))))
"""


def places(ranks: int) -> list[dict[str, str]]:
    """Of a run's processes, in torchrun's words, each on a machine of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = f"{free.getsockname()[1]}"
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": "0"}
    sizes = {"WORLD_SIZE": f"{ranks}", "LOCAL_WORLD_SIZE": "1"}
    return [{**meeting, **sizes, "RANK": f"{rank}"} for rank in range(ranks)]


def owner(config: Path, devices: int, place: dict[str, str]) -> subprocess.Popen[str]:
    """A process of another machine that trains the run, or has a part in it."""
    script = config.parent.parent / "owner.py"
    script.write_text(OWNER)
    return subprocess.Popen(
        [sys.executable, str(script), str(config), f"--devices={devices}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **place},
    )


def send(number: int, processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@pytest.mark.parametrize(
    ("devices", "machines"),
    [
        (1, 1),
        pytest.param(2, 1, marks=pytest.mark.slow),
        pytest.param(1, 2, marks=pytest.mark.slow),
    ],
)
def test_a_process_that_sleeps_through_its_taking_over_ends_when_it_wakes(
    make_run: MakeRun, devices: int, machines: int
) -> None:
    """All of a run's processes, here and elsewhere."""
    config = make_run("a", {"recipe.steps": 60_000, "recipe.schedule.milestones": [1, 2]})
    folder = config.parent
    told = places(machines) if machines > 1 else [{}]
    processes = [owner(config, devices, place) for place in told]
    try:
        deadline = time.monotonic() + 120
        while store.last_step(folder) < 20:
            assert all(process.poll() is None for process in processes)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        send(signal.SIGSTOP, processes)
        time.sleep(0.5)
        assert store.state(folder) == "running"
        be_silent(folder)
        assert store.state(folder) == "interrupted"
        with machine("node8"), store.lock(folder, 0):
            before = contents(folder)
            send(signal.SIGCONT, processes)
            outputs = [process.communicate(timeout=60)[0] for process in processes]
            assert [p.returncode for p in processes] == [store.BUSY] * machines, outputs
            assert contents(folder) == before
            assert all("is another's now (another process: " in output for output in outputs)
    finally:
        send(signal.SIGKILL, processes)
        for process in processes:
            process.wait()
