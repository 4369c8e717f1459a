"""Numbers on the command line, read by argparse."""

from argparse import ArgumentParser

import pytest

from reslab.arguments import number, whole
from reslab.errors import UserError

PARSER = ArgumentParser()
PARSER.add_argument("--seeds", type=whole("SEEDS"))
PARSER.add_argument("--budget", type=number("BUDGET", 0.02))


def test_numbers_are_read_as_they_are() -> None:
    read = PARSER.parse_args(["--seeds=-3", "--budget=1e-2"])  # what is too small is for others
    assert (read.seeds, read.budget) == (-3, 0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seeds=1.5", "SEEDS=1.5: expected a whole number above 0"),
        ("--budget=half", "BUDGET=half: expected a number above 0, for example 0.02"),
    ],
)
def test_a_word_that_is_none_is_a_users_mistake_and_no_usage(words: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        PARSER.parse_args([words])
    assert str(caught.value) == message
