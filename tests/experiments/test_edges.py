"""A plan's runs may start from others of its runs: by id, in order, and never in a circle."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.jobs import launched
from tests.experiments.plans import plan, refusal
from tests.results import DIVERGED, DONE

from reslab import disk, store
from reslab.experiments.jobs import Job, jobs_of
from reslab.experiments.preview import announcement, preview
from reslab.experiments.slots import Slot
from reslab.report.runs import outcomes_of
from reslab.store.plan import Plan

DIGITS = {"model": "resnet8_w8", "data": "digits", "recipe": "digits"}
FEW = {"data": {"name": "digits", "classes": 5}}


def tree(**variants: Any) -> dict[str, Any]:
    return {"base": DIGITS, "variants": variants, "seeds": 2}


HEAD_THEN_ALL = tree(
    all={},
    tuned={"start": {"variant": "head"}},
    head={"start": {"variant": "all"}, "trains": "head"},
)


def starts(found: Plan) -> dict[str, str]:
    """The runs' variants and seeds, and those of the runs that they start from."""
    short = {run.name: f"{run.slug}-s{run.seed}" for v in rows(found) for run in v.runs}
    return {short[run]: short[start] for run, start in found.edges.items()}


def rows(found: Plan) -> list[Any]:
    return [*found.variants, *found.origins]


def test_a_run_starts_from_that_of_the_same_seed_by_its_id() -> None:
    found = plan(HEAD_THEN_ALL)
    assert starts(found) == {
        "head-s0": "all-s0",
        "head-s1": "all-s1",
        "tuned-s0": "head-s0",
        "tuned-s1": "head-s1",
    }
    ids = {run.name: run.run_id for variant in found.variants for run in variant.runs}
    for _, folder, config in found.runs():
        if config.start is not None:
            assert config.start.run == ids[found.edges[folder.name]]


def test_no_run_comes_before_the_one_that_it_starts_from() -> None:
    names = [folder.name for _, folder, _ in plan(HEAD_THEN_ALL).runs()]
    for run, start in plan(HEAD_THEN_ALL).edges.items():
        assert names.index(start) < names.index(run)


def test_a_parent_that_changes_changes_all_that_rests_on_it() -> None:
    changed = tree(**{**HEAD_THEN_ALL["variants"], "all": {"budget": 2.0}})
    for one, other in zip(plan(HEAD_THEN_ALL).variants, plan(changed).variants, strict=True):
        assert {run.run_id for run in one.runs}.isdisjoint(run.run_id for run in other.runs)


def test_the_same_classes_keep_the_head_and_others_begin_anew() -> None:
    found = plan(
        tree(all={}, few={**FEW, "start": {"variant": "all"}}, on={"start": {"variant": "all"}})
    )
    heads = {v.label: v.configs[0].start.head for v in found.variants if v.configs[0].start}
    assert heads == {"few": "new", "on": "kept"}


def test_a_run_that_is_pruned_from_another_keeps_its_head() -> None:
    found = plan(tree(all={}, pruned={"start": {"variant": "all", "loads": "l1", "keep": 0.5}}))
    config = found.variants[1].configs[0]
    assert config.start is not None and config.start.head == "kept"
    assert starts(found)["pruned-s1"] == "all-s1"


def test_the_head_of_a_run_without_labels_is_not_kept() -> None:
    views = {"recipe": {"objective": "simsiam"}}
    found = plan(tree(views=views, on={"start": {"variant": "views"}, "trains": "head"}))
    assert [v.configs[0].start.head for v in found.variants if v.configs[0].start] == ["new"]


def test_a_fixed_seed_is_one_start_for_all_and_no_row_of_its_own() -> None:
    found = plan({**tree(all={}, on={"start": {"variant": "all", "seed": 7}}), "seeds": [0, 1]})
    assert starts(found) == {"on-s0": "all-s7", "on-s1": "all-s7"}
    assert [(v.label, [run.seed for run in v.runs]) for v in found.origins] == [("all", [7])]
    assert [len(outcome.runs) for outcome in outcomes_of(found)] == [2, 2]


def test_only_pulls_starts_in_and_says_so() -> None:
    found = plan(HEAD_THEN_ALL, only="tuned")
    assert [variant.label for variant in found.variants] == ["tuned"]
    assert {variant.label for variant in found.origins} == {"all", "head"}
    jobs = jobs_of(found)
    assert sum(job.is_origin for job in jobs) == 4
    assert "also in the plan, since others start from it: all, seeds 0, 1" in announcement(
        jobs, [Slot((), 1)]
    )
    assert "| all (a start)" in preview(jobs, Slot((), 1))


def test_a_plan_that_is_read_has_its_edges() -> None:
    found = plan(HEAD_THEN_ALL, only="tuned")
    store.write_plan(found)
    assert store.read_plan(found.experiment) == found


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ({"a": {"start": {"variant": "b"}}}, "variants.a: start.variant: no variant is called 'b'"),
        ({"a": {"start": {"variant": "a"}}}, "go round in a circle"),
        (
            {"a": {"start": {"variant": "b"}}, "b": {"start": {"variant": "a"}}},
            "go round in a circle",
        ),
        ({"a": {}, "b": {"start": {"variant": "a", "seed": "x"}}}, "start.seed: got 'x'"),
        (
            {"a": {}, "b": {**FEW, "start": {"variant": "a", "head": "kept"}}},
            "kept has 10 classes, the run has 5",
        ),
    ],
    ids=str,
)
def test_starts_that_cannot_be_are_refused(variants: dict[str, Any], reason: str) -> None:
    assert reason in refusal(tree(**variants))


# ---- teachers -----------------------------------------------------------------------------------

TAUGHT = tree(
    small={"teacher": {"variant": "big"}, "recipe.loss": "kd"},
    one={"teacher": {"variant": "big", "seed": 7}, "recipe.loss": "at"},
    again={
        "start": {"variant": "small"},
        "teacher": {"variant": "big"},
        "recipe.loss": "kd",
    },
    big={"model": "resnet20_w8"},
)


def teachers(found: Plan) -> dict[str, str]:
    short = {run.name: f"{run.slug}-s{run.seed}" for v in rows(found) for run in v.runs}
    return {short[run]: short[teacher] for run, teacher in found.teachers.items()}


def test_a_run_is_taught_by_that_of_the_same_seed_or_by_one() -> None:
    found = plan(TAUGHT)
    assert teachers(found) == {
        "small-s0": "big-s0",
        "small-s1": "big-s1",
        "one-s0": "big-s7",
        "one-s1": "big-s7",
        "again-s0": "big-s0",
        "again-s1": "big-s1",
    }
    assert starts(found) == {"again-s0": "small-s0", "again-s1": "small-s1"}
    assert [(v.label, [run.seed for run in v.runs]) for v in found.origins] == [("big", [7])]
    names = [folder.name for _, folder, _ in found.runs()]
    for edges in (found.edges, found.teachers):
        assert all(names.index(parent) < names.index(run) for run, parent in edges.items())


def test_a_teacher_that_changes_changes_all_that_it_teaches() -> None:
    ids = {v.label: v.runs[0].run_id for v in plan(TAUGHT).variants}
    changed = tree(**{**TAUGHT["variants"], "big": {"model": "resnet20_w8", "budget": 2.0}})
    others = {v.label: v.runs[0].run_id for v in plan(changed).variants}
    assert all(ids[label] != others[label] for label in ids)


def test_a_taught_run_waits_for_its_teacher_and_its_start_or_is_blocked_by_either() -> None:
    found = plan(TAUGHT, seeds=1, only="again")
    assert found.ancestors(of(found, "again").folder.name) == [
        of(found, name).folder.name for name in ("small", "big")
    ]
    store.write_plan(found)
    assert store.read_plan(found.name) == found
    assert states(found) == {"again-s0": "waiting", "small-s0": "waiting", "big-s0": "pending"}
    disk.write_json(of(found, "big").folder / store.RESULT, DONE)
    (of(found, "big").folder / store.CHECKPOINT).touch()
    assert states(found) == {"again-s0": "waiting", "small-s0": "pending", "big-s0": "done"}
    store.write_error(of(found, "small").folder, "it burnt")
    assert states(found)["again-s0"] == "blocked"


def test_only_pulls_teachers_in_and_says_so() -> None:
    found = plan(TAUGHT, seeds=1, only="small")
    told = announcement(jobs_of(found), [Slot((), 1)])
    assert "also in the plan, since it teaches others: big, seed 0" in told
    assert "| big (a teacher)" in preview(jobs_of(found), Slot((), 1))


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        (
            {"a": {"teacher": {"variant": "b"}, "recipe.loss": "kd"}},
            "variants.a: teacher.variant: no variant is called 'b'",
        ),
        (
            {
                "a": {"teacher": {"variant": "b"}, "recipe.loss": "kd"},
                "b": {"start": {"variant": "a"}},
            },
            "go round in a circle",
        ),
    ],
    ids=str,
)
def test_teachers_that_cannot_be_are_refused(variants: dict[str, Any], reason: str) -> None:
    assert reason in refusal(tree(**variants))


@pytest.mark.process
def test_a_launcher_trains_teachers_before_their_students_and_blocks_these_with_them() -> None:
    found = plan(TAUGHT, seeds=1, budget=0.02, only="again")
    store.write_plan(found)
    broken = of(found, "big").folder / store.CHECKPOINT
    broken.write_bytes(b"no checkpoint")
    failed = launched(jobs_of(found), [Slot((), 1)], found.options)
    assert {job.variant.label for job in failed} == {"again", "small", "big"}
    assert states(found) == {"big-s0": "crashed", "small-s0": "blocked", "again-s0": "blocked"}
    assert any("it is taught by big-s0" in reason for reason in failed.values())
    broken.unlink()
    assert launched(jobs_of(found), [Slot((), 1)], found.options) == {}
    assert set(states(found).values()) == {"done"}


# ---- what becomes of them -----------------------------------------------------------------------


def states(found: Plan) -> dict[str, store.State]:
    return {f"{r.slug}-s{r.seed}": found.state(r.name) for v in rows(found) for r in v.runs}


def of(found: Plan, slug: str) -> Job:
    return next(job for job in jobs_of(found) if job.folder.name.startswith(f"{slug}-s0"))


def test_a_run_waits_for_its_start_then_is_pending() -> None:
    found = plan(HEAD_THEN_ALL, seeds=1)
    store.write_plan(found)
    assert states(found) == {"all-s0": "pending", "head-s0": "waiting", "tuned-s0": "waiting"}
    disk.write_json(of(found, "all").folder / store.RESULT, DONE)
    (of(found, "all").folder / store.CHECKPOINT).touch()
    assert states(found) == {"all-s0": "done", "head-s0": "pending", "tuned-s0": "waiting"}


@pytest.mark.parametrize("became", ["diverged", "crashed", "no checkpoint"])
def test_all_that_rests_on_a_run_which_cannot_be_started_from_is_blocked(became: str) -> None:
    found = plan(HEAD_THEN_ALL, seeds=1)
    store.write_plan(found)
    folder = of(found, "all").folder
    if became == "crashed":
        store.write_error(folder, "it burnt")
    else:
        disk.write_json(folder / store.RESULT, DIVERGED if became == "diverged" else DONE)
    own = "done" if became == "no checkpoint" else became
    assert states(found) == {"all-s0": own, "head-s0": "blocked", "tuned-s0": "blocked"}


@pytest.mark.process
def test_a_launcher_trains_starts_before_what_rests_on_them() -> None:
    found = plan(HEAD_THEN_ALL, seeds=1, budget=0.02)
    store.write_plan(found)
    slots = [Slot((), 1), Slot((), 1)]
    assert launched(jobs_of(found), slots, found.options) == {}
    assert set(states(found).values()) == {"done"}


@pytest.mark.process
def test_what_rests_on_a_failed_run_is_blocked_and_trained_once_that_is_mended() -> None:
    found = plan(HEAD_THEN_ALL, seeds=1, budget=0.02)
    store.write_plan(found)
    broken = of(found, "all").folder / store.CHECKPOINT
    broken.write_bytes(b"no checkpoint")
    failed = launched(jobs_of(found), [Slot((), 1)], found.options)
    assert {job.variant.label for job in failed} == {"all", "head", "tuned"}
    assert states(found) == {"all-s0": "crashed", "head-s0": "blocked", "tuned-s0": "blocked"}
    broken.unlink()
    assert launched(jobs_of(found), [Slot((), 1)], found.options) == {}
    assert set(states(found).values()) == {"done"}


@pytest.mark.process
def test_what_rests_on_a_killed_run_waits_and_is_trained_after_that_has_gone_on(
    repository: Path,
) -> None:
    found = plan(
        tree(all={}, head={"start": {"variant": "all"}, "trains": "head"}), seeds=1, budget=2
    )
    store.write_plan(found)
    folder = of(found, "all").folder
    script = repository / "scripts" / "train.py"
    process = subprocess.Popen([sys.executable, script, folder / store.CONFIG])
    deadline = time.monotonic() + 120
    while not (folder / store.CHECKPOINT).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert states(found) == {"all-s0": "interrupted", "head-s0": "waiting"}
    assert launched(jobs_of(found), [Slot((), 1), Slot((), 1)], found.options) == {}
    assert set(states(found).values()) == {"done"}
    assert [entry["resumed"] for entry in store.read_starts(folder)] == [False, True]
