"""Which code made a run."""

import re

from reslab.store.code import closure, code_version


def test_the_code_has_a_version() -> None:
    assert re.fullmatch(r"[0-9a-f]{10}", code_version())
    assert code_version() == code_version()


def test_what_training_imports_decides_and_what_reads_results_does_not() -> None:
    rooms = {name.split(".")[1] for name in closure()}
    assert {"config", "data", "models", "training", "execution"} <= rooms
    assert rooms & {"report", "experiments", "papers", "commands"} == set()
