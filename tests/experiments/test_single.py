"""A command line alone says an experiment of one variant."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from tests.arrays import saved
from tests.experiments.jobs import SLOT

from reslab.config.run import RunConfig
from reslab.config.start import Start
from reslab.errors import UserError
from reslab.experiments.jobs import jobs_of
from reslab.experiments.plan import expand
from reslab.experiments.preview import announcement
from reslab.experiments.single import finetune_experiment
from reslab.store.plan import Options, Plan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """60 photographs of two classes in one tree; what is in the files is not looked at."""
    folder = tmp_path / "my photos"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            (folder / name / f"{number}.jpg").write_text("x")
    return folder


def plan(folder: object, model: str = "resnet50", *rest: str | None, epochs: float | None = None):  # type: ignore[no-untyped-def]
    weights, trains, recipe = (*rest, None, None, None)[:3]
    name, experiment = finetune_experiment(str(folder), model, weights, trains, recipe)
    return expand(name, experiment, Options(epochs=epochs), "the command line")


def config(*given: object) -> RunConfig:
    [(_, _, found)] = plan(*given).runs()
    return found


def test_a_folder_and_a_net_are_enough(photos: Path) -> None:
    made: Plan = plan(photos)
    assert made.experiment == "finetune-resnet50-my-photos"
    [(variant, _, found)] = made.runs()
    assert variant.label == "resnet50"
    assert found.start == Start(name="torchvision:ResNet50_Weights.IMAGENET1K_V2", head="new")
    assert (found.trains, found.recipe.normalization) == (("all",), "start")
    assert found.model.classes == 2


def test_a_folder_that_is_not_split_is_tested_on_a_fifth(photos: Path) -> None:
    """48 of 60 images are left, more than a batch of the recipe."""
    data = config(photos).data
    assert data.counts is not None
    assert (data.test_fraction, data.counts.train, data.counts.test) == (0.2, 48, 12)


def test_the_plan_says_what_is_tested_on_where_weights_come_from_and_what_trains(
    photos: Path,
) -> None:
    told = announcement(jobs_of(plan(photos, "resnet50", None, "head,layer4")), [SLOT])
    lines = told.splitlines()
    assert lines[:3] == [
        f"2 classes in {photos}: cat, dog",
        "12 images of all classes are tested on (data.test_fraction: 0.2), 48 are trained on",
        "starts from torchvision:ResNet50_Weights.IMAGENET1K_V2, head new; trains head, layer4",
    ]
    assert lines[-1] == (
        "that is 333 times over 48 training images: EPOCHS=30 trains 30 times over them"
    )


def test_epochs_are_written_into_the_plan_as_steps(photos: Path) -> None:
    [(_, _, found)] = plan(photos, epochs=30).runs()
    assert found.recipe.steps == 45
    assert "EPOCHS" not in announcement(jobs_of(plan(photos, epochs=30)), [SLOT])


def test_a_folder_with_a_split_keeps_it(photos: Path, tmp_path: Path) -> None:
    whole = tmp_path / "split"
    whole.mkdir()
    (whole / "train").symlink_to(photos)
    (whole / "val").symlink_to(photos)
    assert config(whole).data.test_fraction is None


def test_a_split_of_another_name_is_no_class(photos: Path, tmp_path: Path) -> None:
    whole = tmp_path / "split"
    whole.mkdir()
    (whole / "train").symlink_to(photos)
    (whole / "evaluation").symlink_to(photos)
    with pytest.raises(UserError, match="is not split into train/ and val/"):
        plan(whole)


def test_a_folders_name_alone_is_one_of_the_working_directory(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    assert config("my photos").run_id == config(photos).run_id


def test_a_net_with_a_tag_is_the_net_with_these_weights(photos: Path) -> None:
    found = config(photos, "torchvision:resnet50.IMAGENET1K_V1")
    assert found.start == Start(name="torchvision:ResNet50_Weights.IMAGENET1K_V1", head="new")
    assert found.model == config(photos, "torchvision:resnet50").model


def test_weights_are_a_file_a_name_or_a_url_with_its_digest(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert config(photos, "resnet18", str(file)).start == Start(file=str(file), sha256=digest)
    name = "torchvision:ResNet18_Weights.IMAGENET1K_V1"
    assert config(photos, "resnet18", name).start == Start(name=name)
    url = "https://example.org/weights.pth"
    assert config(photos, "resnet18", f"{url}#sha256={digest}").start == Start(
        url=url, sha256=digest
    )


# ---- likely mistakes ----------------------------------------------------------------------------


def refusal(*given: object) -> str:
    with pytest.raises(UserError) as error:
        plan(*given)
    return str(error.value)


def test_a_folder_that_is_not_there_is_told_with_the_shape_of_one() -> None:
    told = refusal("/no/such/folder")
    assert "FOLDER=/no/such/folder: there is no folder" in told
    assert "photos/cat/1.jpg, photos/dog/1.jpg" in told


def test_a_photograph_in_the_place_of_a_folder_is_told(photos: Path) -> None:
    assert "cat/1.jpg is a file; expected a folder in which" in refusal(photos / "cat" / "1.jpg")


def test_a_single_class_is_refused(photos: Path) -> None:
    (photos / "dog").rename(photos.parent / "away")
    assert "has one class, cat; a net needs two or more" in refusal(photos)


def test_photographs_in_no_folder_of_a_class_are_refused(photos: Path) -> None:
    assert "holds files that belong to no class" in refusal(photos / "cat")


def test_a_net_without_published_weights_is_told_with_what_to_say(photos: Path) -> None:
    told = refusal(photos, "resnet20")
    assert told.startswith("MODEL=resnet20: no published weights are known of the net 'resnet20'")
    assert "say WEIGHTS=FILE" in told


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("resnet5O", "no net is called 'resnet5O'; did you mean resnet56 or resnet50 or"),
        ("tf_efficientnet_lite0", "did you mean timm:tf_efficientnet_lite0?"),
        ("timm:tf_efficientnet_light0", "did you mean timm:tf_efficientnet_lite0"),
        ("torchvision:resnet5O", "did you mean torchvision:resnet50"),
    ],
)
def test_a_misspelt_net_is_told_with_those_that_are_near(
    photos: Path, model: str, told: str
) -> None:
    assert refusal(photos, model).startswith(f"MODEL={model}: ")
    assert told in refusal(photos, model)


def test_weights_that_are_not_there_are_told_with_the_places(photos: Path) -> None:
    told = refusal(photos, "resnet50", "nothere.pth")
    assert "there is no file" in told
    assert "data/weights/nothere.pth" in told or "nothere.pth, and no" in told


def test_a_url_without_its_digest_is_refused(photos: Path) -> None:
    assert "put its SHA-256 behind it" in refusal(photos, "resnet50", "https://example.org/a.pth")


def test_words_of_what_trains_are_checked_against_the_net(photos: Path) -> None:
    assert "the net has no 'haed'; did you mean head?" in refusal(photos, "resnet50", None, "haed")


def test_a_file_of_arrays_is_fine_tuned_on_like_a_folder(tmp_path: Path) -> None:
    """finetune_cifar takes batches of 128."""
    grey, labels = np.zeros((400, 28, 28), "uint8"), np.arange(400) % 2
    file = saved(tmp_path / "my.npz", train_images=grey, train_labels=labels, val_images=grey)
    made = plan(file, "resnet20", "akamaster:resnet20")
    assert made.experiment == "finetune-resnet20-my-npz"
    [(_, _, found)] = made.runs()
    assert (found.data.name, found.data.test_fraction) == ("arrays", 0.2)
    assert (found.recipe.batch_size, found.model.in_channels, found.model.classes) == (128, 1, 2)
    first, second = announcement(jobs_of(made), [SLOT]).splitlines()[:2]
    assert first == f"2 classes in {file}: 0, 1"
    assert second == (
        "320 training images and 80 test images of 28 × 28 pixels, grey; not read: val_images"
    )
    with pytest.raises(UserError, match=r"there is no file .*nowhere.npz and no "):
        plan(tmp_path / "nowhere.npz", "resnet20", "akamaster:resnet20")
