"""What ONLY picks of an experiment and SET changes of it; mistakes are refused in words."""

import json

import pytest
from tests.experiments.plans import BASE, TREE, one, plan, refusal

from reslab.config.recipe import Optimizer
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.experiments.choice import pick

LR = "recipe.optimizer.lr=0.5"


def test_only_picks_variants_by_their_label() -> None:
    assert [v.label for v in plan(only="*20*").variants] == ["plain-20", "ResNet 20"]
    assert refusal(only="*56*").startswith("ONLY='*56*' matches none of the variants: 'plain-20', ")


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
        ("wide, CIFAR-10,net*", ["wide, CIFAR-10", "net [ours]"]),
        ("!wide, CIFAR-10,!deep, CIFAR-10", ["wide, CIFAR-100", "net [ours]"]),
        ("*CIFAR-10*, !wide, CIFAR-10", ["deep, CIFAR-10", "wide, CIFAR-100"]),
    ],
)
def test_only_takes_labels_as_they_stand_in_the_table(only: str, labels: list[str]) -> None:
    known = ["deep, CIFAR-10", "wide, CIFAR-10", "wide, CIFAR-100", "net [ours]"]
    assert pick(known, only) == labels


def test_a_variant_changes_a_part_of_the_bases_start_or_adapter_by_a_dotted_path() -> None:
    tree = {
        "base": {**BASE, "model": "resnet20", "start": "akamaster:resnet20", "adapter": "parallel"},
        "variants": {
            "zeros": {"start.head": "zeros"},
            "LoRA": {"adapter": {"name": "lora", "rank": 2}},
            "trunk": {"start": {"name": "akamaster:resnet20", "loads": "trunk"}},
        },
    }
    starts = {v.label: v.configs[0].start for v in plan(tree, set=("start.key=net",)).variants}
    told = {label: (s.name, s.head, s.loads, s.key) for label, s in starts.items() if s}
    assert told == {
        "zeros": ("akamaster:resnet20", "zeros", "all", "net"),
        "LoRA": ("akamaster:resnet20", "new", "all", "net"),
        "trunk": ("akamaster:resnet20", "new", "trunk", None),
    }
