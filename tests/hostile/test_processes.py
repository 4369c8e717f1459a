"""Real command lines and calls of make with hostile words: exit code 0 or 2, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.conftest import REPOSITORY
from tests.hostile.conftest import SCRIPTS
from tests.hostile.mutations import each
from tests.hostile.test_command_lines import WORDS, dry, lines, settings

pytestmark = pytest.mark.process

OF_RUNS = (
    "BUDGET", "SEEDS", "ONLY", "DEVICES", "MICRO_BATCH", "SYNC_BATCHNORM", "COMPILE",
    "SLOTS_PER_GPU", "CARD",
)  # fmt: skip
READS = {
    "experiment": ("NAME", *OF_RUNS),
    "train": ("MODEL", "DATA", "RECIPE", *OF_RUNS),
    "status": ("NAME",),
    "table": ("NAME",),
    "figure": ("NAME",),
    "compare": ("NAME",),
    "sync": ("NAME",),
    "models": ("MODEL",),
    "help": (),
}
USUAL = {"NAME": "quickstart", "MODEL": "resnet20", "DATA": "digits", "RECIPE": "digits"}


def ended(command: Sequence[str], folder: Path) -> None:
    """Run it as a person would."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=600
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode in (0, 2), f"exit code {done.returncode}: {said}"
    assert "Traceback" not in said, said


@st.composite
def calls(draw: Callable[[Any], Any]) -> list[str]:
    """A target of make and its words, of which one or two are hostile. Nothing is trained."""
    target = draw(st.sampled_from(sorted(READS)))
    said = {word: USUAL[word] for word in READS[target] if word in USUAL}
    for word in draw(st.lists(st.sampled_from([*READS[target], "NAME", "SEED"]), max_size=2)):
        said[word] = draw(st.sampled_from(WORDS))
    if target in ("experiment", "train") and draw(st.booleans()):
        said["SET"] = " ".join(draw(st.lists(settings, max_size=2)))
    if target in ("experiment", "train", "sync"):
        said["DRY"] = "1"
    return [target, *(f"{word}={value}" for word, value in said.items())]


@pytest.mark.parametrize("cases", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_command_line_ends_with_0_or_2(cases: int, place: Path) -> None:
    def case(said: tuple[str, list[str]]) -> None:
        name, words = said
        ended([sys.executable, str(SCRIPTS / f"{name}.py"), *dry(name, words)], place)

    before = sorted(place.rglob("*"))
    each(cases, lines(), case)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("cases", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_call_of_make_ends_with_0_or_2(cases: int, place: Path) -> None:
    def case(words: list[str]) -> None:
        ended(["make", f"VENV={sys.prefix}", *words], REPOSITORY)

    before = sorted([*place.rglob("*"), *REPOSITORY.iterdir()])
    each(cases, calls(), case)
    assert sorted([*place.rglob("*"), *REPOSITORY.iterdir()]) == before
