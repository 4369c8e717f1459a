"""What is about to happen, what it will take, and what other code has done of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.jobs import SLOT, job
from tests.results import DONE

from reslab import store
from reslab.execution import Execution
from reslab.experiments import form
from reslab.experiments.file import Experiment
from reslab.experiments.jobs import jobs_of
from reslab.experiments.plan import expand
from reslab.experiments.preview import announce, announcement, forms, preview
from reslab.experiments.slots import Slot
from reslab.store.plan import Options
from reslab.text import duration


def test_advice_for_what_takes_long_names_the_plans_own_labels(tmp_path: Path) -> None:
    runs = [job(tmp_path, model, seed) for model in ("resnet20", "resnet110") for seed in (0, 1)]
    advice = announcement(runs, [SLOT]).splitlines()[1]
    assert advice.endswith(
        "SEEDS=1 trains one seed, ONLY='the resnet20' one variant, "
        "ONLY='!the resnet110' all but the longest"
    )


@pytest.mark.parametrize(
    ("only", "others"),
    [
        ("*resnet*", "'*resnet*,!the resnet110'"),
        ("the*,resnet20,resnet110", "'the resnet8_w8,the resnet20'"),  # which may be one glob
    ],
)
def test_advice_goes_on_from_what_only_has_picked(tmp_path: Path, only: str, others: str) -> None:
    runs = [job(tmp_path, model) for model in ("resnet20", "resnet110", "resnet8_w8")]
    advice = announcement(runs, [SLOT], only).splitlines()[1]
    assert advice.endswith(f"ONLY='the resnet8_w8' one variant, ONLY={others} all but the longest")


def test_advice_for_a_single_run_is_a_smaller_budget(tmp_path: Path) -> None:
    advice = announcement([job(tmp_path, "resnet110")], [SLOT]).splitlines()[1]
    assert advice == "that is long: BUDGET=0.1 would take about half a day"


@pytest.mark.parametrize(
    ("slots", "where"),
    [
        ([Slot((), 4)], "1 at once on CPU, 4 threads each;"),
        ([Slot((), 1, 2)] * 3, "3 at once on CPU, 2 processes for each run, 1 thread each;"),
        ([Slot(("0", "1"), 4, 2)], "1 at once on 2 GPUs each;"),
        ([Slot(("0",), 4)] * 2, "2 at once on 1 GPU each, 2 runs on each;"),
        (
            [Slot(("0",), 4, mps=True)] * 2,
            "2 at once on 1 GPU each, 2 runs on each side by side (MPS runs);",
        ),
        ([Slot(("0",), 4, mps=True)], "1 at once on 1 GPU each;"),
    ],
)
def test_slots_are_announced_with_their_devices_and_processes(
    tmp_path: Path, slots: list[Slot], where: str
) -> None:
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    assert f"1 of 1 run to do, {where}" in announcement([small], slots)


def test_a_student_waits_for_its_teacher_and_the_plan_says_so(tmp_path: Path) -> None:
    """With a slot for each, one after the other."""
    teacher = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    student = replace(teacher, folder=tmp_path / "student", rests={"teacher": teacher.folder})
    beside = replace(student, rests={})
    one, two = (announcement([teacher, each], [SLOT] * 2) for each in (beside, student))
    assert one.endswith(f"estimated {duration(teacher.work.seconds(SLOT))}")
    assert two.endswith(f"estimated {duration(2 * teacher.work.seconds(SLOT))}")


def test_the_form_of_steps_is_announced_where_they_are_not_all_eager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "why_nothing_compiles", lambda: None)
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    runs, final = [small, job(tmp_path)], replace(job(tmp_path), state="done")
    assert forms([*runs, final], SLOT, Execution()) == [
        "steps: eager in 1; compiled in 1 (10 min and more on a CPU)"
    ]
    assert forms([small, final], SLOT, Execution()) == []
    assert forms(runs, SLOT, Execution(compile=False)) == ["steps: eager in 2 (COMPILE=0)"]


def test_variants_that_are_one_and_the_same_run_are_counted_apart() -> None:
    base = {"model": "plain8_w8", "data": "digits", "recipe": "digits"}
    plan = expand("x", Experiment(base=base, variants={"a": {}, "b": {}}), Options(), "here")
    rows = preview(jobs_of(plan), SLOT).splitlines()[2:]
    assert [row.split("|")[7].strip() for row in rows] == ["1 pending", "1 pending"]


def test_a_field_that_a_variant_takes_away_is_told_in_a_word() -> None:
    base = {"model": "plain8_w8", "data": {"name": "digits", "per_class": 50}, "recipe": "digits"}
    tree = Experiment(base=base, variants={"a": {"data": {"per_class": None}, "start": "none"}})
    [row] = preview(jobs_of(expand("x", tree, Options(), "here")), SLOT).splitlines()[2:]
    assert row.split("|")[2].strip() == "data.per_class: all, start: none"


def test_final_runs_of_other_code_are_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = store.code_version()
    jobs = [
        replace(job(tmp_path, seed=seed), state="done", result={**DONE, "code": code})
        for seed, code in enumerate((now, "0123456789", now))
    ]
    announce([jobs[0], jobs[2]], [SLOT])
    assert capsys.readouterr() == ("all 2 runs are final: nothing to train\n", "")
    announce(jobs, [SLOT])
    assert capsys.readouterr().err.startswith("warning: 1 of the final runs")


def test_on_a_terminal_the_plan_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    base = {"model": "plain8_w8", "data": "digits", "recipe": "digits"}
    changed = {"recipe.optimizer.lr": 0.01, "recipe.batch_size": 20, "model": "resnet8_w8"}
    tree = Experiment(base=base, variants={"a": changed, "b": {}})
    jobs = jobs_of(expand("x", tree, Options(), "here"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = preview(jobs, SLOT).splitlines()
    assert max(map(len, lines)) <= 80
    assert "Left out in 80 columns: params, multiply-adds, epochs." in lines
