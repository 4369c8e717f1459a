"""What every description promises: nothing is set that is not read, and the refusal says more."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

import pytest
import yaml
from pydantic import ValidationError

from reslab.config.description import Description, Not, described
from reslab.config.recipe import Schedule
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.errors import UserError

RUN = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}


class Kettle(Description):
    """Its whistle is read beside a lid on gas, or where it is loud."""

    fuel: Literal["gas", "coal", "none"] = "gas"
    lid: int = 0
    loud: bool = False
    whistle: float = 1.0
    tone: tuple[int, ...] = ()
    READ_BESIDE: ClassVar = {
        "whistle": ({"fuel": ("gas", "coal"), "lid": Not(0)}, {"loud": Not(False)}),
        "tone": {"fuel": ("gas",)},
    }


def descriptions(of: type[Description] = Description) -> Iterator[type[Description]]:
    for description in of.__subclasses__():
        yield description
        yield from descriptions(description)


def test_a_field_that_is_not_read_is_refused_with_the_values_beside_which_it_is() -> None:
    with pytest.raises(ValidationError) as caught:
        Kettle(fuel="none", whistle=2.0, tone=(3, 5))
    assert (
        "whistle: 2.0 is not read with fuel: 'none' and lid: 0 and loud: false, but with fuel: "
        "'gas' or 'coal' and lid other than 0, or with loud other than false; leave it out, or "
        "write whistle: 1.0, tone: []"
    ) in str(caught.value)


@pytest.mark.parametrize("beside", [{"lid": 1}, {"lid": 1, "fuel": "coal"}, {"loud": True}])
def test_one_of_several_ways_to_be_read_is_enough(beside: dict[str, Any]) -> None:
    assert Kettle(whistle=2.0, **beside).unread <= {"tone"}


def test_a_default_that_is_written_out_is_no_setting() -> None:
    assert Kettle(fuel="none", whistle=1.0, tone=()) == Kettle(fuel="none")
    assert Kettle(fuel="none").unread == {"whistle", "tone"}


def test_a_description_knows_what_its_parts_do_not_read() -> None:
    config = resolve(merge(RUN, {"recipe.augmentation.crop_padding": 0}), "here")
    assert {"recipe.augmentation.fill", "model.groups", "data.tested_on"} <= config.unread


@pytest.mark.parametrize("description", list(descriptions()), ids=lambda it: it.__qualname__)
def test_what_a_field_is_read_beside_are_fields_and_their_values(
    description: type[Description],
) -> None:
    fields = description.model_fields
    for field, ways in description.READ_BESIDE.items():
        assert not fields[field].is_required()
        for beside in ways if isinstance(ways, tuple) else (ways,):
            for other, allowed in beside.items():
                words = get_args(fields[other].annotation)
                assert isinstance(allowed, Not) or (allowed and set(allowed) <= set(words)), other


@pytest.mark.parametrize(
    ("beside", "idle"),
    [
        ({"schedule": {"name": "cosine", "milestones": []}}, {"schedule.gamma": 0.5}),
        ({"schedule": {"name": "constant", "milestones": []}}, {"schedule.pct_start": 0.5}),
        ({}, {"schedule.warmup_lr": 0.02}),
        ({"augmentation.crop_padding": 0}, {"augmentation.padding": "before_normalization"}),
        ({"augmentation.crop_padding": 0}, {"augmentation.fill": "reflect"}),
        ({"optimizer.weight_decay": 0}, {"optimizer.decay": "weights"}),
        ({"optimizer": {"name": "adamw", "momentum": 0}}, {"optimizer.momentum": 0.5}),
    ],
    ids=str,
)
def test_one_training_has_one_id(beside: dict[str, Any], idle: dict[str, Any]) -> None:
    """As accepted, each would be a second id of the run without it."""
    plain = {f"recipe.{field}": value for field, value in beside.items()}
    base = merge({**RUN, "recipe": {"name": "he2015_cifar"}}, plain)
    [(field, value)] = idle.items()
    assert f"recipe.{field}" in resolve(base, "here").unread
    with pytest.raises(UserError, match=rf"here: recipe\.{field}: .*is not read with "):
        resolve(merge(base, {f"recipe.{field}": value}), "here")


def test_what_the_refusal_says_to_write_is_accepted() -> None:
    """A recipe whose steps have a γ of their own, laid under a cosine."""
    cosine = {**RUN, "recipe": {"name": "zagoruyko2016_cifar", "schedule": {"name": "cosine"}}}
    with pytest.raises(UserError) as caught:
        resolve(cosine, "here")
    told = yaml.safe_load(f"{{{str(caught.value).partition('or write ')[2]}}}")
    assert set(told) == {"milestones", "gamma"}
    mended = merge(cosine, {f"recipe.schedule.{field}": told[field] for field in told})
    assert resolve(mended, "here").recipe.schedule == Schedule(name="cosine")


def test_the_descriptions_in_an_annotation_are_those_of_all_its_parts() -> None:
    assert described(Kettle | None) == [Kettle]
    assert described(Kettle | Schedule) == [Kettle, Schedule]
    assert described(int) == []
