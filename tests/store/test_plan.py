"""The plan is one value: what is written is read as the same, and what is no plan is named."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reslab import disk, store
from reslab.config.resolve import resolve
from reslab.errors import UserError
from reslab.store.plan import Options, Plan, Pointer, Run, Variant

CONFIG = resolve({"model": "resnet8_w8", "data": "digits", "recipe": "digits"}, "here")
RUNS = tuple(Run.of("a", CONFIG.model_copy(update={"seed": seed})) for seed in (0, 1))
VARIANT = Variant("A", "a", {}, Pointer("he2015/table6", "ResNet 20"), None, 3, 4, RUNS)


def plan(experiment: str = "mnist", **options: Any) -> Plan:
    return Plan(experiment, "MNIST", None, Options(**options), (VARIANT,))


def written(**changes: Any) -> dict[str, Any]:
    """What commit 73a3278 wrote."""
    row = {
        "label": "ResNet 20",
        "slug": "resnet-20",
        "difference": {"model": "resnet20"},
        "published": {"table": "he2015/table6", "row": "ResNet 20"},
        "note": None,
        "params": 269_722,
        "multiply_adds": 40_551_040,
        "runs": ["resnet-20-s0-f666acc217"],
        **changes,
    }
    return {
        "experiment": "depth",
        "title": "Depth",
        "options": {
            "budget": 0.02,
            "seeds": 1,
            "only": None,
            "set": ["precision=tf32"],
            "devices": 2,
            "micro_batch": None,
            "sync_batchnorm": False,
        },
        "published": "he2015/table6",
        "variants": [row],
    }


def keep(value: Any, experiment: str = "depth") -> None:
    folder = store.experiment_folder(experiment)
    folder.mkdir(parents=True, exist_ok=True)
    disk.write_json(folder / store.PLAN, value)


def test_the_newest_plan_is_read_where_all_have_words() -> None:
    for seeds in (5, 1):
        store.write_plan(plan(seeds=seeds, set=("a=1",), micro_batch=8))
    assert store.read_plan("mnist") == plan(seeds=1, set=("a=1",), micro_batch=8)


def test_what_a_run_is_stands_in_its_folder_not_in_the_file() -> None:
    store.write_plan(plan())
    assert [folder.name for _, folder, _ in plan().runs()] == [run.name for run in RUNS]
    assert all((folder / store.CONFIG).exists() for folder in plan().folders())
    read = store.read_plan("mnist")
    assert read.folders() == plan().folders()
    assert [run.seed for run in read.variants[0].runs] == [0, 1]
    assert read.variants[0].configs == () and list(read.runs()) == []


def test_a_plan_of_before_is_read() -> None:
    keep(written())
    runs = (Run("resnet-20", 0, "f666acc217"),)
    assert store.read_plan("depth") == Plan(
        "depth",
        "Depth",
        "he2015/table6",
        Options(devices=2, budget=0.02, seeds=1, set=("precision=tf32",)),
        (
            Variant(
                "ResNet 20",
                "resnet-20",
                {"model": "resnet20"},
                Pointer("he2015/table6", "ResNet 20"),
                None,
                269_722,
                40_551_040,
                runs,
            ),
        ),
    )


def test_those_of_before_can_read_a_plan() -> None:
    """Its keys are theirs, and a column where one is pointed at."""
    keep(written())
    plan = store.read_plan("depth")
    store.write_plan(plan)
    told = json.loads((store.read_plan("depth").home / store.PLAN).read_text())
    [row] = told["variants"]
    assert row["published"].pop("column") is None
    assert told == written()


def test_what_is_compared_is_read_as_it_was_written() -> None:
    asked = replace(plan(), margin=0.5, questions=(("A", "B"),))
    store.write_plan(asked)
    assert store.read_plan("mnist") == asked


@pytest.mark.parametrize(
    ("changes", "where"),
    [({"margin": 0}, "margin"), ({"questions": [["a"]]}, "questions.0.1")],
)
def test_what_nobody_could_have_asked_is_damage(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match=f"{where}: "):
        read_of({**written(), **changes})


def test_a_folder_that_was_renamed_is_read_by_its_name() -> None:
    keep(written(), "deeper")
    assert store.read_plan("deeper") == replace(read_of(written()), experiment="deeper")


def read_of(value: dict[str, Any]) -> Plan:
    keep(value)
    return store.read_plan("depth")


def test_other_keys_may_be_there() -> None:
    """Of a later version, or of somebody's own."""
    assert read_of({**written(mine=[1]), "mine": 1}) == read_of(written())


def test_an_experiment_that_was_never_run_is_named_with_its_nearest_and_its_command() -> None:
    assert store.find_plan("quickstart") is None
    store.write_plan(plan("quickstart"))
    with pytest.raises(UserError) as caught:
        store.read_plan("quickstrat")
    assert "'quickstrat' has not been run" in str(caught.value)
    assert "did you mean quickstart?" in str(caught.value)
    assert "make experiment NAME=quickstrat" in str(caught.value)


@pytest.mark.parametrize("text", ['{"exper', "[]", "{}", "", "\x00", 10_000 * "["])
def test_a_damaged_plan_is_refused_with_its_path(text: str) -> None:
    folder = store.experiment_folder("quickstart")
    folder.mkdir(parents=True)
    (folder / store.PLAN).write_text(text)
    with pytest.raises(UserError) as caught:
        store.read_plan("quickstart")
    assert str(caught.value).startswith(f"{folder / store.PLAN} is damaged: ")
    assert "make experiment NAME=quickstart" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../a-s0-f666acc217", "/etc", "a/b", ".hidden", "", "a-s0", "a-s0-f666acc217\n", 5]
)
def test_a_plans_run_is_a_folder_beside_it(name: object) -> None:
    with pytest.raises(UserError, match=r"is damaged: variants\.0\.runs\.0: "):
        read_of(written(runs=[name]))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"params": -1}, "variants.0.params: "),
        ({"label": 5}, "variants.0.label: "),
        ({"difference": "x"}, "variants.0.difference: "),
        ({"published": {"table": "he2015/table6"}}, "variants.0.published.row: "),
        ({"published": {"table": 1, "row": "x"}}, "variants.0.published.table: "),
    ],
)
def test_what_has_another_shape_is_told_with_the_path(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match=f"is damaged: {where}".replace(".", r"\.")):
        read_of(written(**changes))


def test_options_that_nobody_could_have_given_are_damage() -> None:
    with pytest.raises(UserError, match=r"plan\.json is damaged: BUDGET=-1: expected"):
        read_of({**written(), "options": {"budget": -1}})


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_is_above_zero(number: float) -> None:
    with pytest.raises(UserError, match=f"BUDGET={number:g}: expected a number above 0, for exam"):
        Options(budget=number)


@pytest.mark.parametrize("number", [0, -2])
def test_seeds_are_above_zero(number: int) -> None:
    with pytest.raises(UserError, match=f"SEEDS={number}: expected a whole number above 0"):
        Options(seeds=number)


def test_seeds_are_not_too_many() -> None:
    with pytest.raises(UserError, match="SEEDS=100000: expected at most 1,000"):
        Options(seeds=100_000)


def test_epochs_and_a_budget_are_two_ways_to_say_how_long() -> None:
    assert Options(epochs=3).epochs == 3
    with pytest.raises(UserError, match=r"EPOCHS=3 and BUDGET=0\.1 both say how long; say one"):
        Options(epochs=3, budget=0.1)
    with pytest.raises(UserError, match="EPOCHS=0: expected a number above 0"):
        Options(epochs=0)
