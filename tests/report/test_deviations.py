"""A deviation is computed from what was run; a choice where the paper is silent is assumed."""

import pytest
from tests.report.conftest import TABLE6, Lab

from reslab.report.deviations import assumptions, deviations, grouped, standing
from reslab.report.runs import outcomes_of


def deviations_of(lab: Lab) -> list[str]:
    return [note.text for note in deviations(lab.plan(), outcomes_of(lab.plan()))]


def assumptions_of(lab: Lab) -> dict[str, list[str]]:
    found = assumptions(lab.plan(), outcomes_of(lab.plan()))
    return {cite: [n.text for n in found if n.of == cite] for cite in [n.of for n in found]}


def test_the_papers_own_protocol_deviates_in_nothing(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    assert deviations_of(lab) == []


def test_a_net_that_is_measured_deviates_in_nothing(lab: Lab) -> None:
    measured = {"model": "resnet20", "diagnostics": True}
    lab.variant("ResNet 20", measured, published=(TABLE6, "ResNet 20"))
    assert deviations_of(lab) == []


def test_a_budget_is_one_deviation_that_spells_out_the_steps(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    assert deviations_of(lab) == ["budget 0.02: 1,280 of 64,000 steps, milestones 640 and 960"]


def test_a_rule_that_is_no_value_of_ours_is_named(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    lab.variant(
        "ResNet 110",
        {"model": "resnet110", "recipe.schedule.warmup_steps": 400},
        seeds=5,
        published=(TABLE6, "ResNet 110"),
    )
    assert deviations_of(lab) == [
        "recipe.schedule.warmup_steps: 400 steps at 0.01; He 2015: until the training error is "
        "below 80 % (about 400 iterations) (ResNet 110)"
    ]


def test_a_warm_up_that_the_paper_does_not_have_is_named(lab: Lab) -> None:
    lab.variant(
        "ResNet 56",
        {"model": "resnet56", "recipe.schedule.warmup_steps": 400},
        published=(TABLE6, "ResNet 56"),
    )
    assert deviations_of(lab) == ["recipe.schedule.warmup_steps: 400 steps at 0.01; He 2015: 0"]


def test_a_part_of_imagenet_and_other_crops_are_named(lab: Lab) -> None:
    lab.base = {"data": "imagenet", "recipe": "xie2017_imagenet", "model.linear_init": "zero_bias"}
    published = ("xie2017/table3", "ResNet-50 1x64d")
    lab.variant("whole", {"model": "resnet50"}, published=published)
    part = {"name": "imagenet", "classes": 100, "per_class": 260}
    small = {"model": "resnet50", "data": part, "recipe.photographs.size": 128}
    lab.variant("part", small, published=published)
    assert deviations_of(lab)[1:] == [  # the aspect ratio is a sentence there
        "recipe.photographs.size: 128; Xie 2017: 224 (part)",
        "data.classes: 100 of 1,000; Xie 2017 does not mention it (part)",
        "data.per_class: 260; Xie 2017 does not mention it (part)",
    ]


def test_another_number_of_seeds_than_published_is_named(lab: Lab) -> None:
    lab.variant("ResNet 110", {"model": "resnet110"}, seeds=1, published=(TABLE6, "ResNet 110"))
    assert "seeds: 1; He 2015, Table 6: best of 5" in deviations_of(lab)


def test_examples_per_normalisation_are_those_that_the_runs_recorded(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2, (TABLE6, "ResNet 20"))
    lab.done(folders[0], 1, 9, normalization_batch=64)
    assert deviations_of(lab) == []
    lab.done(folders[1], 1, 9, normalization_batch=128)
    assert deviations_of(lab) == ["examples per BatchNorm normalisation: 128; He 2015: 64"]


@pytest.mark.parametrize("how", [{"devices": 2}, {"micro_batch": 32}], ids=str)
def test_where_no_paper_states_them_they_are_held_against_the_recipes_batch(
    lab: Lab, how: dict[str, int]
) -> None:
    """The quickstart: two runs, one of them in two processes or in micro-batches of 32."""
    lab.base, lab.published = {"data": "digits", "recipe": "digits"}, None
    folders = lab.variant("residual-20", {"model": "resnet20_w8"}, seeds=2)
    lab.done(folders[0], 1, 9, normalization_batch=64)
    assert deviations_of(lab) == []
    lab.start(folders[1], normalization_batch=32, **how)
    assert deviations_of(lab) == []  # as long as it goes on
    lab.done(folders[1], 1, 9, normalization_batch=32)
    assert deviations_of(lab) == [
        "examples per BatchNorm normalisation: 32; the recipe's batch: 64"
    ]


def test_another_net_than_the_rows_is_named(lab: Lab) -> None:
    lab.variant(
        "ResNet 20 (B)",
        {"model": {"name": "resnet20", "shortcut": "B"}},
        published=(TABLE6, "ResNet 20"),
    )
    assert deviations_of(lab) == ["model.shortcut: B; He 2015: A"]


def test_precision_and_a_holdout_are_named(lab: Lab) -> None:
    lab.base |= {"precision": "bf16-mixed", "data": {"name": "cifar10", "holdout": 5000}}
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    assert deviations_of(lab) == [
        "data.holdout: tested on 5,000 training images set aside, not on the test set",
        "precision: bf16-mixed; He 2015 does not mention it",
    ]


def test_a_variant_without_a_published_number_is_held_against_the_experiments_protocol(
    lab: Lab,
) -> None:
    lab.variant("ResNet 20, slow", {"model": "resnet20", "recipe.optimizer.lr": 0.01})
    assert deviations_of(lab) == ["recipe.optimizer.lr: 0.01; He 2015: 0.1"]


def test_a_third_partys_row_is_held_against_the_experiments_protocol(lab: Lab) -> None:
    lab.base["recipe"] = {"name": "he2015_cifar", "batch_size": 256}
    lab.variant("plain-20", {"model": "plain20"}, 1, ("plain_net_replication/table", "Plain-20"))
    assert deviations_of(lab) == ["recipe.batch_size: 256; He 2015: 128"]


def test_an_experiment_without_a_protocol_still_names_its_budget(lab: Lab) -> None:
    lab.base, lab.published = {"data": "digits", "recipe": "digits"}, None
    lab.options["budget"] = 0.1
    lab.variant("plain-8", {"model": "plain8_w8"})
    assert deviations_of(lab) == ["budget 0.1: 40 of 400 steps, milestones 20 and 30"]
    assert assumptions_of(lab) == {}


def test_choices_where_the_paper_is_silent_are_assumptions(lab: Lab) -> None:
    lab.variant("plain-20", {"model": "plain20"})
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    assert assumptions_of(lab) == {
        "He 2015": [
            "data.holdout: 0, all 50,000 training images",
            "model.gamma_init: ones",
            "model.init: fan_out",
            "model.linear_init: uniform",
            "recipe.optimizer.decay: all",
            "model.zeros: both (ResNet 20)",
        ]
    }


def test_what_no_protocol_states_is_assumed_and_no_deviation(lab: Lab) -> None:
    """Table 6 has option A: of what a projection reads in a pre-activated unit He 2015 says
    nothing, and its protocol need not."""
    fields = {"name": "preact_resnet20", "shortcut": "B", "projection_reads": "x"}
    lab.variant("ours", {"model": fields}, published=(TABLE6, "ResNet 20"))
    assert not any("projection_reads" in line for line in deviations_of(lab))
    assert "model.projection_reads: x, not stated" in assumptions_of(lab)["He 2015"]


def test_a_net_that_begins_as_the_authors_code_deviates_in_nothing_of_it(lab: Lab) -> None:
    lab.base = {"data": "cifar10", "recipe": "zagoruyko2016_cifar"}
    lab.published = "zagoruyko2016/table5"
    published = ("zagoruyko2016/table5", "WRN-28-10", "cifar10")
    lab.variant("theirs", {"model": "wrn_28_10"}, 5, published)
    lab.variant("other", {"model": {"name": "wrn_28_10", "init": "fan_out"}}, 5, published)
    assert deviations_of(lab) == ["model.init: fan_out; Zagoruyko 2016: fan_in (other)"]
    assert assumptions_of(lab) == {}


def test_another_librarys_net_has_no_details_to_assume(lab: Lab) -> None:
    lab.variant("foreign", {"model": "timm:resnet18"})
    assert not any("model." in line for line in assumptions_of(lab)["He 2015"])


def test_what_has_no_field_of_a_run_is_told_with_the_paper(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, published=(TABLE6, "ResNet 20"))
    lines = standing(lab.plan(), outcomes_of(lab.plan()))
    assert [line.text.split(" ")[:3] for line in lines] == [
        ["He", "2015:", "Caffe's"],
        ["He", "2015:", "BatchNorm's"],
    ]


def test_equal_sentences_are_said_once_with_whom_they_are_about() -> None:
    labels = ["a", "b", "c", "d"]
    messages = [
        ("x", "a"),
        ("y", "a"),
        ("y", "b"),
        *(("z", label) for label in labels),
        *(("w", label) for label in "bcd"),
    ]
    assert grouped(messages, labels) == [
        "z",
        "w (all but a)",
        "y (a and b)",
        "x (a)",
    ]


def test_a_paper_whose_training_is_not_recorded_is_named(lab: Lab) -> None:
    published = ("huang2016/table1_imagenet", "ResNet constant depth")
    lab.base = {"data": "imagenet", "recipe": "he2015_imagenet"}
    lab.variant("constant", {"model": "resnet152"}, published=published)
    lab.published = published[0]
    assert deviations_of(lab) == ["all of it: how Huang 2016, Table 1 trained is not recorded here"]


def test_images_that_the_paper_holds_out_are_named(lab: Lab) -> None:
    lab.base = {"data": "cifar10", "recipe": "huang2016_cifar"}
    published = ("huang2016/table1", "ResNet constant depth")
    lab.published = published[0]
    lab.variant("constant", {"model": "resnet110"}, published=published)
    line = "data.holdout: 0, all 50,000 training images; Huang 2016: 5,000"
    assert line in deviations_of(lab)
    assert not any("tested_on" in line for line in deviations_of(lab))


def test_a_run_that_holds_out_as_the_paper_does_and_tests_as_it_does_is_no_deviation(
    lab: Lab,
) -> None:
    lab.base = {"data": {"name": "cifar10", "holdout": 5000}, "recipe": "huang2016_cifar"}
    published = ("huang2016/table1", "ResNet constant depth")
    lab.published = published[0]
    data = {"data.tested_on": "test", "data.selected_on": "holdout"}
    lab.variant("a", {"model": "resnet110", **data}, published=published)
    assert not any("data." in line for line in deviations_of(lab))


@pytest.mark.parametrize("holdout", [0, 5000])
def test_where_the_held_out_images_do_not_choose_that_is_a_deviation(
    lab: Lab, holdout: int
) -> None:
    data = {"holdout": holdout, "tested_on": "test"} if holdout else {}
    lab.base = {"data": {"name": "cifar10", **data}, "recipe": "huang2016_cifar"}
    lab.published = "huang2016/table1"
    lab.variant("a", {"model": "resnet110"}, published=(lab.published, "ResNet constant depth"))
    line = "data.selected_on: none, the weights of the last step; Huang 2016: holdout"
    assert line in deviations_of(lab)


def test_training_a_part_of_the_net_and_rates_by_depth_are_named(lab: Lab) -> None:
    lab.variant(
        "ResNet 20",
        {
            "model": "resnet20",
            "trains": ["norms", "layer3"],
            "recipe.optimizer.layer_decay": 0.7,
        },
        published=(TABLE6, "ResNet 20"),
    )
    assert deviations_of(lab) == [
        "recipe.optimizer.layer_decay: 0.7; He 2015 does not mention it",
        "trains: [layer3, norms]; He 2015 does not mention it",
    ]


def test_weights_that_are_no_runs_stand_in_the_place_of_the_papers_run(lab: Lab) -> None:
    lab.variant(
        "A",
        {
            "model": "resnet56_pruned_a",
            "start": {"name": "akamaster:resnet56", "loads": "l1", "head": "kept"},
        },
        published=("li2017/table1", "ResNet-56-pruned-A"),
    )
    lines = [line for line in deviations_of(lab) if line.startswith("start.")]
    assert lines == ["start.run: akamaster:resnet56; Li 2017: the unpruned net"]
