"""Files that people write: what they say is what is read, and a mistake is named with its line."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import REPOSITORY

from reslab.config.strict_yaml import (
    dump_yaml,
    load_yaml,
    parse_assignment,
    parse_yaml,
    read_slowly,
)
from reslab.errors import UserError

few = settings(max_examples=30)

BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghij"))
"""A billion laughs: each line doubles the one before."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def value(file: Path, text: str) -> Any:
    file.write_text(f"key: {text}")
    return load_yaml(file)["key"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.1", -0.1),
        ("1_000.5", 1000.5),
    ],
)
def test_numbers_with_an_exponent_or_a_point_are_numbers(
    file: Path, text: str, number: float
) -> None:
    assert value(file, text) == number
    assert isinstance(value(file, text), float)


@pytest.mark.parametrize(("text", "number"), [("64_000", 64_000), ("0", 0), ("-3", -3), ("+3", 3)])
def test_whole_numbers_may_have_underscores(file: Path, text: str, number: int) -> None:
    assert value(file, text) == number
    assert isinstance(value(file, text), int)


@pytest.mark.parametrize(
    "word",
    [
        *("off", "no", "yes", "on", "y", "True", "NULL"),
        *("010", "0_1", "1_", "0x10", "0o10", "1:30", "2020-01-01", ".inf", "1e", "e4", "."),
    ],
)
def test_what_only_looks_like_a_value_is_a_word(file: Path, word: str) -> None:
    assert value(file, word) == word


def test_true_false_and_null_are_the_only_words_with_a_meaning(file: Path) -> None:
    file.write_text("{a: true, b: false, c: null, d: ~, e: }")
    assert load_yaml(file) == {"a": True, "b": False, "c": None, "d": None, "e": None}


def test_a_key_is_the_text_that_stands_there(file: Path) -> None:
    file.write_text("{010: a, 20: b, 1e-4: c, true: d, null: e}")
    assert list(load_yaml(file)) == ["010", "20", "1e-4", "true", "null"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\na: 3", ", line 3: a: stands here twice, as 1 and as 3"),
        ("a:\n  b: 1\n  b: x", ", line 3: a.b: stands here twice, as 1 and as 'x'"),
        ("a: {b: 1, d: {c: 1, c: [true]}}", ", line 1: a.d.c: stands here twice, as 1 and as [t"),
        ("1: a\n'1': b", ", line 2: 1: stands here twice"),
        ("? [a]\n: 1", ", line 1: a key must be a word"),
        ("a: 1\nb: [1", ", line 2: expected ',' or ']'"),
        ("a: 1\n\tb: 2", ", line 2: found character '\\t'"),
        ("a: *b", ", line 1: anchors and aliases are not read, found *b; write the value itself"),
        ("a:\n  &a {b: *a}", ", line 2: anchors and aliases are not read, found &a; write the"),
        (BOMB, ", line 1: anchors and aliases are not read, found &a"),
        ("a: 1\nb: " + 101 * "9", ", line 2: a whole number of 101 digits; expected at most 100"),
        ("a: -" + 5000 * "9", ", line 1: a whole number of 5,000 digits; expected at most 100"),
        (
            'a: "\\ud83d"',
            ", line 1: half of a surrogate pair in '\\ud83d'; expected the letter itself",
        ),
        ('b: 1\n"\\ude00\\ud83d": 1', ", line 2: half of a surrogate pair in '\\ude00\\ud83d'"),
        ('a: "x\\0"', ", line 1: a NUL in 'x\\x00', which no name and no path has"),
        ('a: "\\UFFFFFFFF"', ", line 1: "),
        ("a: 1\n" + 256 * "k" + ": 1", ", line 2: a key of 256 letters, 'kkk"),
        ("a:\n" + 256 * "- ", ", line 2: nested too deeply to be read; expected at"),
        (f"a: !<{5000 * 't'}> 1", ", line 1: tags are not read, found ttt"),
        ("# " + 2**18 * "x", " is longer than 256 KiB; expected a description"),
        ("a: 1\n---\nb: 2", ", line 2: but found another document"),
        ("a: 1\nb: !!int x", ", line 2: tags are not read, found tag:yaml.org,2002:int"),
        ("a: !!python/object/apply:os.getcwd []", ", line 1: tags are not read"),
        ("a: \0", ": unacceptable character #x0000"),
        ("a: " + 3000 * "[" + 3000 * "]", ", line 1: nested too deeply to be read"),
        ("- a", ": expected a mapping (key: value), found a list"),
        ("word", ": expected a mapping (key: value), found 'word'"),
        ("", ": expected a mapping (key: value), found nothing"),
        ("# nothing but a comment\n", ": expected a mapping (key: value), found nothing"),
    ],
    ids=lambda text: text[:40],
)
def test_a_mistake_is_named_with_file_and_line(file: Path, text: str, error: str) -> None:
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_yaml(file)
    assert str(caught.value).startswith(f"{file}{error}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(file)) + 400


def test_a_binary_file_is_refused(file: Path) -> None:
    file.write_bytes(b"\x80\x02PK\xff")
    with pytest.raises(UserError, match="is not a text file; expected YAML in UTF-8"):
        load_yaml(file)


def test_both_halves_of_a_letter_are_the_letter(file: Path) -> None:
    """JSON writes letters beyond U+FFFF as two escapes (RFC 8259, 7), and YAML 1.2 reads JSON."""
    file.write_text('{"\\ud83d\\ude00": "a\\ud83d\\ude00"}')
    assert load_yaml(file) == {"\U0001f600": "a\U0001f600"}


def test_a_byte_order_mark_is_no_letter(file: Path) -> None:
    file.write_text("a: 1", encoding="utf-8-sig")
    assert load_yaml(file) == {"a": 1}


def test_a_pipe_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(UserError, match="is no file; expected YAML"):
        load_yaml(file)


def test_equal_parts_are_written_each_by_itself(file: Path) -> None:
    part = [1, 2]
    file.write_text(dump_yaml({"a": part, "b": part}))
    assert load_yaml(file) == {"a": [1, 2], "b": [1, 2]}


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(UserError, match=r"file\.yaml: No such file"):
        load_yaml(file)
    with pytest.raises(UserError, match="Is a directory"):
        load_yaml(file.parent)


WORDS = st.text("a0_1.e-+:#&*!|'\"%~? \n\\{[,é残🙂", max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
WRITTEN = SCALARS.filter(lambda x: x not in (float("inf"), float("-inf"))) | WORDS
WRITTEN |= st.sampled_from(["1e-4", "010", "off", "64_000", "null", "true", "", "~", "- a", "a: b"])


@few
@given(
    st.dictionaries(
        WORDS,
        WRITTEN | st.lists(WRITTEN, max_size=3) | st.dictionaries(WORDS, WRITTEN, max_size=3),
        max_size=3,
    )
)
def test_what_is_dumped_is_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]
) -> None:
    file = tmp_path_factory.getbasetemp() / "dumped.yaml"
    file.write_text(dump_yaml(tree), encoding="utf-8")
    loaded = load_yaml(file)
    assert repr(loaded) == repr(tree)  # 1 == 1.0 == True, but they are not the same


SHIPPED = [
    file
    for folder in ("configs", "src/reslab/papers", "src/reslab/data")
    for file in sorted((REPOSITORY / folder).rglob("*.yaml"))
]


def test_libyaml_reads_what_pyyaml_reads() -> None:
    """All that ships, and the order of its keys, too."""
    for file in SHIPPED:
        text = file.read_text(encoding="utf-8")
        assert repr(parse_yaml(text, "here")) == repr(read_slowly(text))


@pytest.mark.parametrize(
    "text",
    ["a: >#\n", "a: {b: c?d}\n", "a:\tb\n\t c: d\n", "a: |#\n  b\n", "a: &b c\n", "a: !b c\n"],
)
def test_what_libyaml_alone_would_read_is_refused(text: str) -> None:
    """Found by letting both read 90,000 texts: never did they read one differently."""
    with pytest.raises(UserError, match="here, line"):
        parse_yaml(text, "here")


# ---- assignments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("recipe.optimizer.lr=1e-2", {"recipe.optimizer.lr": 0.01}),
        ("model=resnet20", {"model": "resnet20"}),
        ("recipe.schedule.milestones=[3, 4]", {"recipe.schedule.milestones": [3, 4]}),
        ("recipe.augmentation.flip=true", {"recipe.augmentation.flip": True}),
        ("model.order=a=b", {"model.order": "a=b"}),
        ("model.order=", {"model.order": None}),
    ],
)
def test_an_assignment_is_an_override_with_a_yaml_value(text: str, tree: dict[str, Any]) -> None:
    assert parse_assignment(text) == tree


@pytest.mark.parametrize("text", ["", "=", "model", "=3", ".lr=3", "recipe..lr=3", "recipe.=3"])
def test_an_assignment_without_a_path_or_a_value_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected KEY=VALUE, for example model\.shortcut=C"):
        parse_assignment(text)


@pytest.mark.parametrize("text", ["a=*b", "a=&b 1", f"a={101 * '9'}", "a=!!int 1"])
def test_what_a_file_may_not_say_an_assignment_may_not(text: str) -> None:
    with pytest.raises(UserError, match=r"^a: .* is no YAML value: "):
        parse_assignment(text)


@pytest.mark.parametrize("text", ["a={", "a=[1", "a=b: c: d", "a={b: 1, b: 2}"])
def test_an_assignment_of_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"a: .* is no YAML value"):
        parse_assignment(text)
