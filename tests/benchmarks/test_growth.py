"""The plans of many runs that are timed: small ones here, and no test times anything."""

import pytest
from benchmarks.growth import SEEDS, main, make, plan_of, rows_of, table

from reslab import store


def test_a_plan_has_as_many_runs_as_are_asked_for() -> None:
    for runs in (10, 30):
        plan = plan_of(runs)
        assert len(list(plan.runs())) == runs
        assert all(len(variant.runs) == SEEDS for variant in plan.variants)


def test_made_up_runs_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    make(20)
    plan = store.read_plan("grown-20")
    assert {plan.state(folder.name) for folder in plan.folders()} == {"done"}
    assert main(["--part=status", "--runs=20"]) == 0
    assert "20 runs: 20 done" in capsys.readouterr().out
    assert main(["--part=table", "--runs=20"]) == 0
    assert "10/10" in capsys.readouterr().out


def test_a_plan_that_is_kept_has_no_run_that_has_begun() -> None:
    main(["--part=keep", "--runs=10"])
    plan = store.read_plan("grown-10")
    assert {plan.state(folder.name) for folder in plan.folders()} == {"pending"}


def test_a_plan_is_written_into_a_folder_of_its_own() -> None:
    store.runs_root().mkdir(parents=True, exist_ok=True)
    main(["--part=write", "--runs=10"])
    assert list(store.runs_root().iterdir()) == []


def test_a_dry_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--part=dry", "--runs=20"])
    assert "20 of 20 runs to do" in capsys.readouterr().out


def test_times_are_told_as_a_table() -> None:
    names = list(rows_of(10_000, 1_000))
    text = table({name: [1.0, 2.0, 4.0] for name in names})
    assert len(text.splitlines()) == 2 + len(names)
    assert max(map(len, text.splitlines())) <= 80
    assert "2.00" in text and "1.00 to 4.00" in text
