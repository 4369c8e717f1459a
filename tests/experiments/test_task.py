"""What a job does on its node, without SLURM: the run stands in for by a script."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machines import be_silent, machine

from reslab import store
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments import local, task
from reslab.store.queue import JOB, write_job

pytestmark = pytest.mark.process


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run's folder, of which this process is the job; nothing of SLURM's is called."""
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setattr(local, "TRAIN", tmp_path / "train.py")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    folder = tmp_path / "one"
    folder.mkdir()
    write_job(folder, "40_1", "tests", "one")
    before = signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, before)


def a_task(folder: Path, script: str = "") -> task.Task:
    local.TRAIN.write_text(script)
    return task.Task(folder, {}, Execution(), 3)


def as_one_of_four(monkeypatch: pytest.MonkeyPatch, task_number: int) -> None:
    """On the second of two nodes, as srun says it."""
    words = {
        "SLURM_NTASKS": 4, "SLURM_JOB_NUM_NODES": 2, "SLURM_JOB_NODELIST": "gpu[07-08]",
        "SLURM_PROCID": task_number, "SLURM_LOCALID": task_number % 2, "SLURM_NODEID": 1,
        "SUBMITIT_EXECUTOR": "slurm",
    }  # fmt: skip
    for word, value in words.items():
        monkeypatch.setenv(word, str(value))


def test_a_task_of_several_is_a_process_of_the_run_and_prints_beside_the_first(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a requeue they meet at the same place: it is a function of the job's number."""
    as_one_of_four(monkeypatch, 3)
    words = "MASTER_ADDR", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT"
    script = f"import os; print(*(os.environ[word] for word in {words}))"
    ports = set[str]()
    for _ in range(2):
        assert a_task(here, script)() == "trained"
        *place, port = capfd.readouterr().out.split()
        assert place == ["gpu07", "3", "4", "1", "2"]
        ports.add(port)
    assert len(ports) == 1
    assert not (here / store.LOG).exists()


@pytest.mark.parametrize(
    ("does", "becomes"),
    [
        ("sys.exit(0)", "trained"),  # the result is the first one's to write
        ("sys.exit(1)", "interrupted"),
        (f"sys.exit({store.BUSY})", "interrupted"),  # it is another's: the first one says so
        ("os.kill(os.getpid(), signal.SIGTERM)", "interrupted"),
    ],
)
def test_a_task_but_the_first_neither_requeues_nor_ends_the_others(
    here: Path, monkeypatch: pytest.MonkeyPatch, does: str, becomes: str
) -> None:
    as_one_of_four(monkeypatch, 2)
    assert a_task(here, f"import os, signal, sys; {does}")() == becomes
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN  # by which srun ends it then
    assert not store.read_error(here)


def test_a_task_but_the_first_that_fails_ends_the_others(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """srun ends a step of which a task ends badly (`--kill-on-bad-exit`)."""
    as_one_of_four(monkeypatch, 2)
    with pytest.raises(UserError, match=r"rank 2 was killed by signal 9"):
        a_task(here, "import os; os.kill(os.getpid(), 9)")()
    assert "rank 2 was killed" in (store.read_error(here) or "")


def test_a_run_has_its_share_of_the_cores_and_no_end_of_the_tether(here: Path) -> None:
    one = a_task(here, "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[-1])")
    with pytest.raises(UserError, match="the process was ended with exit code 0"):
        one()
    assert (here / store.LOG).read_text().split() == ["3", "--devices=1"]
    assert store.state(here) == "crashed"


def test_a_task_waits_for_its_turn_before_it_reads_anything(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = list[float]()
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(task, "_is_named", lambda *_: not waited)  # then it is left to another job
    assert task.Task(here, {}, Execution(), 1, delay=0.35)().startswith("left to another job")
    assert waited == [0.35]


@pytest.mark.parametrize(
    "script", ["import sys; sys.exit(1)", "import os; os.kill(os.getpid(), 15)"], ids=str
)
def test_a_run_that_was_stopped_is_no_crash_and_asks_the_script_to_requeue(
    here: Path, script: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        a_task(here, script)()
    assert ended.value.code == task.AGAIN
    assert not store.read_error(here)


def test_a_job_that_the_folder_does_not_name_trains_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "PATIENCE", 0.0)
    write_job(here, "52_7", "tests", "one")
    assert a_task(here)() == "left to another job: 52_7"
    assert not (here / store.LOG).exists()


def test_a_job_that_nobody_has_noted_ends_badly_so_that_nothing_begins_after_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for five minutes: a network's file system may show a new file so late."""
    assert task.PATIENCE == 300
    monkeypatch.setattr(task, "PATIENCE", 0.0)
    (here / JOB).unlink()
    with pytest.raises(UserError, match="names no job, nor this one"):
        a_task(here)()
    assert not store.read_error(here)


def test_a_run_that_is_killed_for_its_memory_has_crashed_and_is_not_requeued(here: Path) -> None:
    with pytest.raises(UserError, match=r"killed by signal 9 \(SIGKILL: .*memory"):
        a_task(here, "import os; os.kill(os.getpid(), 9)")()
    assert store.state(here) == "crashed"


def test_a_run_whose_node_has_vanished_is_waited_for_until_it_is_free(here: Path) -> None:
    """SLURM requeues the job at once, the lock is its owner's for five minutes."""
    with store.lock(here), machine("node8"):
        thread = threading.Timer(1.5, be_silent, [here])
        thread.start()
        with pytest.raises(UserError, match="exit code 0"):
            a_task(here, "")()
        assert not thread.is_alive()


def test_a_run_that_another_process_trains_is_left_to_it_and_has_not_failed(here: Path) -> None:
    with pytest.raises(UserError, match="left to another process"):
        a_task(here, f"import sys; sys.exit({store.BUSY})")()
    assert not store.read_error(here)


def test_a_checkpoint_is_waited_for_where_the_signal_comes_while_the_run_is_waited_for(
    here: Path,
) -> None:
    """submitit calls `checkpoint` from a signal's handler, in the middle of `__call__`."""
    saved = here / "saved"
    one = a_task(
        here,
        "import signal, sys, time\n"
        f"def save(*_): time.sleep(0.5); open({str(saved)!r}, 'w'); sys.exit(1)\n"
        "signal.signal(signal.SIGUSR2, save)\n"
        f"open({str(here / 'ready')!r}, 'w')\n"
        "time.sleep(60)\n",
    )

    def handler(*_: object) -> None:
        one.checkpoint()

    def when_ready() -> None:
        while not (here / "ready").exists():
            pass
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=when_ready)
    thread.start()
    try:
        with pytest.raises(SystemExit) as ended:
            one()
        assert saved.exists() and ended.value.code == task.AGAIN
        assert one.process and one.process.wait() == 1
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
