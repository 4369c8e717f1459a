"""The loop beside the bare step: chunks that are weighed by their steps; no test times anything."""

import pytest
from benchmarks.overhead import WARM, main, per_step, table


def test_milliseconds_a_step_are_medians_over_steps_once_it_is_warm() -> None:
    found = [(WARM, 9.0, 1.0), (90, 0.27, 0.18), (10, 0.08, 0.02)]
    assert per_step(found) == pytest.approx({"bare": 2, "reslab": 3, "reslab − bare": 1})


def test_the_rounds_are_told_as_a_table() -> None:
    rounds = [{"bare": 2.0 + n, "reslab": 2.5 + n, "reslab − bare": 0.5} for n in range(3)]
    lines = table(rounds).splitlines()
    assert len(lines) == 2 + 3 and "3.00 | 2.00 to 4.00" in lines[2]
    assert "(to reach: 0.3)" in lines[-1] and max(map(len, lines)) <= 80


@pytest.mark.slow
@pytest.mark.process
def test_a_run_is_measured_in_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds=1", "--steps=400"]) == 0
    assert "| reslab − bare (to reach: 0.3) |" in capsys.readouterr().out
