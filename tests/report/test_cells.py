"""What stands in a cell: statistics or a state, a published number, a difference in short."""

import shutil
from dataclasses import replace

from tests.report.conftest import TABLE6, THIRD, Lab, rendered, row

from reslab import store
from reslab.papers.published import cell
from reslab.report.cells import published_text, short_difference
from reslab.report.table import tabulate


def test_one_seed_has_no_standard_deviation(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert row(lab, "ResNet 20")["test error"] == "9.00 ± –"


def test_a_half_finished_experiment_shows_what_is_missing(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 5, (TABLE6, "ResNet 20"))
    lab.all_done(folders[:2], 0.5, [8.0, 9.0])
    lab.start(folders[2], until=0.5)
    lab.start(folders[3], until=0.2)
    store.write_error(folders[3], "RuntimeError: no memory:\nTry a smaller batch")
    lab.variant("ResNet 32", {"model": "resnet32"}, 2, (TABLE6, "ResNet 32"))
    with store.lock(folders[2]):
        shown = row(lab, "ResNet 20")
        text = rendered(lab)
    assert shown["runs"] == "2/5, 1 running, 1 crashed, 1 missing"
    assert shown["test error"] == "8.50 ± 0.71"
    assert f"- {folders[3].name} crashed: RuntimeError: no memory\n" in text
    untouched = row(lab, "ResNet 32")
    assert (untouched["runs"], untouched["test error"], untouched["Δ"]) == ("0/2", "missing", "–")


def test_runs_that_wait_for_others_are_missing_as_those_that_were_not_begun(lab: Lab) -> None:
    """The runs of a row add up."""
    parents = lab.variant("parent", {"model": "resnet20"}, 3)
    children = lab.variant("child", {"model": "resnet32"}, 3)
    lab.all_done([*parents[:2], children[0]], 1.0, [9.0, 9.0, 8.0])
    (parents[1] / store.CHECKPOINT).touch()
    edges = {child.name: parent.name for child, parent in zip(children, parents, strict=True)}
    _, cells = tabulate([replace(lab.plan(), edges=edges)]).rows
    assert cells["runs_done"].text == "1/3, 2 missing"
    assert (cells["runs_planned"].value, cells["runs_missing"].value) == (3, 2)


def test_a_plan_whose_folders_are_gone_is_all_missing(lab: Lab) -> None:
    [folder] = lab.variant("ResNet 20", {"model": "resnet20"})
    shutil.rmtree(folder)
    assert row(lab, "ResNet 20")["test error"] == "missing"


def test_divergence_is_a_result_without_a_mean_over_survivors(lab: Lab) -> None:
    folders = lab.variant("plain-56", {"model": "plain56"}, 5, (THIRD, "Plain-56"))
    lab.all_done(folders[:3], 5.0, [14.0, 15.0, 16.0])
    lab.diverged(folders[3])
    lab.diverged(folders[4])
    shown = row(lab, "plain-56")
    assert shown["runs"] == "3 of 5 trained"
    assert (shown["train error"], shown["test error"], shown["Δ"]) == ("–", "–", "–")
    assert (shown["best"], shown["median"]) == ("14.00", "16.00")
    text = rendered(lab)
    assert "no mean" in text
    assert f"{folders[3].name} diverged at step 1,234 with learning rate 0.1" in text


def test_a_variant_of_which_no_run_trained_is_shown_as_diverged(lab: Lab) -> None:
    lab.diverged(lab.variant("plain-56", {"model": "plain56"})[0])
    shown = row(lab, "plain-56")
    assert (shown["runs"], shown["test error"]) == ("0 of 1 trained", "diverged")


def test_a_bound_prints_as_a_bound_beside_our_number(lab: Lab) -> None:
    folders = lab.variant("plain-110", {"model": "plain110"}, 1, ("he2015/figure6", "plain-110"))
    lab.all_done(folders, 70, [72.0])
    shown = row(lab, "plain-110")
    assert (shown["test error"], shown["published"], shown["Δ"]) == ("72.00 ± –", "> 60 [1]", "–")


def test_a_third_partys_number_is_marked(lab: Lab) -> None:
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    assert row(lab, "plain-20")["published"] == "9.63, 1 run, third party [1]"


def test_a_number_from_memory_is_marked(lab: Lab) -> None:
    lab.base, lab.published = {"data": "mnist", "recipe": "mnist"}, None
    lab.variant("ResNet", {"model": "resnet8"}, 1, ("mnist_article/article", "ResNet"))
    assert row(lab, "ResNet")["published"] == "≈ 2, memory [1]"
    assert "not checked against its source" in rendered(lab)


def test_a_published_failure_is_printed_as_published() -> None:
    failed = type(cell(TABLE6, "ResNet 20"))(
        **{**vars(cell(TABLE6, "ResNet 20")), "fail": True, "value": None}
    )
    assert published_text(failed) == "fail"


def test_a_difference_is_short_where_that_is_clear() -> None:
    assert (
        short_difference({"model.name": "resnet56", "model.shortcut": "C"})
        == "resnet56, shortcut=C"
    )
    assert (
        short_difference({"recipe.optimizer.name": "adam", "data.name": "mnist"})
        == "optimizer=adam, data=mnist"
    )
    assert (
        short_difference({"start.head": "zeros", "model.head": "mean"})
        == "start.head=zeros, model.head=mean"
    )
    assert (
        short_difference({"adapter.name": "lora", "start.variant": "a"}) == "adapter=lora, start=a"
    )
    assert short_difference({}) == "–"


def test_a_field_that_is_taken_away_is_told_in_a_word() -> None:
    taken = {"data.per_class": None, "data.label_fraction": None, "data.prepared": None}
    assert short_difference(taken) == "per_class=all, label_fraction=all, prepared=none"
    assert short_difference({"start": "none"}) == "start=none"  # as another field's null is shown
