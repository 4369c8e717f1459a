"""What weights are used with: what is left out follows from the data, else from the net's name."""

import pytest

from reslab.config.resolve import resolve, resolve_use
from reslab.config.use import Use
from reslab.errors import UserError


def use(**tree: object) -> Use:
    return resolve_use(tree, "here")


def test_a_runs_net_is_used_as_in_its_evaluation() -> None:
    config = resolve({"model": "resnet18", "data": "imagenet", "recipe": "he2015_imagenet"}, "x")
    known = Use.of_run(config)
    assert (known.model, known.data, known.image_size) == (config.model, config.data, 224)
    assert known.photographs == config.recipe.photographs
    assert resolve_use(known.model_dump(mode="json"), "x") == known


def test_channels_classes_and_size_follow_from_the_data() -> None:
    digits = use(model="resnet20", data="digits")
    assert (digits.model.in_channels, digits.model.classes, digits.image_size) == (1, 10, 8)
    assert digits.photographs is None
    photographs = use(model="resnet18", data="imagenette").photographs
    assert photographs and (photographs.crop, photographs.size) == ("center", 224)
    assert photographs.test_shorter_side == 256


@pytest.mark.parametrize(
    ("model", "size", "side"),
    [("resnet50", 224, 256), ("xception", 299, 342), ("timm:resnet18", 224, 256),
     ("resnet20", 32, None)],
)  # fmt: skip
def test_without_data_the_size_follows_from_the_nets_name(
    model: str, size: int, side: int | None
) -> None:
    alone = use(model=model)
    assert (alone.data, alone.image_size) == (None, size)
    assert (alone.photographs.test_shorter_side if alone.photographs else None) == side


def test_fields_are_laid_over_what_follows() -> None:
    changed = use(
        model={"name": "resnet18", "shortcut": "C", "classes": 5}, photographs={"size": 192}
    )
    assert (changed.model.classes, changed.image_size) == (5, 192)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"model": "resnet65"}, "here: model: no net is called 'resnet65'"),
        ({"model": {"name": "resnet20", "shortcut": "E"}}, "here: model.shortcut: got 'E'"),
        ({"model": "resnet20", "data": "cifar11"}, "here: data.name: got 'cifar11'"),
        ({"model": "resnet20", "data": "digits", "image_size": 9}, "image_size: 9; the data's is"),
        ({"model": "resnet50", "photographs": {"size": 192}, "image_size": 9}, "image_size: 9 is"),
        ({"model": "resnet50", "photographs": {"szie": 9}}, "photographs.szie: no such field"),
    ],
)
def test_mistakes_are_told_with_their_path(tree: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        use(**tree)
    assert message in str(caught.value)
