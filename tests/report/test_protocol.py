"""The protocol in words: what was run, what was recorded, and every deviation."""

from typing import get_args

from tests.report.conftest import TABLE6, Lab

from reslab.config.recipe import Augmentation
from reslab.report.protocol import LISTED, VERDICTS, Paragraph, protocol, verdicts
from reslab.report.runs import outcomes_of
from reslab.report.table import tabulate
from reslab.report.values import NoteKind


def told(lab: Lab) -> dict[str, Paragraph]:
    """The paragraphs by their headings."""
    plan = lab.plan()
    return {part.heading: part for part in protocol(tabulate([plan]), outcomes_of(plan))}


def sentence(lab: Lab, heading: str) -> str:
    return " ".join(told(lab)[heading].sentences)


def test_it_names_every_deviation_and_assumption_under_the_table(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    lab.variant("a", {"model": "resnet20", "recipe.optimizer.lr": 0.2}, 1, (TABLE6, "ResNet 20"))
    lab.variant("b", {"model": "resnet110"}, 1, (TABLE6, "ResNet 110"))
    table = tabulate([lab.plan()])
    listed = {heading: list(part.items) for heading, part in told(lab).items()}
    assert listed["Deviations"] == [note.text for note in table.told("deviation")]
    assert any("budget 0.02" in line for line in listed["Deviations"])
    assert any(
        "recipe.optimizer.lr: 0.2; He 2015: 0.1 (a)" in line for line in listed["Deviations"]
    )
    assumed = [note.text for note in table.told("assumption")]
    assert listed["Assumed where He 2015 is silent"] == assumed


def test_every_kind_of_note_has_its_place() -> None:
    """Captions stand above the table, sources are citations."""
    assert LISTED.keys() | VERDICTS.keys() | {"caption", "source"} == set(get_args(NoteKind))


def test_what_the_seeds_say_stands_for_itself(lab: Lab) -> None:
    for label, errors in {"a": [8.0, 8.4, 8.1], "b": [9.0, 9.3, 9.5]}.items():
        lab.all_done(lab.variant(label, {"model": "resnet20"}, 3), 0.5, errors)
    table = tabulate([lab.plan()])
    (answers,) = verdicts(table)
    assert list(answers.items) == [note.text for note in table.told("question")]
    assert answers.items[0].startswith("a → b: ")
    assert answers.heading not in told(lab)


def test_it_says_what_a_reviewer_asks_for(lab: Lab) -> None:
    lab.options["budget"] = 0.5
    folders = lab.variant("a", {"model": "resnet20"}, 2)
    for folder in folders:
        lab.done(folder, 0.5, 8.0)
    assert sentence(lab, "Data") == (
        "Nets were trained on 50,000 images of 10 classes of cifar10, and tested on 10,000."
    )
    assert sentence(lab, "Steps") == (
        "Training lasted 32,000 steps of 128 images (81.9 epochs), 0.5 of the recipe's 64,000 with "
        "the schedule in proportion."
    )
    assert sentence(lab, "Optimiser") == (
        "SGD with learning rate 0.1, momentum 0.9, weight decay 0.0001."
    )
    assert sentence(lab, "Schedule") == (
        "The learning rate is multiplied by 0.1 at steps 16,000 and 24,000."
    )
    assert sentence(lab, "Images") == (
        "Normalisation: pixel mean; augmentation: crop padding 4, flip."
    )
    assert sentence(lab, "Seeds") == "2 runs each (seeds 0 and 1): 2 done."
    assert sentence(lab, "Hardware and versions") == (
        "1 × cpu (x86_64). Code c0de. 2 runs took 25 s in all."
    )


def test_a_sentence_that_is_not_about_all_says_about_which(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"})
    lab.variant("b", {"model": "resnet32", "data.holdout": 5000})
    assert told(lab)["Data"].sentences == (
        "Nets were trained on 50,000 images of 10 classes of cifar10, and tested on 10,000 (a).",
        "Nets were trained on 45,000 images of 10 classes of cifar10, and tested on 5,000 other "
        "images of the training set (b).",
    )


def test_runs_that_are_missing_or_diverged_are_told(lab: Lab) -> None:
    folders = lab.variant("a", {"model": "resnet20"}, 3)
    lab.done(folders[0], 0.5, 8.0)
    lab.diverged(folders[1])
    assert sentence(lab, "Seeds") == (
        "3 runs each (seeds 0, 1 and 2): 1 done, 1 diverged, 1 not there yet."
    )
    assert any("diverged at step 1,234" in line for line in told(lab)["Single runs"].items)


def test_several_machines_and_versions_are_told_with_their_runs(lab: Lab) -> None:
    for folder, torch in zip(lab.variant("a", {"model": "resnet20"}, 3), "122", strict=True):
        lab.start(folder, python="3.12.3", torch=f"2.{torch}.0")
    assert (
        "Python 3.12.3, torch 2.1.0 (1 run); python 3.12.3, torch 2.2.0 (2 runs)."
        in told(lab)["Hardware and versions"].sentences
    )


def test_every_augmentation_that_is_done_is_named(lab: Lab) -> None:
    changes = {"randaugment": 2, "cutout": 16, "mixup": 0.2, "cutmix": 1.0, "erasing": 0.25}
    assert changes.keys() <= Augmentation.model_fields.keys()
    lab.variant(
        "a", {"model": "resnet20", **{f"recipe.augmentation.{k}": v for k, v in changes.items()}}
    )
    for name, value in changes.items():
        assert f"{name} {value:g}" in sentence(lab, "Images")


def test_how_the_rate_changes_is_said_in_words(lab: Lab) -> None:
    schedules = {
        "cosine": "falls as half a cosine to 0 at the last step",
        "constant": "is constant",
        "one_cycle": "rises from a 25th",
    }
    bare = {"milestones": [], "warmup_steps": 0}
    for name in schedules:
        lab.variant(name, {"model": "resnet20", "recipe.schedule": {"name": name, **bare}})
    warm = {"name": "cosine", "milestones": [], "warmup_steps": 400}
    lab.variant("warm", {"model": "resnet20", "recipe.schedule": warm})
    sentences = told(lab)["Schedule"].sentences
    for name, words in schedules.items():
        assert any(words in line and f"({name}" in line for line in sentences)
    assert any("in the first 400 steps it is 0.01 (warm)" in line for line in sentences)


def test_what_else_decides_the_result_is_named(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20", "precision": "bf16-mixed", "trains": ["head"]})
    assert sentence(lab, "Also") == "Precision: bf16-mixed; trains: head."


def test_what_is_trained_without_labels_is_said(lab: Lab) -> None:
    lab.variant(
        "views", {"model": "resnet20", "recipe.objective": {"name": "simsiam", "width": 64}}
    )
    assert "Without labels: name simsiam, width 64" in sentence(lab, "Also")


def test_which_filters_of_a_start_are_left_is_named(lab: Lab) -> None:
    start = {"name": "akamaster:resnet20", "loads": "l1", "keep": 0.5}
    lab.variant("a", {"model": "resnet20", "start": start})
    told = "Starts from: akamaster:resnet20, of each unit's first filters those of the largest L1 "
    assert sentence(lab, "Also").startswith(told)
