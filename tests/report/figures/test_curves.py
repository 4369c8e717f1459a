"""The figure is drawn from the files of the runs alone, the same files giving the same figure."""

from collections.abc import Iterator

import pytest
from tests.report.conftest import TABLE6, Lab

from reslab import store
from reslab.report.figures.draw import draw

THIRD = "plain_net_replication/table"


def svg(lab: Lab) -> str:
    [path] = draw(lab.plan(), ["curves"], kinds=["svg"])
    return path.read_text(encoding="utf-8")


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
    files = {path.name for path in (lab.folder / "figures").iterdir()}
    assert files == {"curves.svg"}


def test_a_dashed_line_says_that_it_is_of_augmented_batches(drawn: str) -> None:
    """He 2015's recipe crops and flips; the training error is that of the final weights."""
    assert ">augmented training batches<" in drawn
    assert ">training error at the end<" in drawn


def test_where_nothing_is_augmented_the_batches_are_not_called_so(lab: Lab) -> None:
    plain = {
        f"recipe.augmentation.{key}": off for key, off in (("crop_padding", 0), ("flip", False))
    }
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20", **plain}), 6.0, [12.0])
    drawn = svg(lab)
    assert ">training batches<" in drawn and "augmented" not in drawn


def test_small_errors_have_two_decimals(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.1, [0.61])
    assert ">ResNet 20  0.61<" in svg(lab)


def test_long_labels_are_wrapped(lab: Lab) -> None:
    label = "with 1st ReLU, no last BN, pre-activated shortcut"
    lab.all_done(lab.variant(label, {"model": "resnet20"}), 6.0, [12.0])
    drawn = svg(lab)
    assert label not in drawn.partition("<svg")[2]
    assert "with 1st ReLU, no last" in drawn


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


def test_a_label_is_no_formula(lab: Lab) -> None:
    """matplotlib would set what stands between two dollars, or fail."""
    lab.all_done(lab.variant("20 $\\frac{$", {"model": "resnet20"}), 6.0, [12.0])
    assert ">20 $\\frac{$  12.0<" in svg(lab)


def test_a_run_without_training_errors_has_its_last_test_error(lab: Lab) -> None:
    """As one that was trained without labels."""
    folders = lab.variant("views", {"model": "resnet20", "recipe.objective": "simsiam"})
    lab.all_done(folders, 30.0, [40.0])
    for folder in folders:
        (folder / store.METRICS).write_text(
            '{"step": 9, "train_loss": -0.5, "train_spread": 0.02}\n'
            '{"step": 10, "test_loss": 1.5, "test_top1_error": 40.0}\n'
        )
    assert svg(lab).count(">views  40.0<") == 1
