"""Whatever somebody has written is set as that text, and commands LaTeX nothing."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab.report.latex_text import ACCENTS, GREEK, OPERATORS, SPECIAL, WORDS, escaped

COMMAND = re.compile(r"\\([A-Za-z]+|[^A-Za-z])")
OURS = {
    found
    for text in (*SPECIAL.values(), *WORDS.values(), *OPERATORS.values())
    for found in COMMAND.findall(text)
} | {*ACCENTS.values(), *GREEK.values(), "i", "j", "allowbreak"}
"""Every command that an escape uses."""


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("50% & a_b #1", r"50\% \& a\_b \#1"),
        ("{x}", r"\{x\}"),
        ("\\input{x}", r"$\backslash$input\{x\}"),
        ("$x^2$", r"$\mathdollar$x\symbol{94}2$\mathdollar$"),
        ("7.64 ± 3.73", r"7.64 $\pm$ 3.73"),
        ("−0.50", r"$-$0.50"),
        ("Δ ≈ 3×3", r"$\Delta$ $\approx$ 3$\times$3"),
        ("Dollár, Çelik", r"Doll{\'{a}}r, {\c{C}}elik"),
        ("nai\u0308f, naïf", r"na{\"{\i}}f, na{\"{\i}}f"),
        ("--set", "-{}-set"),
        ("1–5", "1--5"),
        ("*20", "{*}20"),
        ("[1]", "{[}1{]}"),
        ("从", "{[}U+4ECE{]}"),
        ("a\nb\x1b", r"a$\backslash$nb$\backslash$x1b"),
    ],
)
def test_text_is_set_as_it_is_written(text: str, latex: str) -> None:
    assert escaped(text) == latex


@given(st.text())
def test_the_escape_is_ascii_in_one_line_with_braces_and_dollars_in_pairs(text: str) -> None:
    latex = escaped(text)
    assert latex.isascii() and latex.isprintable()
    bare = re.sub(r"\\[{}$%&#_]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(bare) & {"%", "&", "#", "_"} or set(COMMAND.findall(latex)) <= OURS


@given(st.text(alphabet=string.printable + "Δ±é"))
def test_no_command_comes_from_the_text(text: str) -> None:
    assert set(COMMAND.findall(escaped(text))) <= OURS


def test_a_long_word_may_be_broken_after_its_parts_and_loses_nothing() -> None:
    digest = "0ce0e9fac1bb3f17842ceb23a58e30da"
    latex = escaped(f"see https://example.org/weights.pth#sha256={digest} there")
    broken = latex.split(r"\allowbreak{}")
    assert broken[:4] == ["see https:", "/", "/", "example."]
    assert max(len(word) for part in broken for word in part.split()) <= 16
    assert "".join(broken) == f"see https://example.org/weights.pth\\#sha256={digest} there"


def test_plain_text_stays() -> None:
    plain = f"{string.ascii_lowercase[:24]} {string.digits} .,:;!?()/+=@'-"
    assert escaped(plain) == plain
