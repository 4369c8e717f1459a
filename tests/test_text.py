"""What is shown commands no terminal; Markdown tables are straight on one."""

import pytest

from reslab.text import duration, markdown_table, printable, printable_lines, quoted, size, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),  # ECMA-48, 8.3.117: select a colour
        ("a\nb\tc\r\0", r"a\nb\tc\r\x00"),
        ("\x7f\x9b2J", r"\x7f\x9b2J"),  # 0x9b is ESC [ in one byte
        ("a\u202eb\u2066c\u2028", r"a\u202eb\u2066c\u2028"),
        ("\ud83d", r"\ud83d"),
        ("残差 é \U0001f600 a\\b", "残差 é \U0001f600 a\\b"),
    ],
)
def test_what_commands_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("resnet20", "'resnet20'"),
        ("it's", '"it\'s"'),
        ("\x1b[0m\u202e", r"'\x1b[0m\u202e'"),
        (121 * "a", f"'{120 * 'a'}…'"),
    ],
)
def test_a_word_in_a_message_is_quoted_printable_and_not_long(word: str, shown: str) -> None:
    assert quoted(word) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("a\x07\nb") == "a\\x07\nb"


def test_a_cell_is_one_line_without_commands() -> None:
    assert markdown_table(["a\nb"], [["\x1b]0;x\x07"]]) == (
        "| a\\nb         |\n| ------------ |\n| \\x1b]0;x\\x07 |"
    )


def test_columns_are_aligned_and_numbers_flush_right() -> None:
    assert markdown_table(["net", "params"], [["plain20", "269,722"], ["a", "1"]], {1}) == (
        "| net     |  params |\n| ------- | ------: |\n| plain20 | 269,722 |\n| a       |       1 |"
    )


def test_a_table_without_rows_has_a_head() -> None:
    assert markdown_table(["a", "run"], []) == "| a   | run |\n| --- | --- |"


def test_a_bar_in_a_cell_ends_no_column() -> None:
    assert markdown_table(["|x|"], [["a"]]).splitlines()[0] == r"| \|x\| |"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("±", 1), ("残差", 4), ("e\N{COMBINING ACUTE ACCENT}", 1), ("", 0)],
)
def test_width_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert width(text) == columns


def test_wide_letters_are_aligned_too() -> None:
    lines = markdown_table(["net"], [["残差"], ["abcd"]]).splitlines()
    assert {width(line) for line in lines} == {8}


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (99, "99 s"),
        (100, "2 min"),
        (720, "12 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (12_600, "3.5 h"),
        (172_799, "48.0 h"),
        (172_800, "2.0 days"),
        (181_440, "2.1 days"),
    ],
)
def test_durations_have_the_unit_that_fits(length: float, words: str) -> None:
    assert duration(length) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 kB"),
        (8_100, "8.1 kB"),
        (400_000, "400 kB"),
        (1_099_231, "1.1 MB"),
        (9_960_000, "10 MB"),
        (28_300_000, "28 MB"),
        (999_400_000, "999 MB"),
        (1_000_000_000, "1 GB"),
        (147_300_000_000, "147 GB"),
        (3_210_000_000_000, "3,210 GB"),
    ],
)
def test_sizes_have_two_digits_and_the_unit_that_fits(count: int, words: str) -> None:
    assert size(count) == words
