"""From an experiment's file to its runs; what cannot be planned is refused in words."""

import json
from pathlib import Path
from typing import Any

import pytest

from reslab import disk, store
from reslab.config import describe, read_run
from reslab.config.recipe import Optimizer
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments.plan import (
    Options,
    Plan,
    as_written,
    expand,
    parse_experiment,
    pick,
    read_plan_file,
    write,
)
from reslab.report.runs import read_variants

BASE = {"data": "cifar10", "recipe": "he2015_cifar"}
TREE: dict[str, Any] = {
    "title": "Depth",
    "published": "he2015/table6",
    "base": BASE,
    "seeds": 3,
    "variants": {
        "plain-20": {"model": "plain20", "published": "none"},
        "ResNet 20": {"model": "resnet20"},
        "ResNet 110": {"model": "resnet110", "recipe": {"schedule": {"warmup_steps": 400}}},
    },
}
"""Small enough to read, with all that an experiment's file can say but a grid."""


LR = "recipe.optimizer.lr=0.5"


def plan(tree: dict[str, Any] = TREE, **options: Any) -> Plan:
    return expand("depth", parse_experiment(tree, "file.yaml"), Options(**options), "file.yaml")


def one(override: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An experiment of one variant."""
    return {"base": BASE, "variants": {"only": {"model": "resnet20", **override}}, **more}


def refusal(tree: dict[str, Any] = TREE, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        plan(tree, **options)
    return str(caught.value)


# ---- variants and seeds -------------------------------------------------------------------------


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


# ---- grids --------------------------------------------------------------------------------------


def test_a_grid_is_a_product() -> None:
    grid = {"model": ["plain20", "resnet20"], "recipe.optimizer.lr": [0.1, 0.01]}
    variants = plan({"base": BASE, "grid": grid}).variants
    assert [v.label for v in variants] == [
        "plain20, lr 0.1",
        "plain20, lr 0.01",
        "resnet20, lr 0.1",
        "resnet20, lr 0.01",
    ]
    assert variants[1].difference == {"model": "plain20", "recipe.optimizer.lr": 0.01}
    assert variants[1].configs[0].recipe.optimizer.lr == 0.01


def test_a_grid_of_descriptions_is_labelled_by_what_they_say() -> None:
    grid = {"model": [{"name": "resnet20", "shortcut": "C"}], "data.holdout": [5000]}
    [variant] = plan({"base": BASE, "grid": grid}).variants
    assert variant.label == "resnet20, shortcut C, holdout 5000"


def test_a_grid_is_added_to_the_variants() -> None:
    tree = {**one({}), "grid": {"model": ["plain20"]}}
    assert [v.label for v in plan(tree).variants] == ["only", "plain20"]


# ---- published values ---------------------------------------------------------------------------


def test_a_row_defaults_to_the_label_and_a_table_to_the_experiments() -> None:
    plain, residual, _ = plan().variants
    assert plain.published is None
    assert residual.published == {"table": "he2015/table6", "row": "ResNet 20"}


def test_a_variant_points_at_its_own_cell() -> None:
    cell = {"table": "plain_net_replication/table", "row": "Plain-20"}
    [variant] = plan(one({"published": cell}, published="he2015/table6")).variants
    assert variant.published == cell
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


# ---- mistakes in the file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"base": BASE}, "variants: is missing; an experiment compares at least one"),
        (one({}, variants={}), "variants: is missing; an experiment compares at least one"),
        (one({}, variants=["a"]), "variants: got ['a']; expected a mapping"),
        (one({}, variants={"a": None}), "variants.a: got null; expected a mapping"),
        (one({}, variants={"???": {}}), "the label '???' has no letter or digit"),
        (one({}, varaints={}), "varaints: no such field (got {}); did you mean variants?"),
        (one({}, base=5), "base: got 5; expected a mapping"),
        (one({}, title=5), "title: got 5; expected a valid string"),
        (one({}, seeds="five"), "seeds: got 'five'; expected how many (5) or which ([0, 3])"),
        (one({}, seeds=True), "seeds: got true; expected how many (5) or which ([0, 3])"),
        (one({}, seeds=0), "seeds: got 0; expected how many (5) or which ([0, 3])"),
        (one({}, seeds=-1), "seeds: got -1; expected how many (5) or which ([0, 3])"),
        (one({}, seeds=[]), "seeds: got []; expected how many (5) or which ([0, 3])"),
        (one({}, seeds=[0, "x"]), "seeds: got [0, 'x']; expected whole numbers from 0, each once"),
        (one({}, seeds=[1, 1]), "seeds: got [1, 1]; expected whole numbers from 0, each once"),
        (one({}, seeds=[-1]), "seeds: got [-1]; expected whole numbers from 0, each once"),
        (one({}, seeds=10**9), "seeds: got 1000000000; expected at most 1,000"),
        (one({}, seeds=list(range(100_000))), "seeds: got [0, 1, 2, "),
        (one({}, published="he2051/table6"), "published: no paper is called 'he2051'; did you"),
        (one({}, published="he2015/x"), "published: he2015 has no table 'x'"),
        (one({}, grid={"model": []}), "grid.model: got []; expected at least one entry"),
        (one({}, grid={"model": "resnet20"}), "grid.model: got 'resnet20'; expected a list"),
        (one({"seed": 4}), "variants.only: seed: stands in the experiment's seeds, or in SEEDS="),
        (one({"model": "resnet21"}), "variants.only: model: no net is called 'resnet21'; did you"),
        (one({"model": {"shortcut": "C"}}), "variants.only: model"),
        (one({"recipe": {"steps": 0}}), "variants.only: recipe.steps: got 0; expected greater"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_a_mistake_is_named_with_file_place_and_what_is_allowed(
    tree: dict[str, Any], message: str
) -> None:
    assert refusal(tree).startswith(f"file.yaml: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"base": {**BASE, "recpie": 1}},
            "base.recpie: no such field (got 1); did you mean recipe",
        ),
        ({"base": {**BASE, "recpie": {"steps": 1}}}, "base.recpie: no such field (got {steps: 1})"),
        ({"base": {**BASE, "recipe": "he2051"}}, "base.recipe: configs/recipes has no 'he2051'"),
        ({"base": {**BASE, "data": "cifar11"}}, "base.data.name: got 'cifar11'; expected 'digits'"),
        ({"base": {**BASE, "model.units": [1, "x", 1]}}, "base.model.units.1: got 'x'; expected"),
        ({"base": {**BASE, "seed": 1}}, "base.seed: stands in the experiment's seeds"),
        (
            {"base": {**BASE, "data.name": "mnist"}},
            "base: data.name: stands here twice, as 'cifar10'",
        ),
        (
            {"base": {**BASE, "model.shortcut": "C"}, "set": ("model.shortcut=E",)},
            "variants.only wi",
        ),
        (
            {"base": {**BASE, "recipe.steps": 5}},
            "variants.only: recipe.schedule.milestones: 48000 is",
        ),
        ({"override": {"recpie": 1}}, "variants.only: recpie: no such field"),
        (
            {"override": {"model": "resnet21"}, "base": {**BASE, "model": "x"}},
            "variants.only: model: ",
        ),
        (
            {"override": {"model.name": "x"}},
            "variants.only: model.name: stands here twice, as 'resn",
        ),
        (
            {"variants": {}, "grid": {"model": ["resnet20"], "seeds": [1]}},
            "grid.seeds: no such field",
        ),
        (
            {"variants": {}, "grid": {"model": ["resnet20", "x"]}},
            "grid.model: no net is called 'x'",
        ),
        (
            {"variants": {}, "grid": {"precision": ["tf32"]}},
            "grid (precision tf32): model: is missing",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_told_where_it_stands(more: dict[str, Any], message: str) -> None:
    """In the base where no variant says it, in the grid by its path, else in the variant."""
    options = {"set": more.pop("set", ())}
    tree = {**one(more.pop("override", {})), **more}
    assert refusal(tree, **options).startswith(f"file.yaml: {message}")


@pytest.mark.parametrize(
    "more",
    [
        {"variants": {"A b": {"model": "resnet20"}, "a-B": {"model": "plain20"}}},
        {"variants": {"plain20": {"model": "plain20"}}, "grid": {"model": ["plain20"]}},
    ],
)
def test_two_variants_do_not_share_a_folder(more: dict[str, Any]) -> None:
    assert "would have one folder, " in refusal({"base": BASE, **more})


def test_the_mistakes_of_all_variants_are_told_at_once() -> None:
    """Those of the base once, in the order of the file, each where it stands."""
    variants = {
        "a": {"model": "resnet21"},
        "b": {"model": "resnet20"},
        "c": {"model": "resnet20", "recipe.steps": 0, "note": 3},
        "d": {"model": "resnet22", "published": {"x": 1}},
    }
    tree = {"base": {**BASE, "precision": "f"}, "variants": variants}
    told = [line.strip() for line in refusal(tree).splitlines()]
    assert [line.partition("; ")[0] for line in told] == [
        "file.yaml: variants.a: model: no net is called 'resnet21'",
        "file.yaml: base.precision: got 'f'",
        "file.yaml: variants.c: recipe.steps: got 0",
        "file.yaml: variants.c: note: got 3",
        "file.yaml: variants.d: model: no net is called 'resnet22'",
        "file.yaml: variants.d: published: got {x: 1}",
    ]


def test_a_mistake_in_every_variant_is_told_once() -> None:
    text = refusal(set=("model.shortcut=E",))
    assert text.startswith("file.yaml: every variant with SET='model.shortcut=E': model.shortcut: ")
    assert "\n" not in text
    assert "variants.plain-20 with SET" in refusal(set=("model.shortcut=E",), only="plain-20")


def test_mistakes_of_net_data_and_recipe_are_told_at_once() -> None:
    text = refusal(one({}, base={"data": "cifar11", "recipe": "he2051"}))
    assert "base.recipe: configs/recipes has no 'he2051'" in text
    text = refusal(one({"model": "resnet21"}, base={"data": "cifar10", "recipe": "he2051"}))
    assert [line.split(": ")[1] for line in text.splitlines()] == ["variants.only", "base.recipe"]


def test_of_many_mistakes_the_first_are_told() -> None:
    variants = {str(n): {"model": f"net{n}"} for n in range(900)}
    lines = refusal({"base": BASE, "variants": variants}).splitlines()
    assert len(lines) == 13
    assert lines[-1].strip().endswith(" more")


# ---- the command line ---------------------------------------------------------------------------


BIG = {f"model.x{i}": list(range(1000)) for i in range(20)}
"""A product of 10^60."""


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({**TREE, "grid": BIG}, "file.yaml: far too many variants; expected at most 1,000"),
        (
            {"base": BASE, "grid": {"model.classes": list(range(1001))}},
            "file.yaml: 1,001 variants; expected at most 1,000",
        ),
        (
            {"base": BASE, "grid": {"model.classes": list(range(101))}, "seeds": 100},
            "file.yaml: 10,100 runs; expected at most 10,000",
        ),
    ],
    ids=["a product", "variants", "runs"],
)
def test_more_runs_than_anybody_means_are_refused_before_they_take_memory(
    tree: dict[str, Any], message: str
) -> None:
    assert refusal(tree) == message


def test_seeds_of_the_command_line_count_among_the_runs() -> None:
    grid = {"base": BASE, "grid": {"recipe.batch_size": list(range(101))}}
    assert refusal(grid, seeds=1000) == "file.yaml: 101,000 runs; expected at most 10,000"


def test_a_label_fits_into_a_folders_name() -> None:
    long = {"base": BASE, "variants": {200 * "a": {"model": "resnet20"}}}
    [(_, folder, _)] = plan(long).runs()
    assert len(folder.name) < 255
    refused = refusal({"base": BASE, "variants": {201 * "a": {"model": "resnet20"}}})
    assert "is too long for a folder's name: 201 letters and digits" in refused
    assert len(refused) < 300


@pytest.mark.parametrize("note", [3, True, ["a"], {"a": 1}])
def test_a_note_is_a_text(note: Any) -> None:
    assert refusal(one({"note": note})).startswith("file.yaml: variants.only: note: got ")
    assert plan(one({"note": "as in the paper"})).variants[0].note == "as in the paper"


def test_only_has_a_bounded_number_of_parts() -> None:
    assert refusal(only="a," * 1000) == "ONLY has 1,001 parts; expected at most 1,000"


def test_what_was_given_is_told_shortly() -> None:
    assert len(refusal(only=10_000 * "x")) < 300
    assert len(refusal(set=(f"model.shortcut={10_000 * 'x'}",))) < 600
    assert len(refusal(one({"model": 10_000 * "x"}))) < 500
    assert len(refusal(one({"published": {"row": 10_000 * "x"}}))) < 500


def test_only_picks_variants_by_their_label() -> None:
    assert [v.label for v in plan(only="*20*").variants] == ["plain-20", "ResNet 20"]
    assert refusal(only="*56*").startswith("ONLY='*56*' matches none of the variants: 'plain-20', ")


def test_a_budget_scales_every_run() -> None:
    for _, _, config in plan(budget=0.02).runs():
        assert config.scaled_recipe.steps == 1280


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_is_above_zero(budget: float) -> None:
    assert refusal(budget=budget) == (
        f"BUDGET={budget:g}: expected a number above 0, for example 0.02"
    )


def test_seeds_of_the_command_line_count_for_every_variant() -> None:
    assert [c.seed for _, _, c in plan({**TREE, "seeds": [7, 8]}, seeds=1).runs()] == [0, 0, 0]


def test_seeds_of_the_command_line_are_not_too_many() -> None:
    assert refusal(seeds=100_000) == "SEEDS=100000: expected at most 1,000"


@pytest.mark.parametrize("number", [0, -2])
def test_seeds_are_above_zero(number: int) -> None:
    assert refusal(seeds=number) == f"SEEDS={number}: expected a whole number above 0"


def test_a_batch_divides_among_the_devices_and_into_micro_batches() -> None:
    assert plan(execution=Execution(devices=4, micro_batch=16))
    words = "every variant: recipe.batch_size is 128, which 3 processes cannot share equally"
    assert words in refusal(execution=Execution(devices=3))
    assert "micro_batch can be 1, 2, 4" in refusal(execution=Execution(micro_batch=3))


def test_a_plan_refuses_norms_that_would_see_one_value_per_channel() -> None:
    tree = one({"model": {"name": "resnet20", "strides": [4, 4, 2]}})
    assert plan(tree, execution=Execution(micro_batch=2))
    words = "variants.only: recipe.batch_size is 128, of which a BatchNorm of each of 128 processes"
    assert words in refusal(tree, execution=Execution(devices=128))
    assert "from 32 × 32 to 1 × 1 pixels" in refusal(tree, execution=Execution(micro_batch=1))


def test_set_changes_the_base() -> None:
    changed = plan(set=("recipe.optimizer.lr=1e-2", "precision=tf32"))
    for _, _, config in changed.runs():
        assert config.recipe.optimizer.lr == 0.01
        assert config.precision == "tf32"


def test_a_variant_keeps_its_own_difference_under_set() -> None:
    plain, _, deep = plan(set=("recipe.schedule.warmup_steps=10",)).variants
    assert plain.configs[0].recipe.schedule.warmup_steps == 10
    assert deep.configs[0].recipe.schedule.warmup_steps == 400


def test_a_set_that_no_variant_sees_is_refused() -> None:
    text = refusal(set=("model=resnet56",))
    assert text == "SET='model=resnet56' changes nothing: every variant has its own value"


def test_a_set_is_not_seen_in_a_variant_that_happens_to_say_the_same() -> None:
    changes_nothing = "changes nothing: every variant has its own value"
    assert refusal(set=("model=resnet20",)) == f"SET='model=resnet20' {changes_nothing}"
    assert changes_nothing in refusal(set=("model=resnet20",), only="ResNet 20")
    assert changes_nothing in refusal(one({"recipe": {"optimizer": {"lr": 1}}}), set=(LR,))


def test_a_set_that_some_variant_sees_is_allowed() -> None:
    tree = {
        "base": {**BASE, "model": "resnet110"},
        "variants": {"a": {}, "b": {"model": "plain20"}},
    }
    seen, own = plan(tree, set=("model=resnet20",)).variants
    assert (seen.configs[0].model, own.configs[0].model) == (
        describe("resnet20"),
        describe("plain20"),
    )
    assert plan(one({}), set=("model={name: resnet56, shortcut: C}",))


def test_a_set_to_what_the_base_says_is_allowed() -> None:
    assert plan(set=("data=cifar10",)).variants == plan().variants


def test_a_mapping_of_set_replaces_what_stands_there() -> None:
    """The recipe's momentum and weight decay, and the base's nesterov, are gone."""
    tree = one({}, base={**BASE, "recipe.optimizer.nesterov": True})
    [variant] = plan(tree, set=("recipe.optimizer={name: adam, lr: 0.001}",)).variants
    assert variant.configs[0].recipe.optimizer == Optimizer(name="adam", lr=0.001)
    [variant] = plan(tree, set=("recipe.optimizer={lr: 0.5}", "recipe.optimizer.lr=0.25")).variants
    assert variant.configs[0].recipe.optimizer == Optimizer(lr=0.25)


def test_a_variant_keeps_its_own_difference_over_a_mapping_of_set() -> None:
    """And is changed by it where it says each of the mapping's fields, but not the others."""
    tree = one({"recipe": {"optimizer": {"name": "adamw", "lr": 0.002, "momentum": 0}}})
    [variant] = plan(tree, set=("recipe.optimizer={name: adam, lr: 0.001}",)).variants
    assert variant.configs[0].recipe.optimizer == Optimizer(name="adamw", lr=0.002)


def test_a_mapping_of_set_of_which_no_variant_leaves_anything_is_refused() -> None:
    text = refusal(set=("model={name: resnet56}",))
    assert text == "SET='model={name: resnet56}' changes nothing: every variant has its own value"
    cleared = one({}, base={**BASE, "model.shortcut": "C"})
    [variant] = plan(cleared, set=("model={name: resnet56}",)).variants
    assert variant.configs[0].model == describe("resnet20")


def test_a_mistake_in_what_a_mapping_replaced_is_told_where_set_is() -> None:
    tree = one({}, base={**BASE, "recipe.optimizer.nesterov": True})
    text = refusal(tree, set=("recipe.optimizer={name: adam}",))
    assert "variants.only with SET='recipe.optimizer={name: adam}': recipe.optimizer.lr: is" in text


def test_another_optimiser_alone_is_refused_with_what_to_write() -> None:
    said = "SET='recipe.optimizer={name: adam, lr: 0.001}'"
    text = refusal(one({}), set=("recipe.optimizer.name=adam",))
    beside = "leave it out, or write momentum: 0.0 and a rate of its own"
    assert f"{beside}, or replace the whole: {said}" in text
    assert plan(one({}), set=("recipe.optimizer={name: adam, lr: 0.001}",))


def test_a_net_that_set_changes_loses_its_published_value() -> None:
    tree = {**TREE, "base": {**BASE, "model": "resnet20"}, "variants": {"ResNet 20": {}}}
    [kept] = plan(tree, set=("recipe.optimizer.lr=0.05",)).variants
    assert kept.published == {"table": "he2015/table6", "row": "ResNet 20"}
    assert kept.note is None
    for changed in ("model=resnet32", "model.shortcut=C", "data=cifar100"):
        [lost] = plan(tree, set=(changed,)).variants
        assert lost.published is None
        assert lost.note == "the net is changed by SET and loses its published value"


def test_a_net_without_a_published_value_has_none_to_lose() -> None:
    plain = plan(set=("model.init=fan_in",)).variants[0]
    assert plain.configs[0].model.init == "fan_in"
    assert plain.note is None


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model", "expected KEY=VALUE, for example model.shortcut=C, got 'model'"),
        ("data={", "data: '{' is no YAML value"),
        ("seed=3", "seed: stands in the experiment's seeds, or in SEEDS="),
        ("model.shortcut=E", "with SET='model.shortcut=E': model.shortcut: got 'E'; expected"),
        ("moodel.shortcut=E", "moodel: no such field (got {shortcut: 'E'}); did you mean model?"),
    ],
)
def test_a_mistake_in_set_is_named(assignment: str, message: str) -> None:
    assert message in refusal(set=(assignment,))


# ---- files --------------------------------------------------------------------------------------


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
    written = as_written(plan(budget=0.02, seeds=2, only="ResNet*"))
    assert json.loads(json.dumps(written)) == {
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
        "published": {"table": "he2015/table6", "row": "ResNet 20"},
        "note": None,
        "params": 269_722,
        "multiply_adds": 40_551_040,
        "runs": [name for name, _ in plan(budget=0.02, seeds=2).variants[1].runs()],
    }
    assert second["difference"] == {"model": "resnet110", "recipe.schedule.warmup_steps": 400}


@pytest.mark.process
def test_a_net_that_cannot_take_its_images_is_refused_with_its_variant() -> None:
    """Five halvings leave nothing of 8 pixels."""
    tree = {
        "base": {"recipe": "digits", "data": "digits"},
        "variants": {"small": {"model": "plain8_w8"}, "dense": {"model": "densenet121"}},
    }
    with pytest.raises(UserError) as caught:
        as_written(plan(tree))
    assert str(caught.value).startswith(
        "file.yaml: variants.dense: model: the net cannot take images of 8 × 8 pixels: "
    )


def test_costs_are_those_of_the_variants_own_data() -> None:
    tree = {
        "base": {"recipe": "digits", "data": "digits"},
        "variants": {"a": {"model": "plain8_w8"}},
    }
    [variant] = as_written(plan(tree))["variants"]
    assert (variant["params"], variant["multiply_adds"]) == (19_074, 189_248)


def test_writing_prepares_every_run_and_makes_it_the_last_plan() -> None:
    depth = plan(seeds=2)
    write(depth, as_written(depth))
    for _, folder, config in depth.runs():
        assert store.state(folder) == "pending"
        assert read_run(folder / store.CONFIG) == config
    assert store.read_plan("depth") == json.loads(json.dumps(as_written(depth)))


def test_a_smaller_plan_leaves_the_other_runs_alone() -> None:
    write(plan(), as_written(plan()))
    write(plan(seeds=1), as_written(plan(seeds=1)))
    assert len(list((store.runs_root() / "depth").glob(f"*/{store.CONFIG}"))) == 9
    assert len(store.read_plan("depth")["variants"][0]["runs"]) == 1


def test_a_written_plan_is_what_the_report_reads() -> None:
    write(plan(), as_written(plan()))
    variants = read_variants(store.read_plan("depth"), plan().folder)
    assert [variant.label for variant in variants] == ["plain-20", "ResNet 20", "ResNet 110"]
    assert [variant.count("pending") for variant in variants] == [3, 3, 3]
    assert variants[1].published is not None and variants[1].published.value == 8.75


def test_weights_and_biases_files_a_run_by_experiment_variant_paper_and_data() -> None:
    write(plan(seeds=1), as_written(plan(seeds=1)))
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
    write(alone, as_written(alone))
    [(_, folder, _)] = alone.runs()
    assert disk.read_json(folder / store.TRACKING)["tags"] == ["cifar10"]


def test_planning_writes_nothing(tmp_path: Path) -> None:
    as_written(plan())
    assert list(tmp_path.iterdir()) == []


def test_merging_a_variant_leaves_the_experiment_as_it_is() -> None:
    before = json.dumps(TREE)
    plan(set=("recipe.optimizer.lr=0.05",), budget=0.1)
    assert json.dumps(TREE) == before


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        ("*20*", ["plain-20", "ResNet 20", "ResNet 1202"]),
        ("!*1202", ["plain-20", "plain-110", "ResNet 20", "ResNet 110"]),
        ("plain-*, ResNet 110", ["plain-20", "plain-110", "ResNet 110"]),
        ("*20*,!plain-*,!*1202", ["ResNet 20"]),
    ],
)
def test_only_takes_several_globs_and_excludes_with_an_exclamation_mark(
    only: str, labels: list[str]
) -> None:
    known = ["plain-20", "plain-110", "ResNet 20", "ResNet 110", "ResNet 1202"]
    assert pick(known, only) == labels


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("plian*", "ONLY='plian*' matches none of the variants: 'plain-20', 'ResNet 20'"),
        ("plain-20,resnet*", "ONLY='plain-20,resnet*': 'resnet*' matches none of the variants"),
        ("plain-20,!*44", "ONLY='plain-20,!*44': '*44' matches none of the variants"),
        ("plain-20,!plain*", "ONLY='plain-20,!plain*' matches none of the variants"),
    ],
)
def test_every_part_of_only_picks_or_excludes_something(only: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        pick(["plain-20", "ResNet 20"], only)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        ("*, CIFAR-10", ["deep, CIFAR-10", "wide, CIFAR-10"]),
        ("wide, CIFAR-10", ["wide, CIFAR-10"]),
        ("!wide, CIFAR-10", ["deep, CIFAR-10", "wide, CIFAR-100", "net [ours]"]),
        ("net [ours]", ["net [ours]"]),
        ("deep*, net [ours]", ["deep, CIFAR-10", "net [ours]"]),
    ],
)
def test_only_takes_labels_as_they_stand_in_the_table(only: str, labels: list[str]) -> None:
    known = ["deep, CIFAR-10", "wide, CIFAR-10", "wide, CIFAR-100", "net [ours]"]
    assert pick(known, only) == labels
