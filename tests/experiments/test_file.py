"""An experiment's file: its variants and its grid; mistakes are refused in words."""

from typing import Any

import pytest
from tests.experiments.plans import BASE, TREE, one, plan, refusal


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


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"base": BASE}, "variants: is missing; an experiment compares at least one"),
        (one({}, variants={}), "variants: is missing; an experiment compares at least one"),
        (one({}, variants=["a"]), "variants: got ['a']; expected a mapping"),
        (one({}, variants={"a": None}), "variants.a: got null; expected a mapping"),
        (one({}, variants={"???": {}}), "the label '???' has no letter or digit"),
        (
            one({}, varaints={}),
            "varaints: no such field (got {}); did you mean variants or margin?",
        ),
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


def test_only_has_a_bounded_number_of_parts() -> None:
    assert refusal(only="a," * 1000) == "ONLY has 1,001 parts; expected at most 1,000"


def test_what_was_given_is_told_shortly() -> None:
    assert len(refusal(only=10_000 * "x")) < 300
    assert len(refusal(set=(f"model.shortcut={10_000 * 'x'}",))) < 600
    assert len(refusal(one({"model": 10_000 * "x"}))) < 500
    assert len(refusal(one({"published": {"row": 10_000 * "x"}}))) < 500


# ---- what is compared -------------------------------------------------------------------------

NETS = {"plain": "plain20", "A": "resnet20", "C": {"name": "resnet20", "shortcut": "C"}}
THREE = {"base": BASE, "variants": {label: {"model": net} for label, net in NETS.items()}}


def test_every_row_is_compared_with_the_first_or_with_the_baseline() -> None:
    assert plan(THREE).asked == (("plain", "A"), ("plain", "C"))
    assert plan({**THREE, "baseline": "A"}).asked == (("A", "plain"), ("A", "C"))


def test_questions_say_which_is_compared_with_which() -> None:
    asked = plan({**THREE, "questions": [["A", "C"], ["plain", "C"]]}).asked
    assert asked == (("A", "C"), ("plain", "C"))


def test_only_asks_no_question_about_what_it_leaves_out() -> None:
    assert plan({**THREE, "questions": [["A", "C"], ["plain", "C"]]}, only="!plain").asked == (
        ("A", "C"),
    )
    assert plan({**THREE, "baseline": "A"}, only="plain,C").asked == ()
    assert plan(THREE, only="A,C").asked == (("A", "C"),)


def test_a_margin_and_what_is_compared_decide_no_run() -> None:
    asked = plan({**THREE, "margin": 0.5, "questions": [["A", "C"]]})
    assert asked.margin == 0.5
    assert asked.folders() == plan(THREE).folders()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"margin": 0}, "margin: got 0; expected greater than 0"),
        ({"target": 0}, "target: got 0; expected greater than 0"),
        (
            {"times": {"a net": 3.8}},
            "times: is not read without target, the error that they are to",
        ),
        ({"margin": "small"}, "margin: got 'small'; expected a valid number"),
        ({"baseline": "plane"}, "baseline: no variant is called 'plane'; did you mean plain?"),
        (
            {"questions": [["A", "C"], ["plane", "A"]]},
            "questions.1: no variant is called 'plane'; did you mean plain?",
        ),
        ({"questions": []}, "questions: got []; expected at least one entry"),
        (
            {"questions": [["A", "A"]]},
            "questions: got ['A', 'A']; expected pairs of two labels, each pair once",
        ),
        (
            {"questions": [["A", "C"], ["A", "C"]]},
            "questions: got ['A', 'C']; expected pairs of two labels, each pair once",
        ),
        ({"questions": ["A"]}, "questions.0: got 'A'; expected a list"),
        (
            {"questions": [["A", "C"]], "baseline": "A"},
            "baseline: 'A' is not read beside questions, which say what is compared with what; "
            "leave one out",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(more: dict[str, Any], message: str) -> None:
    assert refusal({**THREE, **more}) == f"file.yaml: {message}"
