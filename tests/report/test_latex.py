"""A table as LaTeX: numbers in S columns, all else as text, published numbers cited."""

import re

from tests.report.conftest import TABLE6, THIRD, Lab

from reslab.report.latex import SPREAD, label_of, table_tex
from reslab.report.table import tabulate
from reslab.report.values import Cell, Column, Note, Table


def of(*columns: tuple[Column, list[Cell]]) -> str:
    """A table of these columns."""
    rows = zip(*(cells for _, cells in columns), strict=True)
    keys = [column.key for column, _ in columns]
    return table_tex(
        Table(
            plans=(("made", "Made"),),
            columns=tuple(column for column, _ in columns),
            fields=(),
            rows=tuple(dict(zip(keys, row, strict=True)) for row in rows),
            notes=(Note("source", "He 2015, Table 6: …", of=TABLE6),),
        )
    )


def specs(text: str) -> list[str]:
    """How the columns are set."""
    found = re.search(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", text)
    assert found is not None
    return re.findall(r"l|S\[[^]]*\]|>\{.*?\}p\{\d+em\}", found[1])


def rows(text: str) -> list[list[str]]:
    """Entries, the heads first."""
    lines = [line for line in text.splitlines() if line.endswith(r" \\")]
    return [line.removesuffix(r" \\").split(" & ") for line in lines]


ERROR = Column("test", "test error", "error")
VARIANT = Column("variant", "variant", "text")


def test_a_mean_and_its_spread_stand_in_one_column_aligned_at_the_points() -> None:
    text = of((ERROR, [Cell(7.64, "7.64 ± 13.73"), Cell(46.2, "46.21 ± 1.17"), Cell(9, "9.00")]))
    assert specs(text) == [f"S[table-format=2.2(4){SPREAD}]"]
    assert rows(text)[1:] == [["7.64 +- 13.73"], ["46.21 +- 1.17"], ["9.00"]]


def test_a_single_run_has_no_spread() -> None:
    text = of((ERROR, [Cell(7.64, "7.64 ± –"), Cell(46.2, "46.21 ± –"), Cell(9, "9.00 ± –")]))
    assert specs(text) == ["S[table-format=2.2]"]
    assert rows(text)[1:] == [["7.64"], ["46.21"], ["9.00"]]


def test_a_difference_keeps_its_sign() -> None:
    delta = Column("delta", "Δ", "difference")
    text = of((delta, [Cell(-0.5, "−0.50"), Cell(80.31, "+80.31"), Cell(-0.5, "−0.50 (best)")]))
    assert specs(text) == ["S[table-format=+2.2, retain-explicit-plus]"]
    assert rows(text) == [[r"{$\Delta$}"], ["-0.50"], ["+80.31"], ["{$-$0.50 (best)}"]]


def test_what_is_no_number_is_text_in_its_column() -> None:
    """Missing, diverged: in braces siunitx takes no notice of it."""
    text = of((ERROR, [Cell(7.6, "7.60"), Cell(None, "–"), Cell(None, "diverged")]))
    assert rows(text)[1:] == [["7.60"], ["{--}"], ["{diverged}"]]
    assert specs(of((ERROR, [Cell(None, "–")]))) == ["l"]


def test_counts_share_the_prefix_of_the_smallest() -> None:
    params = Column("params", "params", "count")
    text = of((params, [Cell(270_410, "270 k"), Cell(19_421_274, "19.4 M"), Cell(None, "–")]))
    assert rows(text) == [["{params (k)}"], ["270"], ["19421"], ["{--}"]]
    assert specs(text) == ["S[table-format=5.0]"]
    text = of((params, [Cell(1_730_000, "1.73 M"), Cell(10_200_000, "10.2 M")]))
    assert rows(text) == [["{params (M)}"], ["1.73"], ["10.20"]]


def test_a_count_that_says_more_is_text() -> None:
    runs = Column("runs", "runs", "count")
    text = of((runs, [Cell(2, "2/5, 1 running"), Cell(5, "5/5")]))
    assert rows(text) == [["{runs}"], ["2/5, 1 running"], ["5/5"]]


def test_a_long_text_is_broken_into_lines() -> None:
    assert "p{" in specs(of((VARIANT, [Cell("x", "word " * 20)])))[0]


def test_hostile_labels_are_text() -> None:
    labels = ["*20", "[a] & b", r"100 % #1_$x$ \\ \end{table}", "±Δ−"]
    text = of((VARIANT, [Cell(label, label) for label in labels]))
    assert rows(text)[1:] == [
        ["{*}20"],
        [r"{[}a{]} \& b"],
        [r"100 \% \#1\_$\mathdollar$x$\mathdollar$ $\backslash$$\backslash$ "
         r"$\backslash$end\{table\}"],
        [r"$\pm$$\Delta$$-$"],
    ]  # fmt: skip


def test_a_published_number_cites_its_paper() -> None:
    published = Cell(8.75, "8.75, unstated", source="He 2015, Table 6: …")
    assert rows(of((VARIANT, [published])))[1:] == [[r"8.75, unstated~\cite{he2015}"]]


def test_it_is_the_table_that_is_printed(lab: Lab) -> None:
    lab.all_done(
        lab.variant("ResNet 20", {"model": "resnet20"}, 2, (TABLE6, "ResNet 20")), 0.5, [8.0, 8.4]
    )
    lab.diverged(lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))[0])
    table = tabulate([lab.plan()])
    text = table_tex(table)
    head, first, second = rows(text)
    assert len(head) == len(table.columns) == len(specs(text))
    by_head = dict(zip(head, zip(first, second, strict=True), strict=True))
    assert by_head["{test error}"] == ("8.20 +- 0.28", "{diverged}")
    assert by_head["{best}"] == ("8.00", "{--}")
    assert by_head[r"{$\Delta$}"] == ("-0.55", "{--}")
    assert by_head["{published}"] == (
        r"8.75, unstated~\cite{he2015}",
        r"9.63, 1 run, third party~\cite{plain_net_replication}",
    )
    assert "\\caption{Made by hand. Errors in per cent at the last step" in text
    assert "\\label{tab:made_by_hand}" in text


def test_a_label_has_no_letter_that_latex_reads_otherwise() -> None:
    assert label_of("a b@x=0.02+y%#é") == "a-b-x-0.02-y---"
