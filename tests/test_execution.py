"""How a run may be divided among processes and into micro-batches."""

import pytest

from reslab.arguments import Parser
from reslab.errors import UserError
from reslab.execution import Execution, Place, add_execution, place, share_of


def test_without_further_words_a_run_has_one_process_that_takes_its_batches_whole() -> None:
    assert Execution().arguments() == ["--devices=1"]
    assert Execution().micro_batches(128, 1) == 1


def test_a_share_is_taken_in_micro_batches() -> None:
    execution = Execution(devices=2, micro_batch=16, sync_batchnorm=True)
    assert execution.micro_batches(128, 2) == 4
    assert execution.arguments() == ["--devices=2", "--micro-batch=16", "--sync-batchnorm"]


def test_only_a_word_on_compiling_is_handed_on() -> None:
    assert Execution(compile=True).arguments() == ["--devices=1", "--compile"]
    assert Execution(compile=False).arguments() == ["--devices=1", "--no-compile"]


@pytest.mark.parametrize(
    "execution",
    [Execution(), Execution(2, 16, sync_batchnorm=True), Execution(compile=False)],
    ids=str,
)
def test_what_a_run_is_told_is_what_was_said(execution: Execution) -> None:
    parser = Parser()
    add_execution(parser)
    assert Execution.of(parser.parse_args(execution.arguments())) == execution


def test_a_share_that_has_no_such_parts_is_refused_with_those_it_has() -> None:
    with pytest.raises(UserError) as refusal:
        Execution(micro_batch=12).micro_batches(40, 2)
    assert str(refusal.value) == (
        "recipe.batch_size is 40, 20 for each of 2 processes, which has no parts of 12: "
        "micro_batch can be 1, 2, 4, 5, 10, 20"
    )


def test_a_batch_that_does_not_divide_is_refused_with_the_divisors_that_would_work() -> None:
    assert share_of(12, 3) == 4
    with pytest.raises(UserError, match="12, which 5 processes cannot share equally; use 1, 2, 3,"):
        share_of(12, 5)


@pytest.mark.parametrize("number", [0, -1])
def test_devices_and_micro_batches_are_above_zero(number: int) -> None:
    with pytest.raises(UserError, match=rf"DEVICES={number}: expected a whole number above 0"):
        Execution(devices=number)
    with pytest.raises(UserError, match=rf"MICRO_BATCH={number}: expected"):
        Execution(micro_batch=number)


def test_a_process_alone_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(word, raising=False)
    assert place() == Place(0, 1, 1)


def test_torchruns_words_say_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, number in (("RANK", 5), ("WORLD_SIZE", 8), ("LOCAL_WORLD_SIZE", 4)):
        monkeypatch.setenv(word, str(number))
    assert place() == Place(5, 8, 4)
    assert place().nodes == 2


@pytest.mark.parametrize(
    ("word", "said"), [("RANK", "-1"), ("WORLD_SIZE", "0"), ("LOCAL_WORLD_SIZE", "two")]
)
def test_a_place_is_said_in_whole_numbers(
    word: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(word, said)
    with pytest.raises(UserError, match=f"{word}={said}: expected a whole number"):
        place()
