"""What people write of their data becomes a description: classes by name, folders as they are."""

from pathlib import Path
from typing import Any

import pytest

from reslab.config.data import Data, facts_of
from reslab.config.datasets import imagenet_wnids
from reslab.config.resolve import read_run, resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import dump_yaml
from reslab.config.trees import merge
from reslab.errors import UserError

CIFAR = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar"}
RUN = {"model": "resnet18", "data": "imagenet", "recipe": "xie2017_imagenet"}


def run(**overrides: Any) -> RunConfig:
    return resolve(merge(RUN, {k.replace("__", "."): v for k, v in overrides.items()}), "here")


def part(**fields: Any) -> Data:
    return resolve({**CIFAR, "data": {"name": "cifar10", **fields}}, "here").data


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes, twelve files each, in one tree."""
    for name in ("猫", "dog"):
        (tmp_path / "my photos" / name).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "my photos" / name / f"{number}.jpg").write_bytes(bytes(number))
    return tmp_path / "my photos"


def own(folder: Path, **overrides: Any) -> RunConfig:
    data = {"name": "imagefolder", "folder": str(folder), "test_fraction": 0.25}
    return run(data=data, recipe__batch_size=8, **overrides)


def test_classes_are_a_list_a_number_or_a_file(tmp_path: Path) -> None:
    first = imagenet_wnids()[:3]
    file = tmp_path / "classes.txt"
    file.write_text("# three of them\n" + "\n".join(reversed(first)))
    for classes in (3, str(file), list(reversed(first))):
        config = run(data={"name": "imagenet", "classes": classes})
        assert config.data.classes == first
        assert config.model.classes == 3


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (0, "here: data.classes: got 0; imagenet has 1 to 1000"),
        ("no-such-file", "here: data.classes: no-such-file: No such file"),
        ("~no.such.user/x", "here: data.classes: ~no.such.user/x: Could not determine"),
        (True, "here: data.classes: got true; expected a number, WordNet ids, or a file"),
        (["n01440764", 3.5], "data.classes.1: got 3.5; expected a valid string"),
        (["n01440764", "n01440764"], "classes: expected in the data set's order, each once"),
    ],
    ids=str,
)
def test_classes_that_cannot_be_read_are_named(classes: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        run(data={"name": "imagenet", "classes": classes})


def test_a_file_of_classes_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "classes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=f"classes: {tmp_path}/classes: .* can't decode byte"):
        run(data={"name": "imagenet", "classes": str(tmp_path / "classes")})


@pytest.mark.parametrize("classes", [["frog", "dog", "truck"], [9, 5, 6], ["dog", 6, "truck"]])
def test_classes_of_small_images_are_names_or_labels_in_any_order(classes: list[Any]) -> None:
    config = resolve({**CIFAR, "data": {"name": "cifar10", "classes": classes}}, "here")
    assert config.data.classes == ("dog", "frog", "truck")
    assert config.model.classes == 3


def test_all_classes_are_no_choice() -> None:
    assert part(classes=10) == part(classes=list(range(10))) == part()


def test_a_folder_of_ones_own_is_described_by_what_lies_in_it(photos: Path) -> None:
    config = own(photos)
    assert config.model.classes == 2
    facts = facts_of(config.data)
    assert (facts.classes, facts.train, facts.test) == (2, 18, 6)
    assert config.data.files is not None


def test_where_a_folder_lies_is_no_part_of_a_runs_id_but_what_lies_in_it_is(photos: Path) -> None:
    here = own(photos)
    moved = photos.rename(photos.with_name("elsewhere"))
    assert own(moved).run_id == here.run_id
    assert own(moved) != here
    (moved / "dog" / "0.jpg").write_bytes(bytes(99))
    assert own(moved).run_id != here.run_id


def test_a_folder_is_found_from_wherever_the_run_is_resumed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    assert own(Path("my photos")).data.folder == str(photos)


def test_a_description_that_says_what_lies_in_its_folder_is_read_without_it(
    photos: Path, tmp_path: Path
) -> None:
    """So that a table can be printed when the photographs have gone."""
    config = own(photos)
    (tmp_path / "config.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
    photos.rename(tmp_path / "gone")
    assert read_run(tmp_path / "config.yaml") == config
    with pytest.raises(UserError, match=r"here: data\.folder: there is no folder"):
        own(photos)
