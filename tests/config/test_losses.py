"""Losses as values: what belongs together, and what is refused before anything is trained."""

from typing import Any

import pytest
from tests.experiments.plans import plan, refusal

from reslab.config.losses import Loss
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.errors import UserError

TAUGHT = ("kd", "fitnet", "at", "rkd", "dkd", "dist")


def run(loss: Any = "kd", **override: Any) -> RunConfig:
    tree = {
        "model": "resnet20",
        "data": "cifar10",
        "recipe": {"name": "finetune_cifar", "normalization": "channel", "loss": loss},
        "teacher": "akamaster:resnet56",
    }
    return resolve({**tree, **override}, "here")


def test_cross_entropy_is_the_default_and_changes_no_id() -> None:
    """Golden ids are in test_run.py; here a run that says what goes without saying."""
    plain = run("cross_entropy", teacher="none")
    tree = {"model": "resnet20", "data": "cifar10"}
    recipe = {"name": "finetune_cifar", "normalization": "channel"}
    assert plain.run_id == resolve({**tree, "recipe": recipe}, "here").run_id


@pytest.mark.parametrize("name", TAUGHT)
def test_a_word_is_short_for_a_loss_with_the_weights_of_its_authors(name: str) -> None:
    assert run(name).recipe.loss == Loss.model_validate({"name": name})


def test_a_mapping_takes_the_place_of_another_losss() -> None:
    """Fields of one are none of the other's."""
    tree: dict[str, Any] = {
        "base": {
            "model": "resnet8_w8",
            "data": "digits",
            "recipe": {"name": "digits", "loss": {"name": "kd", "soft": 0.5}},
            "teacher": {"variant": "big"},
        },
        "variants": {
            "big": {"teacher": "none", "recipe.loss": "cross_entropy"},
            "kd": {},
            "at": {"recipe.loss": {"name": "at"}},
        },
    }
    losses = {v.label: v.configs[0].recipe.loss for v in plan(tree).variants}
    assert losses == {"big": Loss(), "kd": Loss(name="kd", soft=0.5), "at": Loss(name="at")}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"teacher": "none"}, "teacher: is missing beside recipe.loss: kd"),
        ({"loss": "cross_entropy"}, "teacher: is not read with recipe.loss: cross_entropy"),
        ({"loss": "hints"}, "recipe.loss.name: got 'hints'; expected"),
        ({"loss": {"name": "at", "temperature": 2.0}}, "temperature: 2.0 is not read with name"),
        ({"teacher": {"name": "akamaster:resnet56", "head": "kept"}}, "teacher.head: is not read"),
        ({"teacher": {"name": "akamaster:resnet56", "loads": "trunk"}}, "teacher.loads: is not re"),
        ({"loss": "at", "trains": "head"}, "at compares what the net computes before its head"),
        ({"teacher": "akamaster:resnet57"}, "teacher: no published weights are called"),
        ({"normalization": "pixel_mean"}, "recipe.normalization: pixel_mean is no scale and shift"),
        ({"normalization": "gcn_zca"}, "recipe.normalization: gcn_zca is no scale and shift"),
        (
            {"loss": "rkd", "batch_size": 2},
            "recipe.loss.name: rkd holds examples against each",
        ),
        (
            {"loss": "dkd", "augmentation": {"mixup": 0.2}},
            "recipe.loss.name: dkd needs one target for each image",
        ),
        (
            {"loss": "fitnet", "model": "torchvision:resnet18"},
            "recipe.loss.name: fitnet reads what stages put out; of this net nobody says",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_taught_is_refused(fields: dict[str, Any], reason: str) -> None:
    said = {key: fields[key] for key in fields if key in ("teacher", "model", "trains")}
    recipe = {key: fields[key] for key in fields if key not in said}
    whole = {"name": "finetune_cifar", "normalization": "channel", "loss": "kd", **recipe}
    with pytest.raises(UserError, match=reason):
        run(**said, recipe=whole)


def test_a_plan_refuses_it_before_anything_starts() -> None:
    tree: dict[str, Any] = {
        "base": {"model": "resnet8_w8", "data": "digits", "recipe": "digits"},
        "variants": {"big": {}, "rkd": {"teacher": {"variant": "big"}, "recipe.loss": "rkd"}},
    }
    assert "would see 16 of 64 at a time" in refusal(tree, micro_batch=16)


def test_a_teachers_file_is_known_by_its_content(tmp_path: Any) -> None:
    one, other = tmp_path / "one.th", tmp_path / "other.th"
    for path in (one, other):
        path.write_bytes(b"weights")
    ids = {run(teacher=str(path)).run_id for path in (one, other)}
    other.write_bytes(b"weightz")
    assert len(ids) == 1
    assert run(teacher=str(other)).run_id not in ids
