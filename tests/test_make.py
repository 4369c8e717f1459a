"""SET and ARGS are divided as they were meant, and nothing in them is run."""

import time
from argparse import ArgumentParser

import pytest

from reslab.errors import UserError
from reslab.make import add_words, assignments, with_args


@pytest.mark.parametrize(
    ("text", "divided"),
    [
        ("a=1", ["a=1"]),
        ("  a=1\n\tb=2 ", ["a=1", "b=2"]),
        ("o={name: adam, lr: 0.001} b=2", ["o={name: adam, lr: 0.001}", "b=2"]),
        ("a=[1, {b: [2, 3]}] b=[ ] c=3", ["a=[1, {b: [2, 3]}]", "b=[ ]", "c=3"]),
        ("a=\"/my photos\" b='x y'", ['a="/my photos"', "b='x y'"]),
        ("a='it''s [ here' b=2", ["a='it''s [ here'", "b=2"]),
        ('a="\\" ]" b=2', ['a="\\" ]"', "b=2"]),
        ("a={b: ' }', c: 3} d=4", ["a={b: ' }', c: 3}", "d=4"]),
        ("a=it's b=it's", ["a=it's", "b=it's"]),
        ("a=/x[1 b=2", ["a=/x[1", "b=2"]),
        ("a={b: 1 c=2", ["a={b: 1 c=2"]),
        ("a='b c=2", ["a='b", "c=2"]),
        ("a=1] b=2", ["a=1]", "b=2"]),
        ("", []),
    ],
)
def test_set_is_divided_at_blanks_outside_a_values_brackets_and_quotes(
    text: str, divided: list[str]
) -> None:
    assert assignments(text) == divided


@pytest.mark.parametrize("piece", ["x", "'", "['", "a='x ", "{", "] "])
def test_a_long_set_is_divided_at_once(piece: str) -> None:
    """As long as Linux lets an argument be (128 KiB), in far less than a second."""
    began = time.process_time()
    divided = assignments("a=" + piece * (130_000 // len(piece)))
    assert len("".join(divided)) > 60_000
    assert time.process_time() - began < 1


def test_args_are_divided_as_a_shell_does_and_nothing_in_them_is_expanded() -> None:
    args = "-x -k 'a or b' \"c d\" e\\ f $HOME `ls` $(ls) *"
    divided = ["-x", "-k", "a or b", "c d", "e f", "$HOME", "`ls`", "$(ls)", "*"]
    assert with_args(["python", "x.py"], {"ARGS": args}) == ["python", "x.py", *divided]
    assert with_args(["python"], {}) == ["python"]


def test_a_quote_that_is_not_closed_is_told() -> None:
    with pytest.raises(UserError, match=r"^ARGS=-k 'a: no closing quotation"):
        with_args([], {"ARGS": "-k 'a"})


def test_the_words_that_name_a_plan_are_options_of_a_script() -> None:
    parser = ArgumentParser()
    add_words(parser)
    said = parser.parse_args(
        ["--budget=.02", "--seeds=1", "--only=*20", "--set=a=1", "--settings=b=2 c=3", "--plan=p"]
    )
    assert vars(said) == {
        "budget": 0.02, "epochs": None, "seeds": 1, "only": "*20", "set": ["a=1", "b=2", "c=3"],
        "plan": "p",
    }  # fmt: skip
    assert vars(parser.parse_args([]))["set"] == []
