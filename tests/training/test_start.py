"""Who trains a run, and what is left where nobody may: its lock, its errors, its end."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.small_runs import MakeRun

from reslab import disk, store
from reslab.errors import UserError
from reslab.execution import TORCHRUN, Execution
from reslab.training.start import _nothing_collected, start

pytestmark = pytest.mark.process


def test_a_run_does_not_go_on_as_another(make_run: MakeRun) -> None:
    """Weights of one description, or of other photographs, are not trained on as another's."""
    config = make_run("a")
    store.append_start(config.parent, {"run_id": "0123456789"})
    with pytest.raises(UserError, match=r"was begun as run 0123456789: the description has chang"):
        start(config)
    assert store.state(config.parent) == "interrupted"


def test_a_final_run_is_left_as_it_is(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_run("a", {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]})
    start(config)
    before = {p.name: p.stat().st_mtime_ns for p in config.parent.iterdir() if p.name != "lock"}
    assert start(config) == 0
    after = {p.name: p.stat().st_mtime_ns for p in config.parent.iterdir() if p.name != "lock"}
    assert before == after
    assert "is final: done" in capsys.readouterr().out


def test_a_run_that_another_process_trains_is_left_to_it(make_run: MakeRun) -> None:
    config = make_run("a")
    with store.lock(config.parent):
        assert start(config) == store.BUSY


def test_an_error_is_recorded_and_the_next_try_clears_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_run("a", {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]})
    from reslab.training import run

    with monkeypatch.context() as broken:
        broken.setattr(run, "materialise", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start(config)
    assert store.state(config.parent) == "crashed"
    assert "division" in disk.read_json(config.with_name(store.ERROR))["message"]
    assert start(config) == 0
    assert store.state(config.parent) == "done"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory: "),
        (RuntimeError("can't start new thread"), "out of threads or processes: "),
    ],
    ids=repr,
)
def test_what_runs_out_is_recorded_in_a_line(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def run_out(*_: object) -> None:
        raise error

    from reslab.training import run

    monkeypatch.setattr(run, "materialise", run_out)
    config = make_run("a")
    with pytest.raises(UserError, match=f"^{line}"):
        start(config)
    message = disk.read_json(config.with_name(store.ERROR))["message"]
    assert message.startswith(line) and "\n" not in message


def test_a_run_without_file_handles_still_says_so(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every handle that the process may have is taken when the error comes."""
    from reslab.training import run

    held: list[int] = []

    def take_all(*_: object) -> None:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))

    monkeypatch.setattr(run, "materialise", take_all)
    config = make_run("a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = max(int(handle.name) for handle in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 20, hard))
    try:
        with pytest.raises(UserError, match=r"^out of file handles: raise the limit"):
            start(config)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for handle in held:
            os.close(handle)
    message = disk.read_json(config.with_name(store.ERROR))["message"]
    assert message.startswith("out of file handles") and "\n" not in message


def test_more_devices_than_there_are_are_refused(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    config = make_run("a")
    with pytest.raises(UserError, match=r"DEVICES=8, .* has no GPUs, and 2 CPU cores"):
        start(config, Execution(8))
    told = {TORCHRUN: "x", "RANK": "0", "WORLD_SIZE": "8", "CUDA_VISIBLE_DEVICES": "0,1"}
    for word, value in told.items():
        monkeypatch.setenv(word, value)
    monkeypatch.setattr("reslab.training.start.die_with_parent", lambda: None)
    with pytest.raises(UserError, match=r"--nproc-per-node=8, but this machine has 2 GPUs"):
        start(config, Execution())
    assert store.state(config.parent) == "pending"


def test_no_garbage_is_looked_for_in_the_first_imports_of_a_process() -> None:
    """Nor at its end; in a process that has torch already, as this one, nothing changes."""
    code = """
import gc
from reslab.training.start import _nothing_collected
with _nothing_collected():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count() > 0
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with _nothing_collected():
        assert gc.isenabled()
