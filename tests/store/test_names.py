"""A plan's name says what it changes, in one form whichever way that was written."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab.errors import UserError
from reslab.store import names
from reslab.store.plan import Options


def words(**options: Any) -> str:
    return names.words_of("quickstart", Options(**options))


def test_words_stand_in_a_fixed_order_and_defaults_are_left_out() -> None:
    assert words() == words(devices=2, micro_batch=8, sync_batchnorm=True) == ""
    assert words(seeds=1, budget=0.02) == "budget=0.02+seeds=1"
    assert words(epochs=10.0, seeds=3) == "epochs=10+seeds=3"
    assert words(budget=1.0) == words(only="*") == words(only="", set=()) == ""
    assert words(budget=1.0, seeds=2) == "seeds=2"


@pytest.mark.parametrize("text", ["0.020", ".02", "2e-2", "0.02"])
def test_a_number_has_one_form(text: str) -> None:
    assert words(budget=float(text)) == "budget=0.02"


def test_numbers_that_differ_have_names_that_differ() -> None:
    assert words(budget=0.02) != words(budget=0.02000001) != words(budget=0.020000001)
    assert words(budget=2.0) == words(budget=2) == "budget=2"


def test_what_is_no_word_of_a_name_stands_as_a_hash() -> None:
    """`printf '%s' '*20' | sha256sum` begins with 4dc530."""
    assert words(only="*20") == "only=4dc530"
    assert words(only="a*, b*") == words(only=" a*,b* ") != words(only="b*,a*")
    one = words(set=("recipe.optimizer.lr=0.010", "model.shortcut=C"))
    assert re.fullmatch("set=[0-9a-f]{6}", one)
    assert one == words(set=("recipe.optimizer.lr= 1e-2", "model.shortcut=C"))
    assert one != words(set=("model.shortcut=C", "recipe.optimizer.lr=0.01"))
    whole, part = ("model={shortcut: C}",), ("model.shortcut=C",)
    assert words(set=whole) == words(set=("model={ shortcut:  C }",)) != words(set=part)


def test_a_name_of_ones_own_takes_the_place_of_words() -> None:
    assert words(plan="pilot", budget=0.02, only="*20") == "pilot"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "seeds=1", "a b", "-x", 41 * "a", "é", "@"])
def test_what_could_be_a_path_or_words_is_no_name_of_ones_own(name: str) -> None:
    with pytest.raises(UserError, match=r"PLAN=.*: expected a name of letters, digits"):
        Options(plan=name)


@given(
    st.floats(1e-9, 1e9), st.none() | st.integers(1, 1000), st.none() | st.text(min_size=1),
    st.text("abc._-", min_size=1, max_size=70),
)  # fmt: skip
def test_every_name_is_short_and_of_plain_letters(
    budget: float, seeds: int | None, only: str | None, experiment: str
) -> None:
    made = names.words_of(experiment, Options(budget=budget, seeds=seeds, only=only))
    name = names.joined(experiment, made)
    assert re.fullmatch(r"[A-Za-z0-9._=@+-]+", name)
    assert len(name) <= 80 or made.startswith("words=")
    assert names.parted(name) == (experiment, made)


def test_a_long_name_has_one_hash_for_all_words() -> None:
    long = names.words_of(60 * "a", Options(budget=0.02, seeds=1, only="*20"))
    assert re.fullmatch("words=[0-9a-f]{6}", long)
    assert names.words_of(60 * "a", Options(budget=0.02)) == "budget=0.02"


@pytest.mark.parametrize("name", ["quickstart@", "a@../b", "a@b/c", "a@@b", "a@b\n", "a@.hidden"])
def test_words_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"is no plan's name: expected an experiment's and"):
        names.parted(name)


def test_a_word_that_no_plan_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'seed' is none of its words; did you mean seeds"):
        names.parted("quickstart@budget=0.02+seed=5")


def test_the_command_that_makes_a_plan() -> None:
    options = Options(budget=0.02, seeds=1, only="a b", set=("x=1", "y=2"), plan="pilot")
    told = "make experiment NAME=q BUDGET=0.02 SEEDS=1 ONLY='a b' SET='x=1 y=2' PLAN=pilot"
    assert names.command("q", options) == told
    assert names.command("q", Options()) == "make experiment NAME=q"
    told = "make experiment NAME=q BUDGET=0.02 SEEDS=1 ONLY=…"
    assert names.command_of("q", "budget=0.02+seeds=1+only=4dc530") == told
    assert names.command_of("q", "words=4dc530") == "make experiment NAME=q …"
    assert names.command_of("q", "pilot") == "make experiment NAME=q PLAN=pilot"


def test_all_options_that_are_said_read_as_make_is_given_them() -> None:
    assert names.all_given(Options()) == ""
    said = Options(budget=0.02, devices=2, micro_batch=8, compile=False, diagnostics=True)
    assert names.all_given(said) == "BUDGET=0.02 DEVICES=2 MICRO_BATCH=8 COMPILE=0 DIAGNOSTICS=1"
