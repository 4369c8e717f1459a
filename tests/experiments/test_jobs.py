"""What is about to happen, and what it will take."""

from pathlib import Path

import pytest
from tests.experiments.jobs import SLOT, job

from reslab.experiments.jobs import announce
from reslab.experiments.slots import Slot


def test_advice_for_what_takes_long_names_the_plans_own_labels(tmp_path: Path) -> None:
    runs = [job(tmp_path, model, seed) for model in ("resnet20", "resnet110") for seed in (0, 1)]
    advice = announce(runs, [SLOT]).splitlines()[1]
    assert advice.endswith(
        "SEEDS=1 trains one seed, ONLY='the resnet20' one variant, "
        "ONLY='!the resnet110' all but the longest"
    )


def test_advice_for_a_single_run_is_a_smaller_budget(tmp_path: Path) -> None:
    advice = announce([job(tmp_path, "resnet110")], [SLOT]).splitlines()[1]
    assert advice == "that is long: BUDGET=0.1 would take about half a day"


@pytest.mark.parametrize(
    ("slots", "where"),
    [
        ([Slot((), 4)], "1 at once on CPU, 4 threads each;"),
        ([Slot((), 1, 2)] * 3, "3 at once on CPU, 2 processes for each run, 1 thread each;"),
        ([Slot(("0", "1"), 4, 2)], "1 at once on 2 GPUs each;"),
        ([Slot(("0",), 4)] * 2, "2 at once on 1 GPU each, 2 runs on each;"),
    ],
)
def test_slots_are_announced_with_their_devices_and_processes(
    tmp_path: Path, slots: list[Slot], where: str
) -> None:
    small = job(tmp_path, "resnet8_w8", data="digits", recipe="digits")
    assert f"1 of 1 run to do, {where}" in announce([small], slots)
