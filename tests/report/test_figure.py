"""The figure is drawn from the files of the runs alone, the same files giving the same figure."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import TABLE6, Lab

from reslab.report.figure import draw, spread

THIRD = "plain_net_replication/table"


def svg(lab: Lab) -> str:
    paths = draw(lab.plan())
    assert [path.name for path in paths] == ["figure.png", "figure.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    return paths[1].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn_twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, str, str]]:
    """Plain and residual nets."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        lab = plain_and_residual()
        yield lab, svg(lab), svg(lab)


def plain_and_residual() -> Lab:
    lab = Lab()
    folders = lab.variant("plain-20", {"model": "plain20"}, 2, (THIRD, "Plain-20"))
    lab.all_done(folders, 8.0, [14.0, 15.0])
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2, (TABLE6, "ResNet 20"))
    lab.all_done(folders, 6.0, [12.0, 13.0])
    return lab


@pytest.fixture(scope="module")
def drawn(drawn_twice: tuple[Lab, str, str]) -> str:
    return drawn_twice[1]


def test_each_variant_has_its_label_and_its_last_error(drawn: str) -> None:
    assert drawn.count(">plain-20  14.5<") == 1
    assert drawn.count(">ResNet 20  12.5<") == 1


def test_plain_and_residual_nets_stand_side_by_side(drawn: str) -> None:
    assert ">plain nets<" in drawn and ">residual nets<" in drawn


def test_published_numbers_are_marks_and_a_third_partys_are_others(drawn: str) -> None:
    assert ">published test error<" in drawn and ">third party's test error<" in drawn


def test_a_number_of_ten_crops_is_no_mark_on_curves_of_one(lab: Lab) -> None:
    lab.base = {"data": "imagenet", "recipe": "he2015_imagenet"}
    lab.all_done(
        lab.variant("plain-34", {"model": "plain34"}, 1, ("he2015/table3", "plain-34")), 30, [29.0]
    )
    assert ">published test error<" not in svg(lab)


def test_equal_files_give_equal_figures_and_nothing_else(
    drawn_twice: tuple[Lab, str, str],
) -> None:
    lab, first, second = drawn_twice
    assert first == second
    files = {path.name for path in lab.folder.iterdir() if path.is_file()}
    assert files == {"figure.png", "figure.svg"}


def test_a_half_finished_experiment_has_a_figure(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2)
    lab.start(folders[0], until=0.3)
    lab.variant("ResNet 32", {"model": "resnet32"}, 2)
    drawn = svg(lab)
    assert "ResNet 32  (no run yet)" in drawn and "plain nets" not in drawn


def test_diverged_runs_are_drawn_one_by_one_and_not_averaged(lab: Lab) -> None:
    folders = lab.variant("plain-56", {"model": "plain56"}, 3)
    lab.all_done(folders[:2], 20.0, [25.0, 35.0])
    lab.diverged(folders[2])
    drawn = svg(lab)
    assert "plain-56  2 of 3 trained" in drawn and ">diverged<" in drawn


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_keep_their_order_and_do_not_overlap(heights: list[float]) -> None:
    placed = spread(heights, 5, 100)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    gaps = [placed[b] - placed[a] for a, b in itertools.pairwise(order)]
    assert all(gap >= 5 - 1e-9 for gap in gaps)
    assert all(-1e-9 <= height <= 100 + 1e-9 for height in placed)


def test_a_label_is_no_formula(lab: Lab) -> None:
    """matplotlib would set what stands between two dollars, or fail."""
    lab.all_done(lab.variant("20 $\\frac{$", {"model": "resnet20"}), 6.0, [12.0])
    assert ">20 $\\frac{$  12.0<" in svg(lab)
