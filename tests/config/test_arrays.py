"""A file of arrays is a data set: which array is what, and what is refused, with what to do."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.arrays import GREY, LABELS, TEST_LABELS, saved

from reslab.config.arrays import NAMINGS, contents_of, read_splits, unread
from reslab.config.data import Data, facts_of
from reslab.config.resolve import read_run, resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import dump_yaml
from reslab.errors import UserError

RUN = {"model": "resnet8_w8", "recipe": {"name": "digits", "batch_size": 4}}


def run(file: Path | str, **data: Any) -> RunConfig:
    return resolve({**RUN, "data": {"name": "arrays", "file": str(file), **data}}, "here")


def refusal(folder: Path, **arrays: Any) -> str:
    """What is said of a file of these arrays, after where it is."""
    file = saved(folder / "my.npz", **arrays)
    with pytest.raises(UserError) as caught:
        contents_of(file)
    where, _, what = str(caught.value).partition(": ")
    assert where == str(file)
    return what


def words(value: object) -> str | None:
    """What a case is called: no array is shown."""
    return value if isinstance(value, str) else None


def test_names_that_differ_by_capitals_alone_are_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, images=GREY, labels=LABELS, Labels=LABELS[::-1])
    assert told == "has labels and Labels, which are one name here; rename one"


# ---- what lies in a file ------------------------------------------------------------------------


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda naming: naming.images)
@pytest.mark.parametrize("change", [str, str.upper], ids=["small", "capitals"])
def test_arrays_are_known_by_the_names_that_people_give(
    tmp_path: Path, naming: tuple[str, ...], change: Callable[[str], str]
) -> None:
    values = (GREY, LABELS, GREY[:6], TEST_LABELS)
    file = saved(tmp_path / "my.npz", **dict(zip(map(change, naming), values, strict=True)))
    found = contents_of(file)
    assert (found.in_channels, found.image_size) == (1, 8)
    assert found.class_names == ("0", "1", "2")
    assert (found.train, found.test) == ((4, 4, 4), (1, 2, 3))


def test_the_names_are_those_of_keras_and_medmnist() -> None:
    """tf.keras.datasets.mnist.load_data reads x_train …; medmnist.dataset reads train_images …"""
    assert NAMINGS[0] == ("x_train", "y_train", "x_test", "y_test")
    assert NAMINGS[1] == ("train_images", "train_labels", "test_images", "test_labels")


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((12, 8, 8), 1),
        ((12, 8, 8, 1), 1),
        ((12, 8, 8, 3), 3),
        ((12, 1, 8, 8), 1),
        ((12, 3, 8, 8), 3),
        ((12, 3, 3, 3), 3),  # the last axis is taken for the channels
    ],
    ids=str,
)
def test_images_are_grey_or_colour_with_channels_first_or_last(
    tmp_path: Path, shape: tuple[int, ...], channels: int
) -> None:
    images = np.arange(np.prod(shape)).astype("uint8").reshape(shape)
    file = saved(tmp_path / "my.npz", images=images, labels=LABELS)
    config = run(file, test_fraction=0.25)
    facts = facts_of(config.data)
    assert (facts.in_channels, facts.image_size) == (channels, shape[2])
    assert (config.model.in_channels, config.model.classes) == (channels, 3)
    [(read, labels)] = read_splits(config.data)
    last = len(shape) == 4 and shape[3] in (1, 3)
    expected = np.moveaxis(images, -1, 1) if last else images.reshape(read.shape)
    assert np.array_equal(read, expected) and read.dtype == np.uint8
    assert labels.tolist() == LABELS.tolist() and labels.dtype == np.int64


@pytest.mark.parametrize("dtype", ["uint8", "int32", ">i8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_labels_are_whole_numbers_of_any_kind_also_in_a_column(
    tmp_path: Path, dtype: str, compressed: bool
) -> None:
    """MedMNIST's labels are (N, 1), uint8, in compressed files."""
    arrays = {"images": GREY, "labels": LABELS[:, None].astype(dtype)}
    file = saved(tmp_path / "my.npz", compressed=compressed, **arrays)
    [(_, labels)] = read_splits(run(file, test_fraction=0.25).data)
    assert labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("key", ["classes", "class_names"])
@pytest.mark.parametrize("dtype", [str, np.bytes_])
def test_classes_have_the_names_that_the_file_gives_them(
    tmp_path: Path, key: str, dtype: type
) -> None:
    names = np.array(["猫", "dog\x1b", "a, b"]) if dtype is str else np.array([b"a", b"b", b"c"])
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS, **{key: names})
    expected = ("猫", "dog\\x1b", "a, b") if dtype is str else ("a", "b", "c")
    assert contents_of(file).class_names == expected
    assert unread(file) == []


def test_what_no_run_reads_is_known_by_name(tmp_path: Path) -> None:
    more = {"val_images": GREY, "val_labels": LABELS, "note": np.array([object()])}
    file = saved(tmp_path / "my.npz", train_images=GREY, train_labels=LABELS, **more)
    assert unread(file) == ["note", "val_images", "val_labels"]


# ---- a run's identity ---------------------------------------------------------------------------


def test_a_moved_file_changes_nothing_and_a_changed_byte_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    first = run(file, test_fraction=0.25)
    moved = file.rename(tmp_path / "other name.npz")
    assert run(moved, test_fraction=0.25).run_id == first.run_id
    monkeypatch.chdir(tmp_path)
    assert run("other name.npz", test_fraction=0.25).run_id == first.run_id
    brighter = saved(tmp_path / "brighter.npz", images=GREY ^ 1, labels=LABELS)
    assert run(brighter, test_fraction=0.25).run_id != first.run_id
    assert run(moved, test_fraction=0.5).run_id != first.run_id
    assert run(moved, test_fraction=0.25, split_seed=1).run_id != first.run_id


def test_what_was_found_is_written_and_not_looked_for_again(tmp_path: Path) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS, classes=["a", "b", "ü"])
    config = run(file, test_fraction=0.25)
    written = tmp_path / "config.yaml"
    written.write_text(dump_yaml(config.model_dump(mode="json")), encoding="utf-8")
    file.unlink()
    assert read_run(written) == config


def test_a_file_is_looked_for_where_it_is_said_then_under_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("RESLAB_DATA", str(data))
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    config = run("my.npz", test_fraction=0.25)
    assert config.data.file == str(file)
    file.rename(data / "my.npz")
    assert capsys.readouterr().err == ""
    assert len(read_splits(config.data)[0][1]) == 12
    told = f"there is no {file}; taken is {data / 'my.npz'} (RESLAB_DATA)\n"
    assert capsys.readouterr().err == told, "a mistyped path would else be another file"
    assert run("my.npz", test_fraction=0.25) == config.model_copy(
        update={"data": config.data.model_copy(update={"file": str(data / "my.npz")})}
    )
    (data / "my.npz").unlink()
    with pytest.raises(UserError, match=f"data.file: there is no file {file} and no {data}/my.npz"):
        run("my.npz", test_fraction=0.25)


def test_a_file_that_has_changed_is_told_by_both_digests(tmp_path: Path) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    data = run(file, test_fraction=0.25).data
    saved(file, images=GREY ^ 1, labels=LABELS)
    assert data.contents is not None
    now = contents_of(file).sha256
    with pytest.raises(UserError, match=f"SHA-256 is {now}, the run's is {data.contents.sha256}"):
        read_splits(data)
    with pytest.raises(UserError, match=f"tested on another file with --data {file}$"):
        read_splits(data)


# ---- which part is tested on --------------------------------------------------------------------


def test_a_file_without_test_images_asks_which_part_is_tested_on(tmp_path: Path) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    with pytest.raises(UserError, match=r"say which part .* such as data.test_fraction: 0.2"):
        run(file)
    facts = facts_of(run(file, test_fraction=0.4).data)
    assert (facts.train, facts.test) == (6, 6)  # round(0.4 · 4) = 2 of each class


def test_a_path_alone_is_a_data_set_tested_on_a_fifth_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    for word in ("my.npz", "./my.npz", str(file)):
        data = resolve({**RUN, "data": word}, "here").data
        assert (data.name, data.file, data.test_fraction) == ("arrays", str(file), 0.2)
    said = resolve({**RUN, "data": {"name": "my.npz", "test_fraction": 0.5}}, "here").data
    assert said.test_fraction == 0.5
    arrays = {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:6], "y_test": TEST_LABELS}
    saved(file, **arrays)
    assert resolve({**RUN, "data": "my.npz"}, "here").data.test_fraction is None
    with pytest.raises(UserError, match="is for a file without test images"):
        run(file, test_fraction=0.2)


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    labels = np.array([0] * 11 + [1])
    file = saved(tmp_path / "my.npz", images=GREY, labels=labels, classes=["cat", "dog"])
    with pytest.raises(UserError, match="the class 'dog' has one image; a split needs two"):
        run(file, test_fraction=0.25)


# ---- parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [["dog", "cat"], [1, 0], 2], ids=str)
def test_classes_are_chosen_by_name_by_label_or_by_number(tmp_path: Path, classes: Any) -> None:
    names = np.array(["cat", "dog", "fox"])
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS, classes=names)
    config = run(file, test_fraction=0.25, classes=classes)
    assert config.data.classes == ("cat", "dog")
    assert (config.model.classes, facts_of(config.data).train) == (2, 6)


def test_parts_that_are_not_there_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS, classes=["cat", "dog", "fox"])
    for part, reason in (
        ({"classes": ["cat", "doc"]}, "data.classes: arrays has no doc; did you mean dog?"),
        ({"classes": [0, 3]}, "data.classes: got 3; the labels of arrays are 0 to 2"),
        ({"per_class": 4}, "data.per_class: 4; the smallest class of arrays has 3"),
        ({"holdout": 9}, "data.holdout: 9 must leave training images; arrays has 9"),
        ({"prepared": 64}, "data.prepared: 64 is not read with name: 'arrays'"),
        ({"folder": "x"}, "data.folder: 'x' is not read with name: 'arrays'"),
    ):
        with pytest.raises(UserError, match=f"here: {reason}"):
            run(file, test_fraction=0.25, **part)
    with pytest.raises(UserError, match=r"data.file: is missing; arrays need it: where the .npz"):
        resolve({**RUN, "data": "arrays"}, "here")
    with pytest.raises(UserError, match=r"batch_size: 4 exceeds .* SET=recipe.batch_size=2"):
        run(file, test_fraction=0.25, per_class=1)


def test_a_description_of_contents_that_cannot_be_is_refused() -> None:
    whole = {"sha256": "0" * 64, "in_channels": 1, "image_size": 8, "class_names": ("a", "b")}
    for fields, reason in (
        ({"class_names": ("a", "a"), "train": (1, 1)}, "two or more, each once"),
        ({"train": (1,)}, "counts of 2 classes"),
        ({"train": (1, 2), "test": (1,)}, "counts of 2 classes"),
        ({"train": (0, 2)}, "greater than 0"),
    ):
        with pytest.raises(ValueError, match=reason):
            Data(name="arrays", file="x", contents={**whole, **fields})  # type: ignore[arg-type]


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (GREY / 255, r"images is float64; expected uint8, .*: images.round\(\).*images \* 255\)"),
        (GREY.astype("int64"), r"images is int64; expected uint8, .*: images.astype\('uint8'\)"),
        (GREY.astype(str), "images is <U3; expected uint8, pixels from 0 to 255$"),
        (GREY[:0], "images is empty: 0 × 8 × 8"),
        (GREY.reshape(12, 64), r"images is 12 × 64; expected .*: images.reshape\(-1, 8, 8\)"),
        (GREY.reshape(4, 192), r"images is 4 × 192; .*: images.reshape\(-1, 3, 8, 8\)"),
        (GREY[:, :6], "images is 12 × 6 × 8; expected N × H × W, .* with H = W and one channel"),
        (np.stack([GREY] * 4, -1), r"images is 12 × 8 × 8 × 4; .* transparency: images\[..., :3\]"),
        (np.stack([GREY] * 2, -1), r"images is 12 × 8 × 8 × 2; .* transparency: images\[..., :1\]"),
        (GREY[0, 0, 0], "images is one; expected N × H × W"),
    ],
    ids=words,
)
def test_images_are_bytes_in_squares(tmp_path: Path, images: Any, reason: str) -> None:
    assert re.match(reason, refusal(tmp_path, images=images, labels=LABELS))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (LABELS.astype(float), r"labels is float64; expected whole .*: labels.astype\('int64'\)"),
        (LABELS > 0, "labels is bool; expected whole numbers"),
        (LABELS - 1, "labels has the label -1; expected 0 to 1"),
        (LABELS + 1, "labels has no label 0, but 1 to 3; expected 0 to 2: save labels - 1"),
        (LABELS * 2, "labels has no label 1, 3 of the 5 classes; .*np.unique"),
        (LABELS * 0, "all labels are 0; a net needs two classes"),
        (-(LABELS % 2), "labels has the label -1; expected 0 to 1"),
        (LABELS * 5000, "labels has the label 10,000; expected at most 5,000 classes"),
        (LABELS.astype("uint64") + 2**63, "labels has the label 9,223,372,036,854,775,810; exp"),
        (LABELS[:-1], "images has 12 images, labels 11 labels; expected one label for each"),
        (np.eye(3)[LABELS].astype(int), r"labels is 12 × 3; .*: .*labels.argmax\(1\)"),
        (LABELS[:, None, None], "labels is 12 × 1 × 1; expected one label for each image, N"),
        (np.array(["cat", "dog"] * 6), "labels are words; .*np.unique"),
    ],
    ids=words,
)
def test_labels_are_whole_numbers_from_0_one_for_each_image(
    tmp_path: Path, labels: Any, reason: str
) -> None:
    assert re.match(reason, refusal(tmp_path, images=GREY, labels=labels))


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (["a", "b"], "labels has the label 2; there are 2 class names, of the labels 0 to 1"),
        (["a", "b", "c", "d"], "labels has no label 3 of the 4 classes"),
        (["a", "b", "a"], "classes has 'a' more than once"),
        (["a", "b", " "], "classes has ' ' more than once, or empty"),
        ([1, 2, 3], r"classes is 3 of int64; expected the names .*np.array\(\['cat', 'dog'\]\)"),
        (["a"], "classes is 1 of <U1; expected the names of two to 5,000 classes"),
        ([["a", "b", "c"]], "classes is 1 × 3 of <U1; expected"),
        (["x" * 50_000, "y" * 50_001, "z"], "classes are no names: together they have"),
    ],
    ids=words,
)
def test_names_of_classes_are_words_one_for_each_label(
    tmp_path: Path, classes: Any, reason: str
) -> None:
    assert re.match(reason, refusal(tmp_path, images=GREY, labels=LABELS, classes=classes))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        (
            {"pictures": GREY, "labels": LABELS},
            "no images and labels among its 2 arrays (labels, pictures); expected x_train, y_train "
            "or train_images, train_labels or images, labels or x, y, and for a test split",
        ),
        ({}, "no images and labels among its no arrays"),
        ({"x": GREY, "images": GREY}, "two namings of images among its 2 arrays (images, x)"),
        ({"x_train": GREY}, "there is x_train, but no y_train; expected both, or neither"),
        (
            {"x_train": GREY, "y_train": LABELS, "x_test": GREY},
            "there is x_test, but no y_test; expected both, or neither",
        ),
        (
            {"images": GREY, "labels": LABELS, "test_labels": LABELS},
            "there is test_labels, but no test_images",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY[:, :4, :4], "y_test": LABELS},
            "the images are of two shapes: x of 1 × 8 × 8, x_test of 1 × 4 × 4",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY[:2], "y_test": LABELS[:2]},
            "y_test has no label 2 of the 3 classes",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY, "y_test": LABELS + 1},
            "y has no label 3 of the 4 classes",
        ),
    ],
    ids=words,
)
def test_arrays_that_are_missing_or_do_not_fit_one_another_are_named(
    tmp_path: Path, arrays: dict[str, Any], reason: str
) -> None:
    assert refusal(tmp_path, **arrays).startswith(reason)


class Payload:
    """What unpickling would make a file of."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("key", ["images", "labels", "classes"])
def test_an_array_of_objects_is_refused_and_nothing_is_unpickled(tmp_path: Path, key: str) -> None:
    trap = tmp_path / "ran"
    arrays = {"images": GREY, "labels": LABELS, "classes": np.array(["a", "b", "c"])}
    arrays[key] = np.array([Payload(trap)] * 12, dtype=object)
    said = refusal(tmp_path, **arrays)
    assert said.startswith(f"{key} holds Python's objects, which only unpickling would read")
    assert not trap.exists()


def test_a_file_that_is_no_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.npz", images=GREY, labels=LABELS).read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(LABELS.tobytes())] ^= 1
    one, trap = tmp_path / "one.npy", tmp_path / "ran"
    np.save(one, GREY)
    for name, content in {
        "empty": b"",
        "text": b"images, labels",
        "truncated": whole[: len(whole) // 2],
        "short": whole[:-10],
        "damaged": bytes(damaged),
        "single": one.read_bytes(),
        "pickle": pickle.dumps(Payload(trap)),
    }.items():
        file = tmp_path / f"{name}.npz"
        file.write_bytes(content)
        with pytest.raises(UserError) as caught:
            contents_of(file)
        assert str(caught.value).startswith(f"{file}: cannot be read as a file of arrays: ")
        assert "expected what np.savez(FILE, x_train=…, y_train=…) writes" in str(caught.value)
    assert not trap.exists()


def test_an_array_that_says_it_is_longer_than_it_is_takes_no_memory(tmp_path: Path) -> None:
    whole, file = saved(tmp_path / "whole.npz", images=GREY, labels=LABELS), tmp_path / "my.npz"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name).replace(b"(12, 8, 8), }      ", b"(12000000, 8, 8), }")
            target.writestr(name, content)
    with pytest.raises(UserError, match="images is damaged: its size is not that of 12,000,000 × "):
        contents_of(file)


def test_a_folder_or_nothing_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"here: data.file: {tmp_path} is a folder; expected a fil"):
        run(tmp_path)
    nowhere = tmp_path / "nowhere.npz"
    with pytest.raises(UserError, match=f"here: data: there is no file {nowhere} and no .*; bring"):
        resolve({**RUN, "data": str(nowhere)}, "here")
    other = tmp_path / "my.txt"
    other.write_text("x")
    with pytest.raises(UserError, match=rf"here: data: there is no folder {other}; .*\(….npz\)"):
        resolve({**RUN, "data": str(other)}, "here")
