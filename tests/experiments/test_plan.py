"""From an experiment to its runs and what their nets cost; what cannot be planned is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.plans import BASE, TREE, one, plan, refusal

from reslab import disk, store
from reslab.config.resolve import read_run, resolve
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.experiments.plan import read_plan_file
from reslab.report.runs import outcomes_of
from reslab.store.plan import Options, Pointer


def test_a_variant_is_its_difference_laid_over_the_base() -> None:
    plain, _, deep = plan().variants
    assert plain.difference == {"model": "plain20"}
    assert plain.configs[0].model == describe("plain20")
    assert deep.difference == {"model": "resnet110", "recipe.schedule.warmup_steps": 400}
    assert deep.configs[0].recipe.schedule.warmup_steps == 400
    assert deep.configs[0].recipe.schedule.milestones == (32_000, 48_000)


def test_a_variant_without_a_difference_is_the_base() -> None:
    tree = {"base": {**BASE, "model": "resnet20"}, "variants": {"as in the paper": {}}}
    [variant] = plan(tree).variants
    assert variant.difference == {}
    assert variant.configs[0].model == describe("resnet20")


def test_runs_of_a_variant_differ_in_their_seed_alone() -> None:
    for variant in plan().variants:
        first = variant.configs[0]
        assert [c.seed for c in variant.configs] == [0, 1, 2]
        assert {c.model_copy(update={"seed": 0}) for c in variant.configs} == {first}


def test_the_first_seed_of_every_variant_runs_before_the_second_of_any() -> None:
    order = [(config.seed, variant.label) for variant, _, config in plan().runs()]
    labels = ["plain-20", "ResNet 20", "ResNet 110"]
    assert order == [(seed, label) for seed in range(3) for label in labels]


def test_a_run_has_a_folder_of_its_own_named_by_what_it_is() -> None:
    folders = [folder for _, folder, _ in plan().runs()]
    assert len(set(folders)) == 9
    assert {folder.parent for folder in folders} == {store.runs_root() / "depth"}
    assert "resnet-20-s0-f666acc217" in {folder.name for folder in folders}


@pytest.mark.parametrize(("seeds", "which"), [(1, [0]), (2, [0, 1]), ([7, 3], [7, 3])])
def test_seeds_are_how_many_or_which(seeds: Any, which: list[int]) -> None:
    [variant] = plan(one({}, seeds=seeds)).variants
    assert [config.seed for config in variant.configs] == which


def test_one_seed_is_the_default() -> None:
    assert len(plan(one({})).variants[0].configs) == 1


def test_a_row_defaults_to_the_label_and_a_table_to_the_experiments() -> None:
    plain, residual, _ = plan().variants
    assert plain.published is None
    assert residual.published == Pointer("he2015/table6", "ResNet 20")


def test_a_variant_points_at_its_own_cell() -> None:
    cell = {"table": "plain_net_replication/table", "row": "Plain-20"}
    [variant] = plan(one({"published": cell}, published="he2015/table6")).variants
    assert variant.published == Pointer(**cell)
    assert "published" not in variant.difference


def test_without_a_table_nothing_is_published() -> None:
    assert plan(one({})).variants[0].published is None


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"row": "ResNet 21"}, "he2015/table6 has no row 'ResNet 21'; did you mean ResNet 32"),
        ({"row": "ResNet 20", "column": "x"}, "he2015/table6 has no column 'x'; there are"),
        ({"table": "he2015/table66"}, "he2015 has no table 'table66'; did you mean table6"),
        ({"table": "plain_net/table"}, "no paper is called 'plain_net'; did you mean plain_net_"),
        ({"table": "table6"}, "expected paper/table, for example he2015/table6, got 'table6'"),
        ({"tabel": "he2015/table6"}, "got {tabel: 'he2015/table6'}; expected none, or a mapping"),
        ("ResNet 20", "got 'ResNet 20'; expected none, or a mapping of table, row, column"),
        (False, "got false; expected none, or a mapping of table, row, column"),
    ],
    ids=str,
)
def test_a_cell_that_no_paper_has_is_refused(published: Any, message: str) -> None:
    text = refusal(one({"published": published}, published="he2015/table6"))
    assert text.startswith(f"file.yaml: variants.only: published: {message}")


def test_a_row_without_any_table_is_refused() -> None:
    text = refusal(one({"published": {"row": "ResNet 20"}}))
    assert "variants.only: published: table: is missing here and in the experiment" in text


def test_a_label_that_is_no_row_is_refused_with_the_nearest() -> None:
    text = refusal(one({}, published="he2015/table6"))
    assert "variants.only: published: he2015/table6 has no row 'only'; there are " in text


@pytest.mark.parametrize("note", [3, True, ["a"], {"a": 1}])
def test_a_note_is_a_text(note: Any) -> None:
    assert refusal(one({"note": note})).startswith("file.yaml: variants.only: note: got ")
    assert plan(one({"note": "as in the paper"})).variants[0].note == "as in the paper"


def test_a_budget_scales_every_run() -> None:
    for _, _, config in plan(budget=0.02).runs():
        assert config.scaled_recipe.steps == 1280


def test_seeds_of_the_command_line_count_for_every_variant() -> None:
    assert [c.seed for _, _, c in plan({**TREE, "seeds": [7, 8]}, seeds=1).runs()] == [0, 0, 0]


def test_a_batch_divides_among_the_devices_and_into_micro_batches() -> None:
    assert plan(devices=4, micro_batch=16)
    words = "every variant: recipe.batch_size is 128, which 3 processes cannot share equally"
    assert words in refusal(devices=3)
    assert "micro_batch can be 1, 2, 4" in refusal(micro_batch=3)


def test_a_plan_refuses_norms_that_would_see_one_value_per_channel() -> None:
    tree = one({"model": {"name": "resnet20", "strides": [4, 4, 2]}})
    assert plan(tree, micro_batch=2)
    words = "variants.only: recipe.batch_size is 128, of which a BatchNorm of each of 128 processes"
    assert words in refusal(tree, devices=128)
    assert "from 32 × 32 to 1 × 1 pixels" in refusal(tree, micro_batch=1)


def test_a_net_that_set_changes_loses_its_published_value() -> None:
    tree = {**TREE, "base": {**BASE, "model": "resnet20"}, "variants": {"ResNet 20": {}}}
    [kept] = plan(tree, set=("recipe.optimizer.lr=0.05",)).variants
    assert kept.published == Pointer("he2015/table6", "ResNet 20")
    assert kept.note is None
    for changed in ("model=resnet32", "model.shortcut=C", "data=cifar100"):
        [lost] = plan(tree, set=(changed,)).variants
        assert lost.published is None
        assert lost.note == "the net is changed by SET and loses its published value"


def test_a_net_without_a_published_value_has_none_to_lose() -> None:
    plain = plan(set=("model.init=fan_in",)).variants[0]
    assert plain.configs[0].model.init == "fan_in"
    assert plain.note is None


def test_an_experiment_is_found_by_its_name() -> None:
    assert read_plan_file("quickstart", Options(seeds=1)).experiment == "quickstart"


def test_an_unknown_experiment_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="has no 'quickstrat'; did you mean quickstart"):
        read_plan_file("quickstrat", Options())


@pytest.mark.parametrize("name", ["../quickstart", "configs/experiments/quickstart.yaml", ""])
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(UserError, match="is no experiment's name: a name is a word"):
        read_plan_file(name, Options())


def test_a_plan_says_all_that_tables_and_figures_need() -> None:
    """docs and `report` rely on these fields."""
    made = plan(budget=0.02, seeds=2, only="ResNet*")
    store.write_plan(made)
    written = json.loads((made.home / store.PLAN).read_text())
    assert written == {
        "experiment": "depth",
        "title": "Depth",
        "published": "he2015/table6",
        "options": {
            "budget": 0.02,
            "seeds": 2,
            "only": "ResNet*",
            "set": [],
            "devices": 1,
            "micro_batch": None,
            "sync_batchnorm": False,
        },
        "variants": written["variants"],
    }
    first, second = written["variants"]
    assert first == {
        "label": "ResNet 20",
        "slug": "resnet-20",
        "difference": {"model": "resnet20"},
        "published": {"table": "he2015/table6", "row": "ResNet 20", "column": None},
        "note": None,
        "params": 269_722,
        "multiply_adds": 40_551_040,
        "runs": [run.name for run in plan(budget=0.02, seeds=2).variants[1].runs],
    }
    assert second["difference"] == {"model": "resnet110", "recipe.schedule.warmup_steps": 400}


def test_a_net_that_cannot_take_its_images_is_refused_with_its_variant() -> None:
    """Five halvings leave nothing of 8 pixels."""
    tree = {
        "base": {"recipe": "digits", "data": "digits"},
        "variants": {"small": {"model": "plain8_w8"}, "dense": {"model": "densenet121"}},
    }
    assert refusal(tree).startswith(
        "file.yaml: variants.dense: model: the net cannot take images of 8 × 8 pixels: "
    )


def test_costs_are_those_of_the_variants_own_data() -> None:
    tree = {
        "base": {"recipe": "digits", "data": "digits"},
        "variants": {"a": {"model": "plain8_w8"}},
    }
    [variant] = plan(tree).variants
    assert (variant.params, variant.multiply_adds) == (19_074, 189_248)


def test_writing_prepares_every_run_and_makes_it_the_newest_plan() -> None:
    depth = plan(seeds=2)
    store.write_plan(depth)
    for _, folder, config in depth.runs():
        assert store.state(folder) == "pending"
        assert read_run(folder / store.CONFIG) == config
    assert store.read_plan("depth") == depth


def test_a_smaller_plan_leaves_the_other_alone() -> None:
    store.write_plan(plan())
    store.write_plan(plan(seeds=1))
    assert len(list((store.runs_root() / "depth").glob(f"*/{store.CONFIG}"))) == 9
    assert len(store.read_plan("depth").variants[0].runs) == 3
    assert len(store.read_plan("depth@seeds=1").variants[0].runs) == 1


def test_a_written_plan_is_what_the_report_reads() -> None:
    store.write_plan(plan())
    outcomes = outcomes_of(store.read_plan("depth"))
    assert [outcome.label for outcome in outcomes] == ["plain-20", "ResNet 20", "ResNet 110"]
    assert [outcome.count("pending") for outcome in outcomes] == [3, 3, 3]
    assert outcomes[1].published is not None and outcomes[1].published.value == 8.75


def test_weights_and_biases_files_a_run_by_experiment_variant_paper_and_data() -> None:
    store.write_plan(plan(seeds=1))
    [_, folder, _], *_ = (run for run in plan(seeds=1).runs() if run[0].label == "ResNet 20")
    tracking = disk.read_json(folder / store.TRACKING)
    assert tracking.pop("id").startswith("f666acc217-")
    assert tracking == {
        "group": "depth",
        "job_type": "resnet-20",
        "name": "resnet-20-s0",
        "tags": ["he2015", "he2015/table6", "cifar10"],
    }


def test_without_a_published_table_a_run_is_tagged_by_its_data() -> None:
    alone = plan(one({}))
    store.write_plan(alone)
    [(_, folder, _)] = alone.runs()
    assert disk.read_json(folder / store.TRACKING)["tags"] == ["cifar10"]


def test_planning_writes_nothing(tmp_path: Path) -> None:
    plan()
    assert list(tmp_path.iterdir()) == []


def test_the_parameters_of_an_adapted_net_are_those_that_its_run_will_count() -> None:
    """ResNet-20's and LoRA's (docs/fine_tuning.md); of timm's nets it is only said to be more."""
    lora = {"adapter": {"name": "lora", "rank": 4}, "trains": ["adapter", "head"]}
    [variant] = plan(one(lora)).variants
    assert variant.params == 269_722 + 25_324
    assert resolve({**BASE, "model": "timm:resnet18", **lora}, "here").added_params is None


def test_the_whole_budget_has_a_name_where_the_file_says_another() -> None:
    """It is left out of names elsewhere: there it is the plan without words."""
    assert plan(budget=1.0).name == "depth"
    for tree in ({**TREE, "base": {**BASE, "budget": 0.5}}, one({"budget": 0.5})):
        assert "BUDGET=1 is another plan than the one without words" in refusal(tree, budget=1.0)
        assert plan(tree, budget=1.0, plan="whole").name == "depth@whole"


def test_a_plan_that_measures_has_the_same_runs_and_the_same_name() -> None:
    """Its runs' files say so; its own alone says it where it does."""
    plain, measures = plan(), plan(diagnostics=True)
    assert measures.folders() == plain.folders() and measures.home == plain.home
    assert {config.diagnostics for _, _, config in measures.runs()} == {True}
    store.write_plan(measures)
    assert store.read_plan("depth") == measures
    assert json.loads((measures.home / store.PLAN).read_text())["options"]["diagnostics"] is True
