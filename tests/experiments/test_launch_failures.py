"""What the launcher says about runs that failed."""

from pathlib import Path

from tests.experiments.jobs import job

from reslab import store
from reslab.experiments.jobs import Job
from reslab.experiments.launch import failures


def failed(folder: Path, error: str, log: str, seed: int = 0) -> Job:
    run = job(folder, seed=seed)
    run.folder.mkdir()
    store.write_error(run.folder, error)
    (run.folder / store.LOG).write_text(log)
    return run


def test_a_reason_of_several_runs_is_told_once(tmp_path: Path) -> None:
    reason = "mnist is not complete\nTry again"
    log = f"some words\nerror: {reason}\n"
    runs = [failed(tmp_path, reason, log, seed) for seed in range(3)]
    assert (
        failures(dict.fromkeys(runs, reason))
        == f"{runs[0].folder} and 2 other runs failed: {reason}"
    )
    assert failures(dict.fromkeys(runs[:2], reason)).startswith(
        f"{runs[0].folder} and 1 other run failed: "
    )


def test_a_log_that_says_more_than_the_reason_is_quoted(tmp_path: Path) -> None:
    log = "\n".join(f"line {i}" for i in range(20)) + "\nRuntimeError: no memory\n"
    run = failed(tmp_path, "RuntimeError: no memory", log)
    killed = failed(tmp_path, "the process was killed by signal 9", "step 10\n", 1)
    reasons = {run: "RuntimeError: no memory", killed: "the process was killed by signal 9"}
    assert failures(reasons).splitlines() == [
        f"{run.folder} failed: RuntimeError: no memory",
        *(f"    line {i}" for i in range(9, 20)),
        "    RuntimeError: no memory",
        f"{killed.folder} failed: the process was killed by signal 9",
        "    step 10",
    ]
