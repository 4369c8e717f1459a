"""Hostile words, and files with some of them: what a person, a kill or an attacker may leave."""

import copy
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

NUMBERS = (
    "-1", "0", "1", "2", "0.5", "nan", ".nan", "inf", "-inf", "1e999", "1e-999", "-0.0", "1e5",
    "2147483648", "18446744073709551616", "1" + 30 * "0", 200 * "9", 5000 * "9", "0x10", "1_0",
)  # fmt: skip
TREES = (
    "", "null", "~", "true", "[]", "{}", "[[]]", "[1, 2]", "{name: sgd}", "{a.b: 1, a: {b: 2}}",
    "- a", "a: b: c", "? ", "|", ">", "#", "---", "<<: {a: 1}", "%YAML 9.9", "@", "`", "'", '"',
    "*", "*a", "&a [1]", 50 * "*a", "!!int 3", "!!python/object/apply:os.system ['touch pwned']",
    300 * "[", 300 * "{a: ", 3000 * "- ",
)  # fmt: skip
COMMANDS = (
    "$(touch pwned)", "`touch pwned`", "; touch pwned", "$(shell touch pwned)", "${HOME}", "%s%n",
    "-", "--", "--help", "../..", "/", "/etc/passwd", "/dev/zero", "~nobody", ".", "..", "a/b",
)  # fmt: skip
LETTERS = (
    "a b", "é", "残差", "🙂", "\x85", "\u2028", "\u202e", "$\\frac{$", 300 * "a", 5000 * "a",
    5000 * "a.", '"\\ud83d"', '"\\ud83d\\ude00"', '"\\0"', '"\\x1b[2J"', '"\\u202e"',
    '"\\UFFFFFFFF"',
)  # fmt: skip
NAMES = (
    "none", "name", "resnet20", "timm:resnet18", "timm:", "torchvision:nothing", "imagefolder",
    "imagenet", "digits", "64-true", "file:x", "seed: 3", "sgd", "cosine", "con",
)  # fmt: skip
HOSTILE = (*NUMBERS, *TREES, *COMMANDS, *LETTERS, *NAMES)

BYTES = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\xbd", b"\x1b[2J", b"\r", b"\xff\xfe", b"\n\n")

TOKEN = re.compile(r"[^\s,\[\]{}]+")

Draw = Callable[[Any], Any]


def _another_word(draw: Draw, text: str) -> str:
    found = list(TOKEN.finditer(text))
    if not found:
        return text
    token = draw(st.sampled_from(found))
    return text[: token.start()] + draw(st.sampled_from(HOSTILE)) + text[token.end() :]


def _another_value(draw: Draw, text: str) -> str:
    lines = text.splitlines(keepends=True)
    valued = [i for i, line in enumerate(lines) if re.match(r"\s*[^#\s][^:]*:", line)]
    if not valued:
        return text
    place = draw(st.sampled_from(valued))
    key, _, _ = lines[place].partition(":")
    return "".join(
        [*lines[:place], f"{key}: {draw(st.sampled_from(HOSTILE))}\n", *lines[place + 1 :]]
    )


def _line_twice(draw: Draw, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    return "".join([*lines[:one], lines[other], *lines[one:]])


def _line_less(draw: Draw, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place = draw(st.integers(0, len(lines) - 1))
    return "".join([*lines[:place], *lines[place + 1 :]])


def _put_in(draw: Draw, text: str) -> str:
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from(HOSTILE)) + text[place:]


def _torn(draw: Draw, text: str) -> str:
    return text[: draw(st.integers(0, len(text)))]


TEXT_WAYS = (_another_word, _another_value, _line_twice, _line_less, _put_in, _torn)


@st.composite
def texts(draw: Draw, originals: Sequence[str]) -> bytes:
    """One of the texts, changed in one to three places, as the bytes of a file."""
    text = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 3))):
        text = draw(st.sampled_from(TEXT_WAYS))(draw, text)
    content = text.encode("utf-8", "surrogatepass")
    return draw(damaged(content)) if draw(st.integers(0, 9)) == 0 else content


@st.composite
def damaged(draw: Draw, content: bytes) -> bytes:
    """Bytes of which some are others, lacking, or too many."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(content)))
        part = draw(st.sampled_from(BYTES) | st.binary(min_size=1, max_size=8))
        content = draw(
            st.sampled_from(
                [
                    content[:place] + part + content[place + len(part) :],
                    content[:place] + part + content[place:],
                    content[:place],
                    content[:place] + content[place + 64 :],
                ]
            )
        )
    return content


NESTED = (json.loads(200 * "[" + 200 * "]"), json.loads(300 * '{"a":' + "1" + 300 * "}"))
LEAVES = (
    None, True, -1, 0, 3, 0.5, 2**40, 10**30, 1e308, float("nan"), float("inf"), "", "a",
    5000 * "a", "../..", "/etc/passwd", "\x1b[2J", "\ud83d", "\0", "$(touch pwned)", "NaN",
    [], {}, [1], [[]], {"a": 1}, ["a"] * 1000, *NESTED,
)  # fmt: skip
"""What a file of values may have in another one's place."""


@st.composite
def trees(draw: Draw, tree: Any, leaves: Sequence[Any] = LEAVES) -> Any:
    """A tree of dicts and lists in which one part is another, lacks or has another name."""
    whole = holder = copy.copy(tree)
    for _ in range(8):
        if not isinstance(holder, dict | list) or not holder:
            break
        place = draw(
            st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
        )
        inner = holder[place]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 7)):
            holder[place] = inner = copy.copy(inner)
            holder = inner
            continue
        if draw(st.integers(0, 3)):
            holder[place] = draw(st.sampled_from(leaves))
        else:
            del holder[place]
        break
    return whole


def each(examples: int, strategy: Any, case: Callable[[Any], None]) -> None:
    """Try a case on so many draws, the same ones every time."""
    seeded = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    seeded(given(strategy)(case))()
