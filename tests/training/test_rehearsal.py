"""What keeps a run from beginning is known before it does, in its own words, without training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun

from reslab import build
from reslab.config.resolve import read_run
from reslab.errors import UserError
from reslab.training.rehearsal import answer, rehearse
from reslab.training.start import start

Row = Callable[..., dict[str, Any]]


@pytest.fixture
def row(make_run: MakeRun) -> Row:
    """What is asked of a run: `row("name", {"start": …})`, of a child also `start=row(…)`."""

    def made(name: str, override: dict[str, Any], **more: Any) -> dict[str, Any]:
        config = make_run(name, override)
        told = read_run(config).model_dump(mode="json")
        return json.loads(json.dumps({"config": told, "folder": str(config.parent), **more}))

    return made


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Weights that say nothing of themselves, for ten classes of grey digits."""
    torch.save(build("resnet8_w8").state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_a_run_that_can_begin_has_no_answer_and_leaves_nothing(row: Row, net: Path) -> None:
    asked = row("a", {"start": str(net)})
    before = sorted(Path(asked["folder"]).iterdir())
    assert answer(asked) is None
    assert answer(row("b", {"start": {"file": str(net), "loads": "l1", "keep": 0.5}})) is None
    assert sorted(Path(asked["folder"]).iterdir()) == before


@pytest.mark.parametrize(
    "change",
    [
        {"model.units": [2, 2, 2]},
        {"model.shortcut": "B"},
        {"data": {"name": "digits", "classes": [0, 1]}, "start.head": "kept"},
        {"recipe.normalization": "start"},
        {"model.inner_widths": [[40], [16], [32]], "start.loads": "l1"},
    ],
    ids=["depth", "shortcut", "kept", "normalization", "wider"],
)
def test_the_answer_is_what_the_run_itself_would_tell(
    make_run: MakeRun, net: Path, change: dict[str, Any]
) -> None:
    config = make_run("a", {"start": {"file": str(net)}, **change})
    with pytest.raises(UserError) as before:
        rehearse(read_run(config), config.parent)
    with pytest.raises(UserError) as then:
        start(config)
    assert str(before.value) == str(then.value)


@pytest.mark.parametrize("adapter", ["lora", "parallel", "series", "prompt", "mask"])
def test_every_adapter_is_tried_without_memory_for_the_net(
    row: Row, net: Path, adapter: str
) -> None:
    fields = {"lora": {"rank": 2}, "prompt": {"width": 1}, "mask": {"keep": 0.5}}
    how = {"name": adapter, **fields.get(adapter, {})}
    words = {} if adapter == "mask" else {"trains": ["adapter", "head"]}
    assert answer(row("a", {"start": str(net), "adapter": how, **words})) is None


ON = {"start": {"run": "0123456789", "head": "kept"}}


def test_of_a_start_that_has_not_trained_names_and_shapes_are_known(row: Row) -> None:
    parent = row("parent", {})
    assert answer(row("child", ON, start=parent)) is None
    told = answer(row("child", {**ON, "model.units": [2, 2, 2]}, start=parent))
    assert told and told.startswith(f"start: {parent['folder']}/last.ckpt: the weights do not fit")
    assert "missing keys: layer1.1" in told and "what fits: model=resnet8_w8" in told


@pytest.mark.parametrize("kind", ["channel", "pixel_mean", "imagenet"])
def test_the_normalization_of_a_start_that_has_not_trained_has_a_shape(row: Row, kind: str) -> None:
    """That of a mean image does not normalise images of another size."""
    data = {"name": "cifar10", "per_class": 50}
    parent = row("parent", {"data": data, "recipe": {"normalization": kind}})
    child = {"start": {"run": "0123456789", "head": "new"}, "recipe.normalization": "start"}
    told = answer(row("child", child, start=parent))
    if kind == "pixel_mean":
        assert told is not None
        assert told.endswith("the normalization's mean is 1×32×32; the images are 1×8×8")
    else:
        assert told is None


def test_a_start_whose_adapter_no_plain_net_can_stand_for_is_told_before_it_trains(
    row: Row,
) -> None:
    """A prompt; a series adapter's constant, which is 0 at first and has no place later."""
    words = {"trains": ["adapter", "head"]}
    bordered = row("parent", {"adapter": {"name": "prompt", "width": 1}, **words})
    told = answer(row("child", ON, start=bordered))
    assert told and told.endswith("no weight of the net adds a border to images")
    before = {"model.order": "full_preactivation"}
    series = row("parent", {**before, "adapter": "series", **words})
    told = answer(row("child", {**ON, **before}, start=series))
    assert told and "it adds a constant to each channel" in told
    lora = row("parent", {"adapter": {"name": "lora", "rank": 2}, **words})
    assert answer(row("child", ON, start=lora)) is None


def test_what_is_no_word_on_the_weights_is_left_to_the_run(
    row: Row, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("reslab.training.rehearsal.rehearse", fails)
    assert answer(row("a", {"start": str(net)})) is None


# ---- teachers -----------------------------------------------------------------------------------

TAUGHT = {"recipe.loss": "at", "teacher": {"run": "0123456789"}}


def test_a_teacher_that_has_not_trained_is_tried_by_its_description(row: Row) -> None:
    assert answer(row("a", TAUGHT, teacher=row("big", {"model": "resnet20_w8"}))) is None


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [
        ({"data": {"name": "digits", "classes": 5}}, "it has 5 classes, the run has 10"),
        ({"recipe": {"normalization": "pixel_mean"}}, "pixel_mean, is no scale and shift"),
        ({"model.units": [1, 1], "model.widths": [8, 16], "model.strides": [1, 2]}, "has 3, its"),
    ],
    ids=["classes", "normalization", "stages"],
)
def test_one_that_cannot_teach_is_told_before_it_trains(
    row: Row, teacher: dict[str, Any], reason: str
) -> None:
    told = answer(row("a", TAUGHT, teacher=row("big", teacher)))
    assert told
    assert reason in told
