"""Evaluation on several views: averaged softmax, confusion, and a file beside the run's result."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import DECODING
from tests.results import DONE
from tests.small_runs import Script, write_weights
from torch import Tensor, nn

from reslab import build, disk, store
from reslab.config.data import Photographs
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import dump_yaml
from reslab.config.zoo import describe
from reslab.data.normalize import Normalization
from reslab.data.photographs.decode import decode
from reslab.data.photographs.views import VIEWS, ImageViews, of_any_size
from reslab.errors import UserError
from reslab.inference import evaluate
from reslab.inference.evaluate import (
    evaluate_file,
    evaluate_run,
    log_scores,
    refuse_one_size,
    tallied,
)
from reslab.inference.trained import trained

pytestmark = DECODING

NAMES = ("Fuchs", "chat", "cão", "dog", "狐", "鳥")
RECIPE = {
    "steps": 10,
    "batch_size": 6,
    "optimizer": {"lr": 0.1},
    "schedule": {"name": "constant"},
    "normalization": "pixel_mean",
    "photographs": {"size": 24, "crop": "center", "test_shorter_side": 28},
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that is done, on a folder of two training and two test images in each of six classes.

    Its net was never trained; some images are wide, some are tall.
    """
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RESLAB_WORKERS", "0")
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for label, name in enumerate(NAMES):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for place in range(2):
                shape = (33 + 7 * label, 40 + 10 * place, 3)
                pixels = random.integers(0, 256, shape, np.uint8)
                Image.fromarray(pixels).save(folder / f"{place}.png")
    config = described(tmp_path / "images")
    folder = tmp_path / "runs" / "test" / "net-s0"
    store.make_folder(folder, config, {})
    mean = Normalization("pixel_mean", torch.rand(3, 24, 24), torch.ones(3, 1, 1))
    write_weights(folder / store.CHECKPOINT, config, mean, NAMES)
    disk.write_json(folder / store.RESULT, {**DONE, "step": 10})
    return folder


def described(images: Path) -> RunConfig:
    data = {"name": "imagefolder", "folder": str(images)}
    return resolve({"model": "resnet8_w8", "data": data, "recipe": RECIPE}, "a run on six classes")


def test_files_that_cannot_be_decoded_are_told_and_counted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "0.1")
    (tmp_path / "images" / "val" / "dog" / "bad.png").write_bytes(b"")
    config = described(tmp_path / "images")
    (run / store.CONFIG).write_text(dump_yaml(config.model_dump(mode="json")))
    code, printed, told = script("evaluate.py", run, "--json")
    found = json.loads(printed)
    assert (code, found["examples"], found["undecodable"]) == (0, 12, 1)
    assert "imagefolder: 1 of 25 files cannot be decoded" in told


def one_by_one(net: nn.Module, views: ImageViews, normalization: Normalization) -> Tensor:
    """The mean softmax of an image's views, in float64."""
    seen = [net(normalization(view[None])).double().softmax(1) for part in views for view in part]
    return torch.cat(seen).mean(0)


# ---- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [1, 40 * 50 * 3, 10**9])
@torch.no_grad()
def test_scores_are_the_mean_softmax_however_views_are_taken_together(
    pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "PIXELS", pixels)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    sizes = [(40, 50), (50, 40), (40, 50)]
    examples = [
        tuple(torch.randint(256, (2, 3, h * k, w * k), dtype=torch.uint8) for k in (1, 2))
        for h, w in sizes
    ]
    normalization = Normalization.fit("imagenet", torch.zeros(0, 3, 1, 1))
    found = log_scores(net, examples, normalization).exp().double()
    expected = torch.stack([one_by_one(net, views, normalization) for views in examples])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_one_views_score_is_its_log_softmax() -> None:
    normalization = Normalization.fit("none", torch.zeros(0, 3, 1, 1))
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    image = torch.randint(256, (1, 3, 2, 2), dtype=torch.uint8)
    [found] = log_scores(net, [(image,)], normalization)
    [expected] = net(normalization(image)).log_softmax(1)
    assert torch.equal(found, expected)


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet8_w8", "preact_resnet20", "densenet_40_12"])
def test_on_a_large_image_our_nets_average_the_logits_of_all_places(name: str) -> None:
    """Fully convolutional testing: the class scores of every place of the last map, averaged."""
    net = build(describe(name).model_copy(update={"in_channels": 3})).double().eval()
    layers = dict(net.named_children())
    places = list(layers).index("avgpool")
    images = torch.rand(2, 3, 40, 56, dtype=torch.float64)
    maps = nn.Sequential(*list(layers.values())[:places])(images)
    assert min(maps.shape[2:]) > 1
    scores = layers["fc"](maps.movedim(1, -1)).mean((1, 2))
    torch.testing.assert_close(net(images), scores)


def test_a_net_for_one_size_of_images_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 6))
    with pytest.raises(UserError, match="multi_scale needs a net for images of any size: "):
        refuse_one_size(net)
    with pytest.raises(UserError, match="center_32 needs a net for images of any size: "):
        refuse_one_size(net, "center_32")
    refuse_one_size(net, "center_24")


# ---- counts -------------------------------------------------------------------------------------


def test_rows_of_the_confusion_matrix_are_classes_and_columns_answers() -> None:
    answers = torch.eye(3)[[0, 0, 1, 2, 1]].log_softmax(1)
    score, confusion = tallied([(answers, torch.tensor([0, 0, 2, 2, 1]))], 3)
    assert confusion.tolist() == [[2, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert (score.examples, score.wrong, score.wrong5) == (5, 1, None)
    found = evaluate.Evaluation("x", "test", "center", score, ("a", "b", "c"), confusion)
    assert found.class_errors() == {"a": 0, "b": 0, "c": 50}
    assert found.as_dict()["confusion"] == {"c": {"b": 1}}
    assert "worst classes: c 50.0 %, a 0.0 %, b 0.0 %" in found.as_text()


# ---- runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", ["center", "ten_crop", "multi_scale", "center_32"])
def test_an_evaluation_is_written_beside_the_result_and_touches_nothing(
    run: Path, views: str
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    found = evaluate_run(run, views)
    after = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    assert after.keys() - before.keys() == {f"eval-{views}.json"}
    assert before.items() <= after.items()
    written = disk.read_json(store.evaluations(run)[views])
    assert written["examples"] == 12 == found.score.examples
    assert written["wrong"] == sum(sum(row.values()) for row in written["confusion"].values())
    assert written["top5_error"] == 100 * written["wrong5"] / 12
    assert list(written["class_errors"]) == list(NAMES)
    assert written["code"] == store.code_version()


@torch.no_grad()
def test_the_answer_is_the_class_with_the_largest_mean_softmax(run: Path) -> None:
    net, about = trained(run)
    crops = about.config.recipe.photographs
    assert crops is not None
    wrong = 0
    for label, name in enumerate(NAMES):
        for path in (run.parents[2] / "images" / "val" / name).iterdir():
            views = VIEWS["ten_crop"](decode(path), crops)
            wrong += int(one_by_one(net, views, about.normalization).argmax()) != label
    assert evaluate_run(run, "ten_crop").score.wrong == wrong


@torch.no_grad()
def test_at_another_size_the_answer_is_that_on_the_larger_crop(run: Path) -> None:
    net, about = trained(run)
    larger = Photographs(size=32, crop="center", test_shorter_side=32)
    normalization = of_any_size(about.normalization)
    wrong = 0
    for label, name in enumerate(NAMES):
        for path in (run.parents[2] / "images" / "val" / name).iterdir():
            views = VIEWS["center"](decode(path), larger)
            wrong += int(one_by_one(net, views, normalization).argmax()) != label
    found = evaluate_run(run, "center_32")
    assert found.score.wrong == wrong
    assert [line for line in found.assumed if "mean colour" in line]


def test_a_mean_image_that_does_not_fit_is_named(run: Path) -> None:
    assert evaluate_run(run, "ten_crop").assumed[1:] == ()
    assert any("mean colour" in line for line in evaluate_run(run, "multi_scale").assumed)


def test_a_run_that_is_not_done_is_refused(run: Path) -> None:
    (run / store.RESULT).unlink()
    with pytest.raises(UserError, match="is pending; views are for runs that are done"):
        evaluate_run(run, "ten_crop")
    assert store.evaluations(run) == {}


def test_images_of_one_size_have_one_view(digit_weights: Path) -> None:
    assert evaluate_file(digit_weights).score.examples == 360
    with pytest.raises(UserError, match="ten_crop is a view of photographs; the 8×8 images of dig"):
        evaluate_file(digit_weights, views="ten_crop")


# ---- the script ---------------------------------------------------------------------------------


def test_the_script_evaluates_the_runs_that_are_done_and_names_the_others(
    run: Path, script: Script
) -> None:
    unfinished = run.parent / "unfinished"
    unfinished.mkdir()
    code, printed, errors = script("evaluate.py", unfinished, run, "--views=ten_crop")
    assert code == 2
    assert "unfinished is pending; views are for runs that are done" in errors
    assert errors.count("error:") == 1
    [row] = [line for line in printed.splitlines() if line.startswith(f"| {run.name} ")]
    assert "| imagefolder test, ten_crop |" in row
    assert "| top-1 error | top-5 error |" in printed
    assert "assumed: the softmax of the views is averaged" in printed
    assert (run / "eval-ten_crop.json").exists()


def test_the_script_writes_the_confusion_matrix(run: Path, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "confusion.csv"
    code, printed, _ = script("evaluate.py", run, "--json", "--confusion", file)
    told = json.loads(printed)
    assert code == 0
    assert store.evaluations(run) == {}
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["class", *NAMES]
    counts = [[int(cell) for cell in row[1:]] for row in rows[1:]]
    assert [sum(row) for row in counts] == [2] * 6
    assert sum(row[i] for i, row in enumerate(counts)) == 12 - told["wrong"]


def test_the_script_takes_views_of_any_size_and_no_other_words(run: Path, script: Script) -> None:
    code, printed, _ = script("evaluate.py", run, "--views", "center_32")
    assert (code, (run / "eval-center_32.json").exists()) == (0, True)
    assert "imagefolder test, center_32: " in printed
    code, _, errors = script("evaluate.py", run, "--views", "320")
    assert (code, errors.count("\n")) == (2, 1)
    assert "--views: got '320'; expected center, ten_crop, multi_scale, or center_ and" in errors


def test_the_script_asks_for_weights(script: Script) -> None:
    code, _, errors = script("evaluate.py")
    assert (code, errors) == (2, "error: which weights? Say a run's folder or a file\n")
