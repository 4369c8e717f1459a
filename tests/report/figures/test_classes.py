"""Confusions and errors by class: from the answers that runs keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.conftest import Lab

from reslab import disk, store
from reslab.report.figures.classes import class_errors, confusion
from reslab.report.figures.draw import draw
from reslab.report.figures.style import NothingToDraw, in_style
from reslab.report.runs import outcomes_of
from reslab.store.answers import Answers, write_answers
from reslab.store.folder import ANSWERS

PETS = ("cat", "dog", "cow")


def answer(
    folder: Path, targets: Sequence[int], predicted: Sequence[int], names: Any = PETS
) -> None:
    """Let a run be done with these answers."""
    wrong = sum(a != b for a, b in zip(targets, predicted, strict=True))
    result = store.read_result(folder) or {}
    result["test"] |= {"examples": len(targets), "wrong": wrong}
    disk.write_json(folder / store.RESULT, result)
    kept = (np.array(classes, np.uint16) for classes in (targets, predicted))
    write_answers(folder, Answers(*kept, np.full(len(targets), 0.5, np.float16), tuple(names)))


def done(lab: Lab, label: str, seeds: int = 1, lr: float = 0.1) -> list[Path]:
    folders = lab.variant(label, {"model": "resnet20", "recipe.optimizer.lr": lr}, seeds)
    lab.all_done(folders, 1.0, [8.0] * seeds)
    return folders


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def drawn(lab: Lab, draws: Any) -> list[Any]:
    with in_style():
        figure = draws(lab.plan(), outcomes_of(lab.plan()))
    return [axes for axes in figure.axes if axes.get_visible()]


def test_a_cell_is_the_share_of_a_rows_images_the_mean_over_seeds(lab: Lab) -> None:
    one, two = done(lab, "a", 2)
    answer(one, [0, 0, 0, 0, 1, 2], [0, 0, 0, 1, 1, 2])
    answer(two, [0, 0, 0, 0, 1, 2], [0, 0, 1, 1, 1, 0])
    [axes] = drawn(lab, confusion)
    numbers = dict(zip([(t.get_position()) for t in axes.texts], texts(axes), strict=True))
    assert numbers == {(0, 0): "62", (1, 0): "38", (1, 1): "100", (0, 2): "50", (2, 2): "50"}
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(PETS)


def test_colours_are_of_errors_alone_on_one_scale(lab: Lab) -> None:
    answer(done(lab, "a")[0], [0, 0, 1, 2], [0, 1, 1, 2])
    answer(done(lab, "b", lr=0.2)[0], [0, 1, 1, 1, 1, 2], [0, 0, 1, 1, 1, 2])
    first, second = (axes.images[0] for axes in drawn(lab, confusion))
    assert first.get_array().tolist() == [[0, 50, 0], [0, 0, 0], [0, 0, 0]]
    assert first.get_clim() == second.get_clim() == (0, 50)


def test_of_many_variants_the_first_and_the_best_are_shown(lab: Lab) -> None:
    for i in range(7):
        predicted = [0, 1, 2] if i == 4 else [1, 1, 2]
        answer(done(lab, f"v{i}", lr=0.1 + i / 100)[0], [0, 1, 2], predicted)
    assert [axes.get_title(loc="left") for axes in drawn(lab, confusion)] == ["v0", "v4"]


def test_of_many_classes_the_most_frequent_confusions_are(lab: Lab) -> None:
    names = [f"class {i}" for i in range(40)]
    [folder] = done(lab, "a")
    answer(folder, [*range(40), 7, 7], [*range(39), 2, 3, 7], names)
    [axes] = drawn(lab, confusion)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == ["class 39 → class 2", "class 7 → class 3"]
    assert axes.patches[0].get_width() == 100 and round(axes.patches[1].get_width()) == 33


def test_classes_are_ordered_by_their_errors(lab: Lab) -> None:
    one, two = done(lab, "a", 2)
    answer(one, [0, 1, 1, 2, 2], [0, 1, 0, 1, 1])
    answer(two, [0, 1, 1, 2, 2], [0, 1, 1, 2, 1])
    [axes] = drawn(lab, class_errors)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cow", "dog", "cat"]
    assert axes.lines[0].get_xdata().tolist() == [75, 25, 0]
    [ranges] = axes.collections
    assert [[x for x, _ in part] for part in ranges.get_segments()] == [[50, 100], [0, 50], [0, 0]]


def test_runs_from_before_say_how_to_get_them(lab: Lab) -> None:
    done(lab, "a")
    with pytest.raises(NothingToDraw, match="FIGURE=mistakes evaluates these again"):
        drawn(lab, confusion)


def test_a_damaged_file_costs_its_run_alone(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = done(lab, "a", 2)
    answer(one, [0, 1, 2], [0, 1, 2])
    (two / ANSWERS).write_bytes(b"torn")
    [axes] = drawn(lab, confusion)
    assert texts(axes) == ["100"] * 3
    assert "answers.npz is damaged" in capsys.readouterr().err


def test_names_of_classes_are_text(lab: Lab) -> None:
    [folder] = done(lab, "a")
    answer(folder, [0, 1], [0, 0], ["$\\frac{$", "a\x1b[31m"])
    paths = draw(lab.plan(), ["confusion", "class_errors"], kinds=["svg"])
    for path in paths:
        drawn = path.read_text(encoding="utf-8")
        assert "$\\frac{$" in drawn and "\\x1b[31m" in drawn
