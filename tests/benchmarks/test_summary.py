"""The tables of a measurement, from made-up results: rates that can be divided by head."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks.summary import between_marks, judged, ratio, tables, with_evaluations
from tests.conftest import REPOSITORY

from reslab.errors import UserError

MACHINE = {"processor": "AMD", "threads": 2, "gpu": None, "torch": "2.14.1", "load": 0.1}
ROWS = {
    "bare": {"rates": [100.0, 200.0, 300.0], "memory": 5e8, "evaluation_rate": 1000.0},
    "bare, compiled": {"error": "RuntimeError: no compiler"},
    "reslab": {"rates": [99.0, 196.0, 291.0], "memory": 6e8, "evaluation_rate": 500.0},
    "usual, 0 workers": {"rates": [50.0, 100.0, 150.0], "memory": 5e8},
    "usual, 2 workers": {"rates": [80.0, 140.0, 150.0], "memory": 5e8},
}


def found(**change: Any) -> dict[str, Any]:
    net = {
        "data": "cifar10",
        "side": 32,
        "batch_size": 100,
        "test_images": 1000,
        "evaluated_every": 50,
        "data_bytes": 2 * 10**8,
        "model_bytes": 10**6,
        "rows": ROWS,
    }
    loader = {**net, "rows": {"reslab": {"rates": [90_000.0], "memory": 4e8}}}
    own = {"machine": MACHINE, "seconds": 30.0, "rounds": 3, "precision": "32-true"}
    return {**own, "cases": {"resnet20": net, "loader": loader}, **change}


def test_rows_are_compared_round_by_round() -> None:
    """0.99, 0.98 and 0.97, whatever the machine did between rounds."""
    assert ratio(ROWS, "reslab", "bare") == pytest.approx(0.98)


def test_the_usual_pipeline_is_the_fastest_of_them() -> None:
    """Two workers: 99/80, 196/140, 291/150."""
    assert ratio(ROWS, "reslab", "usual") == pytest.approx(196 / 140)


def test_a_row_that_was_not_measured_has_no_ratio() -> None:
    assert ratio(ROWS, "bare, compiled", "bare") is None
    assert ratio(ROWS, "reslab, compiled", "bare") is None


def test_a_rate_with_evaluations() -> None:
    """5,000 images at 200 a second take 25 s, 1,000 evaluated at 1,000 a second one more."""
    assert with_evaluations(found(), "resnet20", "bare") == pytest.approx(5000 / 26)
    assert with_evaluations(found(), "resnet20", "usual, 0 workers") is None


def test_targets_are_met_or_not_or_were_not_measured() -> None:
    told = {judge.words: judge.met for judge in judged(found())}
    assert told["resnet20: reslab / bare, both eager"] is True
    assert told["resnet20: reslab / bare, both compiled"] is None
    assert told["loader: images/s on one core"] is True
    assert told["resnet20: memory of reslab"] is True
    slow = {**ROWS, "reslab": {"rates": [90.0, 180.0, 270.0], "memory": 2e9}}
    case = {**found()["cases"]["resnet20"], "rows": slow}
    told = {judge.words: judge.met for judge in judged(found(cases={"resnet20": case}))}
    assert told["resnet20: reslab / bare, both eager"] is False
    assert told["resnet20: memory of reslab"] is False


def test_the_tables_fit_a_terminal_and_say_what_failed() -> None:
    text = tables(found())
    assert max(map(len, text.splitlines())) <= 80
    row = next(line for line in text.splitlines() if line.startswith("| reslab "))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "reslab",
        "196",
        "99 to 291",
        "0.98",
        "600 MB",
    ]
    assert "an evaluation every 50 steps:\nbare 192; reslab 182" in text
    assert "RuntimeError: no compiler" in text
    assert "AMD, 2 threads, torch 2.14.1" in text


def test_a_profile_is_told_below_its_net() -> None:
    profile = {"step_ms": 5.5, "functions": {"conv2d": 2.25, "step.forward_backward": 0.1}}
    rows = {**ROWS, "reslab": {**ROWS["reslab"], "profile": profile}}
    text = tables(found(cases={"resnet20": {**found()["cases"]["resnet20"], "rows": rows}}))
    assert "resnet20, reslab: 5.50 ms a step, profiled" in text
    assert "conv2d" in text and "2.250" in text


def test_a_gpu_has_its_name_and_how_long_it_is_idle() -> None:
    rows = {name: {**row, "idle_share": 0.25} for name, row in ROWS.items()}
    case = {**found()["cases"]["resnet20"], "rows": rows}
    text = tables(found(machine={**MACHINE, "gpu": "H100"}, cases={"resnet20": case}))
    assert "AMD, 2 threads, H100, torch" in text
    assert "600 MB, 25%" in text


def test_tables_stand_between_the_marks_of_a_document(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- training:begin -->\nold\n<!-- training:end -->\nafter\n")
    between_marks(file, "training", "| new |")
    between_marks(file, "training", "| newer \\1 |")
    assert file.read_text() == (
        "before\n<!-- training:begin -->\n\n| newer \\1 |\n\n<!-- training:end -->\nafter\n"
    )
    with pytest.raises(UserError, match="needs one place <!-- growth:begin -->"):
        between_marks(file, "growth", "")


def test_the_document_has_its_places() -> None:
    page = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    assert all(page.count(f"<!-- {name}:begin -->") == 1 for name in ("training", "growth"))
