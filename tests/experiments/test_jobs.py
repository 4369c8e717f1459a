"""What is about to happen, what it will take, and what is said about runs that failed."""

from pathlib import Path

import pytest

from reslab import store
from reslab.config import resolve
from reslab.experiments import jobs as module
from reslab.experiments.estimate import work
from reslab.experiments.jobs import Job, announce
from reslab.experiments.launch import failures
from reslab.experiments.overview import Overview
from reslab.experiments.slots import Slot

SLOT = Slot((), 1)
COSTS = {"resnet20": 40_551_040, "resnet110": 252_887_680, "resnet8_w8": 189_248}


def job(folder: Path, model: str = "resnet20", seed: int = 0, **parts: str) -> Job:
    parts = {"data": "cifar10", "recipe": "he2015_cifar", **parts}
    config = resolve({"model": model, "seed": seed, **parts}, "here")
    return Job(f"the {model}", folder / f"{model}-s{seed}", config, 0, COSTS[model])


# ---- before -------------------------------------------------------------------------------------


def test_advice_for_what_takes_long_names_the_plans_own_labels(tmp_path: Path) -> None:
    runs = [job(tmp_path, model, seed) for model in ("resnet20", "resnet110") for seed in (0, 1)]
    advice = announce(runs, [SLOT]).splitlines()[1]
    assert advice.endswith(
        "SEEDS=1 trains one seed, ONLY='the resnet20' one variant, "
        "ONLY='!the resnet110' all but the longest"
    )


def test_advice_for_a_single_run_is_a_smaller_budget(tmp_path: Path) -> None:
    advice = announce([job(tmp_path, "resnet110")], [SLOT]).splitlines()[1]
    assert advice == "that is long: BUDGET=0.1 would take about half a day"


# ---- meanwhile ----------------------------------------------------------------------------------


def test_the_time_left_is_weighed_by_time_not_by_multiply_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small nets cost layers and a start-up, which are no multiply-adds."""
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    large = job(tmp_path, "resnet20")
    large = Job(large.label, large.folder, small.config, 0, 1000 * small.multiply_adds)
    assert work(large.config, large.multiply_adds) == 1000 * work(small.config, 189_248)
    clock = iter([0.0, 100.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    overview = Overview([small, large], SLOT)
    small.folder.mkdir()
    store.write_json(small.folder / store.RESULT, {"status": "done"})
    overview.say("small: done")
    left = 100 * large.seconds(SLOT) / small.seconds(SLOT)
    assert f"[1/2, about {module.duration(left)} left] small: done" in capsys.readouterr().out


# ---- after --------------------------------------------------------------------------------------


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
    assert failures(runs) == f"{runs[0].folder} and 2 other runs failed: {reason}"
    assert failures(runs[:2]).startswith(f"{runs[0].folder} and 1 other run failed: ")


def test_a_log_that_says_more_than_the_reason_is_quoted(tmp_path: Path) -> None:
    log = "\n".join(f"line {i}" for i in range(20)) + "\nRuntimeError: no memory\n"
    run = failed(tmp_path, "RuntimeError: no memory", log)
    killed = failed(tmp_path, "the process was killed by signal 9", "step 10\n", 1)
    assert failures([run, killed]).splitlines() == [
        f"{run.folder} failed: RuntimeError: no memory",
        *(f"    line {i}" for i in range(9, 20)),
        "    RuntimeError: no memory",
        f"{killed.folder} failed: the process was killed by signal 9",
        "    step 10",
    ]


@pytest.mark.parametrize(
    ("slots", "where"),
    [
        ([Slot((), 4)], "1 at once on CPU, 4 thread(s) each;"),
        ([Slot((), 1, 2)] * 3, "3 at once on CPU, 2 processes for each run, 1 thread(s) each;"),
        ([Slot(("0", "1"), 4, 2)], "1 at once on 2 GPU(s) each;"),
        ([Slot(("0",), 4)] * 2, "2 at once on 1 GPU(s) each, 2 runs on each;"),
    ],
)
def test_slots_are_announced_with_their_devices_and_processes(
    tmp_path: Path, slots: list[Slot], where: str
) -> None:
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    assert f"1 of 1 runs to do, {where}" in announce([small], slots)
