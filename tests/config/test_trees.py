"""Trees are laid over one another, mapping by mapping; what says the same twice is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reslab.config.strict_yaml import parse_assignment
from reslab.config.trees import flatten, merge, nested, spelled
from reslab.errors import UserError

few = settings(max_examples=30)

KEYS = st.text("abcdefgh_", min_size=1, max_size=3).filter(lambda key: key != "name")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
NO_WORDS = SCALARS | st.lists(st.integers(), max_size=3)
TREES = st.dictionaries(
    KEYS,
    NO_WORDS | st.dictionaries(KEYS, NO_WORDS, min_size=1, max_size=3),
    max_size=3,
)
"""Trees without empty mappings, which have no leaves, and without short forms."""


@pytest.mark.parametrize(
    "base", [{"a": {"b": {"x": 1, "y": {"z": 2}}, "c": 3}}, {"a": {"b": "word", "c": 3}}]
)
def test_an_assigned_mapping_replaces_and_what_is_laid_over_it_fills_it(base: Any) -> None:
    assigned = merge({"a.d": 4}, parse_assignment("a.b={y: {w: 5}}"))
    assert merge(base, assigned) == {"a": {"b": {"y": {"w": 5}}, "c": 3, "d": 4}}
    filled = merge(assigned, {"a": {"b": {"y": {"v": 6}, "name": "n"}}})
    assert merge(base, filled)["a"]["b"] == {"y": {"w": 5, "v": 6}, "name": "n"}
    assert merge(base, parse_assignment("a.b={}"))["a"] == {"b": {}, "c": 3}


def test_an_override_is_laid_over_mapping_by_mapping() -> None:
    base = {"recipe": {"steps": 100, "optimizer": {"lr": 0.1, "momentum": 0.9}}}
    merged = merge(base, {"recipe": {"optimizer": {"lr": 0.01}}})
    assert merged == {"recipe": {"steps": 100, "optimizer": {"lr": 0.01, "momentum": 0.9}}}


def test_a_dotted_key_is_a_path_wherever_it_stands() -> None:
    expected = {"recipe": {"optimizer": {"lr": 0.01}}}
    assert merge({}, {"recipe.optimizer.lr": 0.01}) == expected
    assert merge({}, {"recipe": {"optimizer.lr": 0.01}}) == expected
    assert merge({"recipe.optimizer.lr": 0.01}, {}) == expected


@pytest.mark.parametrize(
    ("tree", "twice"),
    [
        ({"a.b.c": 0.1, "a.b": {"c": 0.2}}, "a.b.c: stands here twice, as 0.1 and as 0.2"),
        ({"a": {"b": 1}, "a.b": 1}, "a.b: stands here twice, as 1 and as 1"),
        ({"x": {"a": {"b.c": 1}, "a.b": {"c": 2}}}, "x.a.b.c: stands here twice, as 1 and as 2"),
        ({"m": {"name": "x"}, "m.name": "y"}, "m.name: stands here twice, as 'x' and as 'y'"),
        ({"m": "x", "m.name": "y"}, "m.name: stands here twice, as 'x' and as 'y'"),
        ({"a": None, "a.b": 1}, "a: stands here twice, as null and as {b: 1}"),
        ({"a": [1], "a.b": True}, "a: stands here twice, as [1] and as {b: true}"),
    ],
    ids=str,
)
def test_the_same_key_both_dotted_and_nested_is_refused(tree: dict[str, Any], twice: str) -> None:
    for base, override in ((tree, {}), ({}, tree)):
        with pytest.raises(UserError) as caught:
            merge(base, override)
        assert str(caught.value) == twice


def test_keys_of_one_mapping_that_share_a_part_of_their_path_are_one_mapping() -> None:
    tree = {"m": "x", "m.a.b": 1, "m.a": {"c": 2}, "m.d": {}}
    assert merge(tree, {}) == {"m": {"name": "x", "a": {"b": 1, "c": 2}, "d": {}}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"a": [True, "on", 0.1], "b": {}}, "{a: [true, 'on', 0.1], b: {}}"),
        (list(range(100)), "[0, 1, 2,"),
    ],
    ids=str,
)
def test_a_value_in_a_message_is_spelled_as_in_yaml_and_not_long(value: Any, text: str) -> None:
    assert spelled(value).startswith(text)
    assert len(spelled(value)) <= 121


def test_an_override_wins_over_a_dotted_key_of_the_base() -> None:
    base = {"recipe": "digits", "recipe.optimizer.lr": 0.2}
    for override in ({"recipe.optimizer.lr": 0.3}, {"recipe": {"optimizer": {"lr": 0.3}}}):
        assert merge(base, override) == {"recipe": {"name": "digits", "optimizer": {"lr": 0.3}}}


def test_a_bare_string_is_short_for_a_name() -> None:
    assert merge({"model": "resnet20"}, {"model.shortcut": "C"}) == {
        "model": {"name": "resnet20", "shortcut": "C"}
    }
    assert merge({"model": {"name": "resnet20", "shortcut": "C"}}, {"model": "resnet56"}) == {
        "model": {"name": "resnet56", "shortcut": "C"}
    }
    assert merge({"model": "resnet20"}, {"model": "resnet56"}) == {"model": "resnet56"}


def test_a_list_replaces_a_list() -> None:
    assert merge({"milestones": [1, 2]}, {"milestones": [3]}) == {"milestones": [3]}


@few
@given(TREES, TREES)
def test_merging_is_idempotent_and_has_an_identity(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert merge(a, {}) == a == merge({}, a)
    assert merge(merge(a, b), b) == merge(a, b)


@few
@given(TREES, TREES)
def test_every_leaf_of_the_override_is_in_the_result(a: dict[str, Any], b: dict[str, Any]) -> None:
    merged = flatten(merge(a, b))
    assert merged | flatten(b) == merged


@few
@given(TREES)
def test_a_tree_is_its_leaves_and_their_paths(tree: dict[str, Any]) -> None:
    assert merge({}, flatten(tree)) == tree


@few
@given(TREES, TREES)
def test_neither_tree_is_changed_by_merging(a: dict[str, Any], b: dict[str, Any]) -> None:
    before = repr((a, b))
    merge(a, b)
    assert repr((a, b)) == before


def test_an_endless_path_is_refused() -> None:
    with pytest.raises(UserError, match="expected at most 20 levels") as caught:
        merge({}, parse_assignment(100_000 * "a." + "b=1"))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("key", ["start", "teacher", "adapter", "recipe.normalization"])
def test_some_mappings_are_values_and_replace_what_was_there(key: str) -> None:
    one, other = {"a": 1, "b": 2}, {"a": 3}
    assert flatten(merge({key: one}, {key: other})) == {f"{key}.a": 3}
    assert flatten(merge({key: "word"}, {key: other})) == {f"{key}.a": 3}
    assert flatten(merge({key: one}, {key: "word"})) == {key: "word"}
    assert flatten(merge({key: one}, {f"{key}.b": 4})) == {f"{key}.a": 1, f"{key}.b": 4}


@pytest.mark.parametrize("key", ["start", "adapter", "recipe.normalization"])
def test_a_part_of_a_value_stays_one_where_its_tree_is_nested_before_it_is_merged(key: str) -> None:
    part = nested(nested({f"{key}.b": 4}))
    assert flatten(merge({key: {"a": 1, "b": 2}}, part)) == {f"{key}.a": 1, f"{key}.b": 4}
    assert flatten(merge({key: "word"}, part)) == {f"{key}.name": "word", f"{key}.b": 4}
    for whole in ({"c": 3}, "word"):  # beside a dotted path, in one mapping
        both = nested(nested({key: whole, f"{key}.b": 4}))
        assert "a" not in flatten(merge({key: {"a": 1}}, both))
        assert flatten(merge({key: {"a": 1}}, both))[f"{key}.b"] == 4
