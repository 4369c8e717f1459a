"""Runs that are taught: what is read of a teacher, what is kept of it, and how they go on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import load, store
from reslab.config.resolve import read_run, resolve
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.methods.materialise import materialise
from reslab.models.nets import build
from reslab.training.lesson import lesson_of
from reslab.training.start import start
from reslab.weights.about import About
from reslab.weights.files import write_safetensors

SHORT = {"recipe.steps": 12, "recipe.schedule.milestones": [6, 9], "recipe.optimizer.lr": 0.01}

LOSSES: dict[str, Any] = {
    "kd": "kd",
    "fitnet": {"name": "fitnet", "hint_weight": 1.0},
    "fitnet with a norm": {"name": "fitnet", "hint_weight": 1.0, "regressor": "conv_bn_relu"},
    "at": "at",
    "rkd": "rkd",
    "dkd": {"name": "dkd", "warmup": 0.5},
    "dist": "dist",
}


def file_of(folder: Path, model: str = "resnet20_w8", **fields: Any) -> Path:
    """A net of digits that teaches, whose weights nobody trained; made once."""
    path = folder / "teacher.safetensors"
    if path.exists():
        return path
    tree = {"model": model, "data": "digits", "recipe": "digits"}
    config = resolve({**tree, **fields}, "a teacher")
    torch.manual_seed(1)
    classes = tuple(map(str, range(config.model.classes)))
    about = About(config, Normalization.given([0.3], [0.4]), classes)
    write_safetensors(path, build(config.model).state_dict(), about)
    return path


def taught(tmp_path: Path, loss: Any = "kd", **fields: Any) -> dict[str, Any]:
    return {**SHORT, "recipe.loss": loss, "teacher": str(file_of(tmp_path)), **fields}


@pytest.mark.process
@pytest.mark.parametrize("loss", LOSSES)
def test_a_taught_run_ends_is_evaluated_and_goes_on_bit_for_bit(
    make_run: MakeRun, tmp_path: Path, loss: str
) -> None:
    whole, cut = (make_run(name, taught(tmp_path, LOSSES[loss])) for name in ("whole", "cut"))
    assert start(whole) == 0
    with stopped_at(5):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    result = store.read_result(whole.parent)
    assert result is not None
    assert evaluate_file(whole.parent).score.wrong == result["test"]["wrong"]
    plain = build(read_run(whole).model)
    assert load(whole.parent).state_dict().keys() == plain.state_dict().keys()
    assert result["params"] == sum(p.numel() for p in plain.parameters())


@pytest.mark.process
def test_a_checkpoint_has_what_the_loss_learns_and_nothing_of_the_teacher(
    make_run: MakeRun, tmp_path: Path
) -> None:
    config = make_run("a", taught(tmp_path, LOSSES["fitnet"]))
    net = materialise(read_run(config))
    begun = lesson_of(read_run(config), config.parent, net)
    assert start(config) == 0
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    learned = {name for name in held["state_dict"] if not name.startswith("net.")}
    assert learned == {"beside.weight", "beside.bias"}
    assert begun is not None
    assert begun.regressor is not None
    drawn = begun.regressor.state_dict()
    assert not torch.equal(held["state_dict"]["beside.weight"], drawn["weight"])
    own = net.state_dict().keys()
    assert held["state_dict"].keys() == {f"net.{name}" for name in own} | learned
    sizes = [len(group["params"]) for group in held["optimizer_states"][0]["param_groups"]]
    assert sum(sizes) == len([*net.parameters()]) + 2


@pytest.mark.process
def test_a_teacher_changes_what_is_learned_and_no_draw(make_run: MakeRun, tmp_path: Path) -> None:
    """With a weight of 0 nothing but the last bits."""
    plain = make_run("plain", SHORT)
    nothing = {"name": "rkd", "distance_weight": 0.0, "angle_weight": 0.0}
    mute = make_run("mute", taught(tmp_path, nothing))
    kd = make_run("kd", taught(tmp_path))
    assert [start(run) for run in (plain, mute, kd)] == [0, 0, 0]
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(mute)[name], value, rtol=1e-4, atol=1e-5)
    assert not same(weights(plain), weights(kd))


@pytest.mark.process
def test_whom_a_run_learns_from_is_told_recorded_and_held_to(
    make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_run("a", taught(tmp_path))
    with stopped_at(5):
        assert start(config) == 1
    assert "taught by teacher.safetensors (SHA-256" in capsys.readouterr().out
    found = store.read_begun(config.parent, store.TEACHER)
    assert found is not None
    assert found["origin"] == "teacher.safetensors"
    assert found["normalization"]["mean"] == pytest.approx([0.3])
    told = json.loads((config.parent / store.TEACHER).read_text())
    (config.parent / store.TEACHER).write_text(json.dumps({**told, "digest": "0" * 64}))
    with pytest.raises(UserError, match="is not what the run began with"):
        start(config)


@pytest.mark.process
@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_taught_net_trains_in_other_precisions(
    make_run: MakeRun, tmp_path: Path, loss: str, precision: str
) -> None:
    config = make_run("a", taught(tmp_path, LOSSES[loss], precision=precision))
    assert start(config) == 0
    result = store.read_result(config.parent)
    assert result is not None
    assert result["status"] == "done"


def refused(make_run: MakeRun, fields: dict[str, Any]) -> str:
    config = make_run("a", fields)
    run = read_run(config)
    with pytest.raises(UserError) as error:
        lesson_of(run, config.parent, materialise(run))
    return str(error.value)


def test_a_teacher_of_other_classes_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    file_of(tmp_path, data={"name": "digits", "classes": [5, 6, 7, 8, 9]})
    assert "it has 5 classes, the run has 10" in refused(make_run, taught(tmp_path))
    others = {"data": {"name": "digits", "classes": [0, 1, 2, 3, 4]}}
    assert "a teacher has the same" in refused(make_run, {**taught(tmp_path), **others})


def test_weights_of_which_nobody_says_what_they_are_teach_nobody(
    make_run: MakeRun, tmp_path: Path
) -> None:
    torch.save(build("resnet20_w8").state_dict(), tmp_path / "net.pth")
    told = refused(make_run, taught(tmp_path, teacher=str(tmp_path / "net.pth")))
    assert "nobody says which net its weights are of" in told
    assert "scripts/export.py" in told


def test_a_teacher_whose_stages_are_others_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    fields = taught(tmp_path, {"name": "fitnet", "hint_layer": 4})
    assert "hint_layer: 4; the net's stages are layer1" in refused(make_run, fields)


def test_published_weights_are_a_teacher_by_their_name(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """akamaster's ResNet-56; its digest is in the table of names."""
    folder = shared_data / "weights"
    monkeypatch.setenv("RESLAB_WEIGHTS", str(folder))
    tree = {
        "model": "resnet20",
        "data": "cifar10",
        "recipe": {"name": "finetune_cifar", "normalization": "channel", "loss": "at"},
    }
    for said in ("akamaster:resnet56", str(folder / "resnet56-4bfd9763.th")):
        config = resolve({**tree, "teacher": said}, "here")
        lesson = lesson_of(config, folder, materialise(config))
        assert lesson is not None
        assert lesson.teacher.normalization.mean.flatten().tolist() == pytest.approx(
            [0.485, 0.456, 0.406]
        )
        assert sum(p.numel() for p in lesson.teacher.net.parameters()) == 853_018
