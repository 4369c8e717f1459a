"""What has become of a plan's runs, and how much of each is done."""

from tests.experiments.plans import plan
from tests.results import DONE

from reslab import disk, store
from reslab.experiments.jobs import jobs_of


def test_jobs_are_a_plans_runs_with_what_had_become_of_them() -> None:
    depth = plan(seeds=2)
    store.write_plan(depth)
    first = depth.folders()[0]
    disk.write_json(first / store.RESULT, DONE)
    jobs = jobs_of(depth)
    assert [(job.variant, job.folder, job.config) for job in jobs] == list(depth.runs())
    assert [job.state for job in jobs] == ["done", *["pending"] * 5]
    assert [job.pending for job in jobs] == [False, *[True] * 5]


def test_a_plan_that_was_read_has_no_jobs_of_its_own() -> None:
    store.write_plan(plan())
    assert jobs_of(store.read_plan("depth")) == []


def test_what_is_done_of_a_run_is_read_while_it_is_trained() -> None:
    """Of 64,000 steps, which are not all: both splits are evaluated at the end."""
    store.write_plan(plan(seeds=1))
    job = jobs_of(plan(seeds=1))[0]
    assert job.fraction() == 0
    store.append_metrics(job.folder, {"step": 32_000})
    assert job.fraction() == job.work.done(32_000) < 0.5
    disk.write_json(job.folder / store.RESULT, DONE)
    assert job.fraction() == 1 and job.pending


def test_a_teachers_work_is_a_part_of_its_students() -> None:
    """A variant's by its plan, a published net's by its name, ResNet-56 125,485,696 multiply-adds
    (tests/config/complexities.json)."""
    recipe = {"name": "he2015_cifar", "normalization": "channel"}
    taught = {"recipe.loss": "kd"}
    found = plan(
        {
            "base": {"model": "resnet20", "data": "cifar10", "recipe": recipe},
            "variants": {
                "big": {"model": "resnet32"},
                "by big": {**taught, "teacher": {"variant": "big"}},
                "by name": {**taught, "teacher": "akamaster:resnet56"},
            },
            "seeds": 1,
        }
    )
    big = found.variants[0].multiply_adds
    costs = {job.variant.label: job.teachers_multiply_adds for job in jobs_of(found)}
    assert costs == {"big": 0, "by big": big, "by name": 125_485_696}
