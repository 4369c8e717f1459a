"""What travels with weights is read through a description, from anybody's file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import SMALL

from reslab.config.resolve import resolve, resolve_use
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.trained import trained
from reslab.weights.about import About


def test_what_was_said_of_others_weights_travels_too() -> None:
    use = resolve_use({"model": {"name": "resnet50", "classes": 2}}, "here")
    about = About(use, Normalization.given((0.5,) * 3, (0.25, 0.5, 1)), ("cat", "dog"))
    again = About.from_json(about.as_json())
    assert (again.config, again.use, again.class_names) == (use, use, ("cat", "dog"))
    assert torch.equal(again.normalization.std, about.normalization.std)
    assert again.normalization.kind == "given"


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            tree = tree[parent]
        tree[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("config", 3), "what it says of its run is damaged: config"),
        (_set("config", {}), "model: is missing"),
        (_set("config.recipe", None), "the run that the weights are of: recipe"),
        (_set("config.model.widths", [8, 10**30, 32]), "the run that the weights are of: model"),
        (_set("normalization", []), "damaged: normalization"),
        (_set("normalization.kind", "magic"), "normalization in the weights is 'magic'; expected"),
        (_set("normalization.mean", "0.5"), "damaged: normalization.mean"),
        (_set("normalization.mean", [[0.5], [0.5, 0.5]]), "damaged: normalization.mean"),
        (_set("normalization.mean", [[[0.5] * 9] * 8]), "mean is 1×8×9; the images are 1×8×8"),
        (_set("normalization.mean", []), "mean is 0; the images are"),
        (_set("normalization.mean", [[[float("nan")]]]), "mean is not all finite numbers"),
        (_set("normalization.std", [[[0.0]]]), "std is not above 0"),
        (_set("normalization.whitening", "AAAA"), "damaged: normalization.whitening"),
        (_set("normalization.whitening", "AAAAAA=="), "whitening is 1×1; the images are 1×8×8"),
        (_set("normalization.whitening", "%"), "damaged: normalization.whitening"),
        (_set("class_names", "abcdefghij"), "damaged: class_names"),
        (_set("class_names", ["a"]), "it names 1 classes; its net has 10"),
        (_set("class_names", [1] * 10), "damaged: class_names"),
    ],
)
def test_what_is_damaged_is_told_with_its_path(
    digit_weights: Path, change: Callable[[Any], None], message: str
) -> None:
    tree = json.loads(trained(digit_weights)[1].as_json())
    change(tree)
    with pytest.raises(UserError) as caught:
        About.from_json(json.dumps(tree))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"config": NaN}'])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="what it says of its run is damaged"):
        About.from_json(text)


def test_where_things_lie_does_not_travel(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(10, 4)}, start := tmp_path / "start.pth")
    run = resolve(merge(SMALL, {"start": str(start)}), "here")
    about = About(run, Normalization.given((0.5,), (1.0,)), tuple("0123456789"))
    assert str(tmp_path) not in about.as_json() and "start.pth" in about.as_json()
    again = About.from_json(about.as_json()).config
    assert isinstance(again, RunConfig) and again.run_id == run.run_id


def test_images_of_absurd_size_are_refused() -> None:
    use = resolve_use({"model": {"name": "resnet50", "classes": 1}}, "here")
    text = About(use, Normalization.given((0.5,), (1.0,)), ("cat",)).as_json()
    with pytest.raises(UserError, match="its images are 50,000 pixels a side, more than 4,096"):
        About.from_json(text.replace("224", "50000").replace(": 256", ": 60000"))
