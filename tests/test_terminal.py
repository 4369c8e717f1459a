"""Tables fit the terminal; into files and pipes goes the whole."""

import pytest

from reslab.terminal import columns, fitted_table, lines_of
from reslab.text import markdown_table, width

HEAD = ["variant", "difference", "params", "error", "best"]
ROWS = [
    ["plain", "recipe.optimizer.lr=0.01, recipe.warmup_steps=400", "269,722", "9.50", "9.10"],
    ["残差", "–", "1,727,962", "7.64 ± 3.73", "6.43"],
]
NUMBERS = range(2, 5)


def shown(monkeypatch: pytest.MonkeyPatch, most: int, **more: object) -> str:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(most))
    return fitted_table(HEAD, ROWS, NUMBERS, leave=["best", "params"], **more)  # type: ignore[arg-type]


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_without_a_terminal_or_on_a_wide_one_the_table_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = markdown_table(HEAD, ROWS, NUMBERS)
    monkeypatch.setenv("COLUMNS", "80")
    assert columns() is None
    assert fitted_table(HEAD, ROWS, NUMBERS, leave=["best"]) == whole
    assert shown(monkeypatch, width(whole.splitlines()[0])) == whole


def test_columns_are_left_out_in_their_order_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 94)  # 99 with all
    assert rows_of(text)[0] == ["variant", "difference", "params", "error"]
    assert text.endswith(
        "\n\nLeft out in 94 columns: best.\nAll columns: add | less -S to the command"
    )
    assert shown(monkeypatch, 80, how="table.md").endswith(
        "Left out in 80 columns: params, best.\nAll columns: table.md"
    )


def test_then_texts_take_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, 60)
    assert all(width(line) <= 60 for line in text.splitlines())
    assert rows_of(text)[2:] == [
        ["plain", "recipe.optimizer.lr=0.01,", "9.50"],
        ["", "recipe.warmup_steps=400", ""],
        ["残差", "–", "7.64 ± 3.73"],
    ]


@pytest.mark.parametrize(
    ("text", "most", "lines"),
    [
        ("", 5, [""]),
        ("ab cd ef", 5, ["ab cd", "ef"]),
        ("abcdefgh i", 5, ["abcde", "fgh i"]),
        ("lr: 1, recipe.layer_decay: 1", 14, ["lr: 1,", "recipe.layer_", "decay: 1"]),
        ("残差网络", 5, ["残差", "网络"]),  # each letter takes two columns
    ],
)
def test_lines_end_between_words_where_they_can(text: str, most: int, lines: list[str]) -> None:
    assert lines_of(text, most) == lines
