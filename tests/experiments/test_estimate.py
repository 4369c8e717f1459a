"""How long runs will take: in proportion to the work, corrected by what runs took here."""

import os
import shutil
from dataclasses import replace
from typing import Any

import pytest
from tests.experiments.plans import plan
from tests.results import DIVERGED, DONE

from reslab import disk, store
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import dump_yaml
from reslab.config.trees import merge
from reslab.experiments.cards import CARDS, rate
from reslab.experiments.estimate import (
    LEARNT_FROM,
    STARTUP,
    Work,
    correction,
    longest_chain,
    seconds_more,
)
from reslab.experiments.slots import Slot, slot_of

COST = 40_551_040
"""ResNet-20's multiply-adds at 32²."""


def run(**overrides: Any) -> RunConfig:
    base = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", "budget": 0.1}
    return resolve(merge(base, overrides), "here")


def test_work_is_three_passes_per_training_example_and_one_per_evaluated_one() -> None:
    """Backward costs twice forward; evaluations are few, or cheap beside the training."""
    evaluations = 40 * 10_000 + 60_000
    assert Work(run(budget=1), COST).total == COST * (3 * 64_000 * 128 + evaluations)
    assert Work(run(budget=0.01), COST).total == COST * (3.3 * 640 * 128 + 60_000)


def test_two_views_are_twice_three_passes_and_are_evaluated_once() -> None:
    cost = Work(run(recipe={"name": "simsiam_cifar"}, budget=1), COST).total
    assert cost == COST * (6 * 19_400 * 512 + 60_000)


def test_a_head_alone_is_one_pass_per_training_example() -> None:
    """The trunk has no backward pass; its evaluations are as many."""
    whole, head = run(budget=0.01), run(budget=0.01, trains="head")
    assert Work(whole, COST).total - Work(head, COST).total == COST * 2 * 640 * 128


def test_a_teacher_is_one_pass_more_per_training_example() -> None:
    short = run(budget=0.01)
    assert Work(short, COST, 5 * COST).total - Work(short, COST).total == 5 * COST * 640 * 128


def test_the_last_evaluation_is_still_to_come_at_the_last_step() -> None:
    """Of both splits; 640 steps of 128 images take 3.3 passes each, evaluations included. A net
    whose costs nobody knows is taken to have some."""
    short, last = run(budget=0.01), 60_000 / (3.3 * 640 * 128 + 60_000)
    assert Work(short, COST).done(640) == pytest.approx(1 - last) == pytest.approx(0.818, abs=1e-3)
    assert Work(short, COST).done(320) == pytest.approx((1 - last) / 2)
    assert Work(short, COST).done(640) < Work(short, COST, COST).done(640) < 1
    unknown = Work(short, 0)
    assert unknown.done(640) == Work(short, COST).done(640)


CPU, GPU, H100 = Slot((), 1), Slot(("0",), 1), Slot(("0",), 1, name="NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize("slot", [CPU, GPU, H100])
def test_more_work_takes_longer(slot: Slot) -> None:
    whole, half = run(budget=1), run(budget=0.5)
    assert Work(whole, COST).seconds(slot) > 1.9 * Work(half, COST).seconds(slot)
    assert Work(whole, 2 * COST).seconds(slot) > Work(whole, COST).seconds(slot)


def test_more_threads_take_less_time_and_a_gpu_less_still() -> None:
    times = [Work(run(), COST).seconds(Slot((), threads)) for threads in (1, 2, 8)]
    assert times == sorted(times, reverse=True)
    assert Work(run(), COST).seconds(Slot((), 2, 4)) == times[-1]
    assert Work(run(), COST).seconds(H100) < Work(run(), COST).seconds(GPU) < times[-1]


def test_a_card_of_the_table_computes_at_its_rate_in_a_runs_precision() -> None:
    """20 layers and 6,400 steps take 15.4 s to start; the rest is multiply-adds."""
    for precision in ("32-true", "tf32"):
        of = run(precision=precision)
        computing = Work(of, COST).total / rate(CARDS["h100"], precision)
        assert Work(of, COST).alone(H100) == pytest.approx(20 * 6400 * 1.2e-4 + computing)


def test_runs_take_as_long_as_alone_while_their_gpu_has_time_for_all() -> None:
    """In tf32 a run keeps an H100 busy for less than a half of its time."""
    of = run(precision="tf32")
    assert 1 / 3 < Work(of, COST).busy(H100) / Work(of, COST).alone(H100) < 1 / 2
    times = [Work(of, COST).seconds(replace(H100, runs=runs)) for runs in (1, 2, 4, 8)]
    assert times[0] == times[1] < times[2] < times[3]
    assert times[3] - STARTUP == pytest.approx(2 * (times[2] - STARTUP)), "busy all the time"


def test_with_mps_kernels_of_other_runs_find_room_beside_small_ones() -> None:
    shared = replace(H100, mps=True)
    assert Work(run(), COST).busy(shared) < Work(run(), COST).busy(H100)
    assert Work(run(), COST).alone(shared) == Work(run(), COST).alone(H100)


# ---- what runs took here ------------------------------------------------------------------------


def finished(name: str, ratio: float, config: dict[str, Any] | None = None, **start: Any) -> None:
    """A run that took `ratio` times what the model says."""
    folder = store.runs_root() / "experiment" / name
    store.make_folder(folder, run(), {})
    if config is not None:
        (folder / store.CONFIG).write_text(dump_yaml(config))
    start = {"device": "cpu (x86_64)", "devices": 1, "threads": 1, **start}
    store.append_start(folder, start)
    took = ratio * Work(run(), COST).seconds(slot_of(start))
    result = {**DONE, "multiply_adds": COST, "seconds": took}
    disk.write_json(folder / store.RESULT, result)


def test_without_finished_runs_there_is_no_correction() -> None:
    assert correction(CPU) == correction(GPU) == 1.0


def test_finished_runs_correct_the_model_by_their_median_ratio() -> None:
    for name, ratio in (("a", 1.5), ("b", 2.0), ("c", 40.0)):
        finished(name, ratio)
    assert correction(CPU) == pytest.approx(2.0)


def test_runs_on_another_device_say_nothing() -> None:
    finished("a", 3.0, device="cuda (NVIDIA H100 80GB HBM3)")
    finished("b", 5.0, device="cuda (NVIDIA A100-SXM4-40GB)")
    finished("c", 2.0, devices=4)
    finished("d", 4.0, processor="Another Processor")
    assert correction(Slot((), 1, name="This Processor")) == 1.0
    assert correction(H100) == correction(Slot(("0",), 1, name="H100")) == pytest.approx(3.0)
    assert correction(Slot(("0",), 1, name="NVIDIA A100 80GB PCIe")) == pytest.approx(5.0)
    assert correction(Slot(("0",), 1, name="NVIDIA GeForce GTX 1080")) == 1.0


def test_runs_on_the_same_processor_say_something_and_those_that_did_not_name_theirs() -> None:
    here = Slot((), 1, name="This Processor")
    finished("a", 2.0)
    assert correction(here) == pytest.approx(2.0)
    finished("b", 4.0, processor="This Processor")
    assert correction(here) == pytest.approx(3.0)


def test_what_runs_took_beside_others_on_their_gpu_is_held_against_that() -> None:
    finished("a", 1.5, device="cuda (NVIDIA H100 80GB HBM3)", runs_per_gpu=8)
    assert correction(H100) == pytest.approx(1.5)


def test_the_newest_thirty_are_enough() -> None:
    for age in range(LEARNT_FROM + 9):
        finished(f"run {age}", 2.0 if age > 9 else 9.0)
        os.utime(store.runs_root() / "experiment" / f"run {age}" / store.RESULT, (age, age))
    assert correction(CPU) == pytest.approx(2.0)


def test_only_runs_count_whose_steps_had_the_form_of_the_newest() -> None:
    for age, (name, ratio, form) in enumerate([("a", 1.0, "compiled"), ("b", 3.0, "eager")]):
        finished(name, ratio, form=form)
        os.utime(store.runs_root() / "experiment" / name / store.RESULT, (age, age))
    assert correction(CPU) == pytest.approx(3.0)


def test_resumed_diverged_and_unreadable_runs_say_nothing() -> None:
    finished("a", 5.0)
    store.append_start(store.runs_root() / "experiment" / "a", {"device": "cpu (x86_64)"})
    finished("b", 5.0, config={"model": {"units": [1], "a_field_of_the_past": 1}})
    finished("c", 5.0)
    diverged = {**DIVERGED, "multiply_adds": COST, "seconds": 1.0}
    disk.write_json(store.runs_root() / "experiment" / "c" / store.RESULT, diverged)
    finished("d", 2.0)
    finished("e", 5.0)
    (store.runs_root() / "experiment" / "e" / store.RESULT).write_text("{torn")
    assert correction(CPU) == pytest.approx(2.0)


# ---- more seeds ---------------------------------------------------------------------------------


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.experiments.slots.available_cores", lambda: 1)
    monkeypatch.setattr("reslab.experiments.slots.gpus_for", lambda devices: [])


@pytest.mark.usefixtures("one_core")
def test_more_seeds_take_what_the_runs_that_are_lacking_take() -> None:
    made = plan(seeds=2)
    each = [Work(v.configs[0], v.multiply_adds).seconds(CPU) for v in made.variants]
    assert seconds_more(made, 5) == pytest.approx(3 * sum(each))
    assert seconds_more(made, 2) == 0


@pytest.mark.usefixtures("one_core")
def test_more_seeds_of_a_student_take_its_teachers_work_too() -> None:
    recipe = {"name": "he2015_cifar", "normalization": "channel"}
    taught = {"recipe.loss": "kd", "teacher": {"variant": "big"}}
    variants = {"big": {"model": "resnet32"}, "small": taught}
    base = {"model": "resnet20", "data": "cifar10", "recipe": recipe}
    made = plan({"base": base, "variants": variants}, seeds=1)
    big, small = ((v.configs[0], v.multiply_adds) for v in made.variants)
    alone = Work(*big).seconds(CPU), Work(*small, teachers=big[1]).seconds(CPU)
    assert alone[1] > Work(*small).seconds(CPU)
    assert seconds_more(made, 2) == pytest.approx(sum(alone))


def test_a_chain_of_runs_takes_as_long_as_all_of_them_and_others_beside_it_no_time() -> None:
    seconds_of = {"teacher": 5.0, "assistant": 3.0, "student": 2.0, "alone": 9.0}
    parents = {"student": ["assistant"], "assistant": ["teacher", "done long ago"]}
    assert longest_chain(seconds_of, parents) == 10
    assert longest_chain(seconds_of, {}) == 9
    assert longest_chain({}, parents) == 0


def test_more_seeds_of_a_student_wait_for_their_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slot for each run the plan is as long as one teacher and then its student."""
    monkeypatch.setattr("reslab.experiments.slots.available_cores", lambda: 64)
    monkeypatch.setattr("reslab.experiments.slots.gpus_for", lambda devices: [])
    monkeypatch.setattr("reslab.experiments.estimate._seconds", lambda *_: 100.0)
    recipe = {"name": "he2015_cifar", "normalization": "channel"}
    base = {"model": "resnet20", "data": "cifar10", "recipe": recipe}
    variants = {"big": {}, "small": {"recipe.loss": "kd", "teacher": {"variant": "big"}}}
    made = plan({"base": base, "variants": variants}, seeds=1)
    assert seconds_more(made, 3) == 200


@pytest.mark.usefixtures("one_core")
def test_of_a_plan_that_is_read_what_its_runs_are_stands_in_their_folders() -> None:
    made = plan(seeds=2)
    store.write_plan(made)
    assert seconds_more(store.read_plan("depth"), 5) == pytest.approx(seconds_more(made, 5))


def test_of_runs_that_are_not_there_no_time_is_told() -> None:
    made = plan(seeds=2)
    store.write_plan(made)
    shutil.rmtree(made.folders()[0])
    assert seconds_more(store.read_plan("depth"), 5) is None


def test_of_devices_that_are_not_there_no_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.experiments.slots.gpus_for", lambda devices: [])
    assert seconds_more(plan(seeds=1, sync_batchnorm=True), 5) is None
