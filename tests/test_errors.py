"""Mistakes end in a few lines and an exit code, never in a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reslab.errors import (
    MOST_FAILURES,
    UserError,
    apart,
    both,
    exit_code,
    first_line,
    gathered,
    located,
    nearest,
    together,
)


def refuse() -> int:
    raise UserError("file.yaml: no such field")


def interrupt() -> int:
    raise KeyboardInterrupt


def test_a_users_mistake_is_printed_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(refuse) == 2
    assert capsys.readouterr() == ("", "error: file.yaml: no such field\n")


def test_a_message_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise UserError("\x1b[2J: no such field\n       \ud800")

    assert exit_code(main) == 2
    assert capsys.readouterr().err == "error: \\x1b[2J: no such field\n       \\ud800\n"


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(interrupt) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_otherwise_the_code_is_what_is_returned(returned: int | None, code: int) -> None:
    assert exit_code(lambda: returned) == code


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 // 0)


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_who_has_had_enough_is_no_error(lines: int) -> None:
    """`… | head -0`, whether the text fits into the pipe or not."""
    code = (
        "import sys; from reslab.errors import exit_code;"
        f"sys.exit(exit_code(lambda: print('line\\n' * {lines})))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def test_a_place_begins_the_message() -> None:
    with pytest.raises(UserError) as caught, located("configs/a.yaml"), located("variants"):
        raise UserError("is missing")
    assert str(caught.value) == "configs/a.yaml: variants: is missing"


def test_other_exceptions_pass_a_place_unchanged() -> None:
    with pytest.raises(KeyError), located("file.yaml"):
        raise KeyError("name")


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("resnet65", ["resnet56", "plain20"], "; did you mean resnet56?"),
        ("xyz", ["b", "a"], "; there are a, b"),
        ("xyz", [], ""),
        ("xyz", [f"a{i:02}" for i in range(13)], "; there are 13, for example a00, a04, a08"),
    ],
)
def test_near_names_are_suggested_and_else_a_dozen_is_listed(
    name: str, known: list[str], hint: str
) -> None:
    assert nearest(name, known) == hint


def test_many_names_are_counted_and_left_to_the_command_that_lists_them() -> None:
    names = [f"a{i:04}" for i in range(1371)]
    assert nearest("xyz", names, "make models") == (
        "; there are 1,371, for example a0000, a0457, a0914; to list them: make models"
    )
    assert nearest("a0457", names, "make models").startswith("; did you mean a0457")


def test_at_most_three_names_are_suggested() -> None:
    assert nearest("ab", ["ab1", "ab2", "ab3", "ab4"]).count(" or ") == 2


def test_a_file_that_cannot_be_opened_is_named_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(lambda: (tmp_path / "none" / "x").write_text("")) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none/x: No such file or directory\n"


def test_what_a_process_has_run_out_of_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise RuntimeError("can't start new thread")

    assert exit_code(main) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of threads or processes: raise the limit")


def test_an_error_of_the_system_that_is_about_no_file_is_raised() -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        exit_code(fail)


def test_a_full_disk_is_told_whatever_was_being_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    assert exit_code(fail) == 2
    assert capsys.readouterr().err == "error: writing: No space left on device\n"


def failing(*problems: str) -> Callable[[], int]:
    def attempt() -> int:
        raise together(problems)

    return attempt


def test_the_problems_of_all_attempts_are_told_at_once_each_once() -> None:
    assert gathered([lambda: 1, lambda: 2]) == [1, 2]
    assert both(lambda: 1, lambda: "x") == (1, "x")
    with pytest.raises(UserError) as caught:
        gathered([failing("f: a: 1", "f: b: 2"), lambda: 1, failing("f: a: 1", "f: c: 3")])
    assert str(caught.value) == "f: a: 1\n       f: b: 2\n       f: c: 3"
    with pytest.raises(UserError, match=r"^f: a\n {7}f: b: 2\n {7}f: c: 3$"):
        both(failing("f: a"), lambda: both(failing("f: b: 2"), failing("f: c: 3")))


def test_a_problem_of_several_lines_stays_one() -> None:
    assert apart(together(["f: x is\n       such and such", "f: y"])) == [
        "f: x is\n       such and such",
        "f: y",
    ]


def test_of_many_problems_the_first_are_told() -> None:
    with pytest.raises(UserError) as caught:
        gathered(failing(f"f: {n}") for n in range(30))
    first, *_, last = str(caught.value).splitlines()
    assert (first, last) == ("f: 0", "       and 18 more")
    tried: list[int] = []
    with pytest.raises(UserError):
        gathered(lambda n=n: (tried.append(n), failing("f")()) for n in range(1000))
    assert len(tried) == MOST_FAILURES


def test_long_problems_are_fewer() -> None:
    """A screen of them; the first is told, however long it is."""
    assert str(together([700 * "a", 700 * "b", 700 * "c"])).endswith("bb\n       and 1 more")
    assert str(together([2000 * "a", "b"])) == f"{2000 * 'a'}\n       and 1 more"


def test_of_a_librarys_error_the_first_line_is_told_or_its_kind() -> None:
    assert first_line(RuntimeError("\n no such shape\nframe 0: …")) == "no such shape"
    assert first_line(AssertionError()) == "AssertionError"
