"""One table over one experiment or several, each with its own notes; no torch."""

import subprocess
import sys
from pathlib import Path

from tests.report.conftest import TABLE6, THIRD, Lab, records, rendered

import reslab


def test_one_table_over_several_experiments_names_each_and_marks_sources_alike() -> None:
    paper, third = Lab("paper"), Lab("third")
    folders = paper.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    paper.all_done(folders, 0.5, [8.0])
    third.options["budget"] = 0.5
    third.all_done(
        third.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20")), 1, [9.5]
    )
    third.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    lines = [line for line in rendered(paper, third).splitlines() if line.startswith("|")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:3] for row in shown] == [
        ["paper", "ResNet 20", "resnet20"],
        ["third@budget=0.5", "plain-20", "plain20"],
        ["third@budget=0.5", "ResNet 20", "resnet20"],
    ]
    assert [row[-3][-3:] for row in shown] == ["[1]", "[2]", "[1]"]
    assert [row[-1] for row in shown] == ["too few seeds", "not comparable", "–"]  # a half budget
    read = records(paper, third)
    assert [(r["experiment"], r["variant"], r["test_top1_error_mean"]) for r in read] == [
        ("paper", "ResNet 20", "8.0"),
        ("third@budget=0.5", "plain-20", "9.5"),
        ("third@budget=0.5", "ResNet 20", ""),
    ]


def test_deviations_stand_under_the_experiment_that_they_are_of() -> None:
    whole, half = Lab("whole"), Lab("half")
    half.options["budget"] = 0.5
    for lab in (whole, half):
        lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    text = rendered(whole, half)
    first, second = text.split("**half@budget=0.5: Made by hand**")
    assert "**whole: Made by hand**" in first
    assert "budget 0.5: 32,000 of 64,000 steps" in second
    assert "Options: BUDGET=0.5" in second
    assert "budget 0.5" not in first and "BUDGET" not in first


def test_tables_need_no_torch() -> None:
    program = (
        "import sys, reslab.report.table, reslab.report.status, reslab.report.figures.draw;"
        "assert not {'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)"
    )
    source = Path(reslab.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(source)})
