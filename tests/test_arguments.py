"""Numbers on the command line, read by argparse."""

import pytest

from reslab.arguments import Parser, explained, from_environment, number, whole, whole_or
from reslab.errors import UserError

PARSER = Parser()
PARSER.add_argument("--workers", type=whole("--workers", least=0, most=64))
PARSER.add_argument("--seeds", type=whole("SEEDS"))
PARSER.add_argument("--budget", type=number("BUDGET", 0.02))


def test_numbers_are_read_as_they_are() -> None:
    read = PARSER.parse_args(["--seeds=3", "--budget=1e-2"])
    assert (read.seeds, read.budget) == (3, 0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seeds=1.5", "SEEDS=1.5: expected a whole number above 0"),
        ("--seeds=0", "SEEDS=0: expected a whole number above 0"),
        ("--seeds=2000000000", "SEEDS=2000000000: expected at most 1,000,000,000"),
        (f"--seeds={5000 * '9'}", f"SEEDS={120 * '9'}…: expected a whole number above 0"),
        ("--workers=-1", "--workers=-1: expected a whole number, 0 or more"),
        ("--workers=65", "--workers=65: expected at most 64"),
        ("--budget=half", "BUDGET=half: expected a number above 0, for example 0.02"),
        ("--budget=nan", "BUDGET=nan: expected a number above 0, for example 0.02"),
        ("--budget=0", "BUDGET=0: expected a number above 0, for example 0.02"),
        ("--budget=inf", "BUDGET=inf: expected a number at most 1e+09"),
    ],
)
def test_a_word_that_is_none_is_a_users_mistake_and_no_usage(words: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        PARSER.parse_args([words])
    assert str(caught.value) == message


def test_a_word_in_place_of_a_number_says_that_it_is_to_be_chosen() -> None:
    read = whole_or("SLOTS_PER_GPU", "auto")
    assert (read("auto"), read("3")) == (None, 3)
    with pytest.raises(UserError, match=r"SLOTS_PER_GPU=0: expected .* above 0, or auto"):
        read("0")


def test_numbers_of_the_environment_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESLAB_NUMBER", raising=False)
    assert from_environment("RESLAB_NUMBER", whole) is None
    monkeypatch.setenv("RESLAB_NUMBER", "")
    assert from_environment("RESLAB_NUMBER", whole) is None
    monkeypatch.setenv("RESLAB_NUMBER", "7")
    assert from_environment("RESLAB_NUMBER", whole) == 7
    monkeypatch.setenv("RESLAB_NUMBER", "x")
    with pytest.raises(UserError, match=r"^RESLAB_NUMBER=x: expected a whole number above 0$"):
        from_environment("RESLAB_NUMBER", whole)


def test_a_mistake_of_the_line_itself_is_short_and_commands_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        PARSER.parse_args(["\x1b[2J" + 10_000 * "x"])
    said = capsys.readouterr().err
    assert "error: unrecognized arguments: \\x1b[2Jxxx" in said
    assert len(said) < 700


def test_an_option_of_two_hyphens_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """argparse of Python 3.11 makes an empty list of `--budget=--`."""
    parser = Parser()
    parser.add_argument("--budget", type=float)
    parser.add_argument("--only")
    assert parser.parse_args(["--only=a=--"]).only == "a=--"
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["--budget=--"])
    assert left.value.code == 2
    assert "argument --budget: got --, expected a value" in capsys.readouterr().err


def test_words_are_listed_with_their_meanings_in_a_column() -> None:
    told = explained({"one": "short", "eleven": "long " * 30})
    first, second, third = told.splitlines()
    assert first == "one      short"
    assert second.startswith("eleven   long long") and third.startswith("         long")
    assert max(map(len, told.splitlines())) <= 100
