"""Folders of photographs: who belongs to which class and split, and what is refused."""

import shutil
from functools import partial
from pathlib import Path
from unicodedata import normalize

import pytest
from tests.folders import SPLIT, Make, filled

from reslab.config.data import Data
from reslab.config.photographs import root_of
from reslab.errors import UserError
from reslab.folders import Listing, class_names, list_folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A folder of files, each of which holds its own name."""
    return partial(filled, tmp_path / "photos")


def refusal(root: Path, **options: float) -> str:
    with pytest.raises(UserError) as caught:
        list_folder(root, **options)  # type: ignore[arg-type]
    return str(caught.value)


# ---- what is listed -----------------------------------------------------------------------------


def test_classes_and_images_are_sorted_by_name(make: Make) -> None:
    found = list_folder(make(reversed(SPLIT)))
    assert found.classes == ("cat", "dog")
    assert found.train == (("train/cat/1.jpg", 0), ("train/cat/2.jpg", 0), ("train/dog/1.jpg", 1))
    assert found.test == (("val/cat/3.jpg", 0), ("val/dog/2.jpg", 1))


def test_two_folders_of_one_name_are_refused(make: Make) -> None:
    """é as one character and as two: other file systems would have one folder."""
    doubled = [f"train/{name}/1.jpg" for name in ("\u00e9", "e\u0301", "b")]
    refused = refusal(make(doubled), test_fraction=0.5)
    assert refused.endswith("has two folders that are both called \u00e9")


def test_test_is_another_name_of_val_but_not_beside_it(make: Make) -> None:
    root = make(name.replace("val/", "test/") for name in SPLIT)
    assert [path for path, _ in list_folder(root).test] == ["test/cat/3.jpg", "test/dog/2.jpg"]
    make(SPLIT)
    assert "has both val/ and test/" in refusal(root)


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_valid_and_validation_are_other_names_of_val(make: Make, name: str) -> None:
    root = make(path.replace("val/", f"{name}/") for path in SPLIT)
    found = list_folder(root)
    assert found.classes == ("cat", "dog")
    assert [path for path, _ in found.test] == [f"{name}/cat/3.jpg", f"{name}/dog/2.jpg"]
    assert f"has train/ and {name}/; data.test_fraction" in refusal(root, test_fraction=0.34)
    make(SPLIT)
    assert f"has both val/ and {name}/" in refusal(root)


def test_a_run_tests_on_one_split_and_a_second_is_not_passed_over(make: Make) -> None:
    root = make((*SPLIT, "test/cat/4.jpg", "test/dog/4.jpg"))
    told = "has both val/ and test/; the run would test on one of them: move the other away"
    assert refusal(root).endswith(told)


@pytest.mark.parametrize("left", ["Thumbs.db", "desktop.ini", "Desktop.ini", ".DS_Store", "Icon\r"])
def test_what_systems_leave_behind_is_not_looked_at(make: Make, left: str) -> None:
    root = make(SPLIT)
    before = list_folder(root)
    make(
        [f"{folder}/{left}" for folder in ("train/cat", "train/dog", "val/cat", "val", "train")]
        + ["__MACOSX/train/._x", "train/__MACOSX/._cat", "val/dog/__MACOSX/._1.jpg", "@eaDir/x"]
    )
    assert list_folder(root) == before


def test_all_files_below_a_class_count_but_hidden_ones(make: Make) -> None:
    """Whether a file is an image is found out where it is decoded, and told there."""
    more = ("train/cat/night/9.png", "train/cat/notes.txt", "train/cat/.DS_Store", ".git/x")
    found = list_folder(make((*SPLIT, *more)))
    assert ("train/cat/night/9.png", 0) in found.train
    assert ("train/cat/notes.txt", 0) in found.train
    assert len(found.train) == 5


def test_a_link_that_leads_nowhere_is_not_left_out(make: Make) -> None:
    root = make(SPLIT)
    (root / "train" / "dog" / "lost.jpg").symlink_to(root / "nowhere.jpg")
    assert ("train/dog/lost.jpg", 1) in list_folder(root).train


def test_a_link_to_a_folder_that_it_lies_in_is_refused(make: Make) -> None:
    root = make(SPLIT)
    (root / "train" / "dog" / "all").symlink_to(root / "train", target_is_directory=True)
    assert refusal(root) == (
        f"{root}/train/dog/all is a link to {root}/train, a folder that it lies in"
    )


def test_a_link_to_another_folder_is_followed(make: Make) -> None:
    root = make([*SPLIT, "../more/5.jpg"])
    (root / "train" / "dog" / "more").symlink_to(root.parent / "more", target_is_directory=True)
    assert ("train/dog/more/5.jpg", 1) in list_folder(root).train


def test_the_whole_disk_is_no_folder_of_photographs() -> None:
    assert refusal(Path("/"), test_fraction=0.5).startswith("/ is the whole disk; ")


def test_names_that_command_a_terminal_or_are_no_text_are_classes_under_a_printable_name(
    make: Make,
) -> None:
    """Python has a byte that is no UTF-8, such as ff, as the surrogate dcff."""
    names = ("\x1b[31mcat", "dog\udcff", "eel\u202e")
    root = make(f"{tree}/{name}/\udcfe\x07.jpg" for tree in ("train", "val") for name in names)
    found = list_folder(root)
    assert found.classes == ("\\x1b[31mcat", "dog\\udcff", "eel\\u202e")
    assert all((root / path).is_file() for path, _ in (*found.train, *found.test))
    data = Data(name="imagefolder", folder=str(root))
    assert class_names(root_of(data), data.test_fraction) == found.classes
    shutil.rmtree(root / "val" / names[0])
    assert refusal(root).endswith("only train/ has \\x1b[31mcat")


def test_names_in_any_script_are_names(make: Make) -> None:
    root = make(
        f"{tree}/{name}/日本 1.jpg" for tree in ("train", "val") for name in ("猫", "größe")
    )
    assert list_folder(root).classes == ("größe", "猫")


def test_a_letter_with_an_accent_is_the_same_however_it_is_encoded(make: Make) -> None:
    """macOS hands out decomposed names; a class that is copied there and back stays one class."""
    one, other = normalize("NFC", "é"), normalize("NFD", "é")
    root = make(f"{tree}/1.jpg" for tree in (f"train/{one}", f"val/{other}", "train/x", "val/x"))
    found = list_folder(root)
    assert found.classes == ("x", one)
    assert all((root / path).exists() for path, _ in (*found.train, *found.test))


def test_some_classes_and_the_first_images_of_each_by_name(make: Make) -> None:
    root = make((*SPLIT, "train/eel/1.jpg", "val/eel/1.jpg"))
    found = list_folder(root, classes=("cat", "dog"), per_class=1)
    assert found.train == (("train/cat/1.jpg", 0), ("train/dog/1.jpg", 1))
    assert len(found.test) == 2


def test_a_part_of_each_classs_images_are_the_first_by_name(make: Make) -> None:
    found = list_folder(make(TREE), test_fraction=0.25, label_fraction=0.2)
    whole = list_folder(make(TREE), test_fraction=0.25)
    assert found.train == whole.train[:3] + whole.train[15:18]
    assert found.test == whole.test


# ---- one tree -----------------------------------------------------------------------------------

TREE = tuple(f"{name}/{number}.jpg" for name in ("cat", "dog") for number in range(20))


def paths(found: Listing) -> set[str]:
    return {path for path, _ in found.test}


def test_a_part_of_each_class_of_one_tree_is_tested_on(make: Make) -> None:
    found = list_folder(make(TREE), test_fraction=0.25)
    assert sorted(path for path, _ in (*found.train, *found.test)) == sorted(TREE)
    assert [label for _, label in found.test] == [0] * 5 + [1] * 5


def test_which_part_follows_from_the_names_alone(make: Make, tmp_path: Path) -> None:
    root = make(TREE)
    before = paths(list_folder(root, test_fraction=0.25))
    assert before == {
        "cat/0.jpg", "cat/13.jpg", "cat/14.jpg", "cat/3.jpg", "cat/8.jpg",
        "dog/13.jpg", "dog/16.jpg", "dog/19.jpg", "dog/6.jpg", "dog/9.jpg",
    }  # fmt: skip
    moved = tmp_path / "elsewhere"
    shutil.move(root, moved)
    (moved / "cat" / "1.jpg").write_text("another size")
    assert paths(list_folder(moved, test_fraction=0.25)) == before
    (moved / "cat" / "20.jpg").write_text("one more moves one at most")
    assert len(before - paths(list_folder(moved, test_fraction=0.25))) <= 1


def test_another_seed_is_another_split_of_the_same_size(make: Make) -> None:
    root = make(TREE)
    splits = [list_folder(root, test_fraction=0.25, split_seed=seed) for seed in range(4)]
    assert len({frozenset(paths(split)) for split in splits}) == 4
    assert len({split.digest for split in splits}) == 4
    assert [len(split.test) for split in splits] == [10] * 4
    assert paths(list_folder(root, test_fraction=0.25)) == paths(splits[0])


def test_every_class_is_trained_and_tested_on(make: Make) -> None:
    root = make(["cat/1.jpg", "cat/2.jpg", "eel/1.jpg", "eel/2.jpg"])
    for fraction in (0.01, 0.99):
        found = list_folder(root, test_fraction=fraction)
        assert (len(found.train), len(found.test)) == (2, 2)
    make(["dog/1.jpg"])
    assert "the class 'dog' has one file" in refusal(root, test_fraction=0.5)


# ---- the digest ---------------------------------------------------------------------------------


def test_a_digest_is_of_names_and_sizes_wherever_the_folder_lies(
    make: Make, tmp_path: Path
) -> None:
    root = make(SPLIT)
    before = list_folder(root).digest
    moved = Path(shutil.copytree(root, tmp_path / "größer"))
    assert list_folder(moved).digest == before
    (moved / "train" / "cat" / "1.jpg").write_text("of quite another size")
    assert list_folder(moved).digest != before
    (root / "train" / "cat" / "1.jpg").rename(root / "train" / "cat" / "0.jpg")
    assert list_folder(root).digest != before


def test_digests_of_folders_stay_what_they_were(make: Make) -> None:
    """Those that runs were described by before valid/ was a split (commit 73a3278)."""
    root = make(SPLIT)
    assert list_folder(root).digest == "ec77ef9a64577cad"
    shutil.rmtree(root)
    make(name.replace("val/", "test/") for name in SPLIT)
    assert list_folder(root).digest == "bc4eb9814cf0e060"
    shutil.rmtree(root)
    make(TREE)
    assert list_folder(root, test_fraction=0.25).digest == "4ac33cc4ccc26b8c"
    shutil.rmtree(root)
    make(f"{name}/{n}.jpg" for name in ("bus", "train/steam", "\u00e9", "Zug") for n in "12")
    found = list_folder(root, test_fraction=0.5)
    assert (found.digest, found.classes) == ("7a56ec3a4b3fa1fc", ("Zug", "bus", "train", "\u00e9"))


def test_a_digest_tells_which_files_are_used_for_what(make: Make) -> None:
    root = make(TREE)
    digests = [list_folder(root, test_fraction=part).digest for part in (0.25, 0.5)]
    digests.append(list_folder(root, test_fraction=0.25, per_class=3).digest)
    assert len(set(digests)) == 3


# ---- what is refused ----------------------------------------------------------------------------


def test_classes_of_one_split_only_are_named(make: Make) -> None:
    root = make((*SPLIT, "train/eel/1.jpg", "val/fox/1.jpg"))
    assert refusal(root).endswith("different classes: only train/ has eel; only val/ has fox")


def test_many_names_are_cut_short(make: Make) -> None:
    root = make((*SPLIT, *(f"val/new {n}/1.jpg" for n in range(9))))
    assert refusal(root).endswith("new 0, new 1, new 2, new 3, new 4 and 4 more")


def test_a_folder_that_is_not_there_tells_what_it_should_look_like(tmp_path: Path) -> None:
    text = refusal(tmp_path / "photos")
    assert f"there is no folder {tmp_path}/photos; expected" in text
    assert f"{tmp_path}/photos/val/<class>/<image>" in text
    assert "data.test_fraction" in text


def test_one_tree_needs_a_fraction_and_two_take_none(make: Make) -> None:
    root = make(TREE)
    assert "is not split into train/ and val/" in refusal(root)
    make(SPLIT)
    assert "data.test_fraction is for one tree" in refusal(root, test_fraction=0.2)


def test_train_alone_can_be_split(make: Make) -> None:
    root = make(f"train/{name}" for name in TREE)
    assert "is not split into train/ and val/" in refusal(root)
    assert len(list_folder(root, test_fraction=0.5).test) == 20


def test_a_class_may_be_called_train(make: Make) -> None:
    vehicles = ("bus", "train/steam", "train/diesel")
    root = make(f"{vehicle}/{n}.jpg" for vehicle in vehicles for n in "12")
    assert list_folder(root, test_fraction=0.5).classes == ("bus", "train")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Test", "VALID", "Testing"])
def test_other_names_of_splits_are_no_classes(make: Make, name: str) -> None:
    root = make(f"{one}/{n}.jpg" for one in ("bus", name) for n in "12")
    told = f"{root} has a folder {name}, which is the name of a split, never of a class; expected"
    assert told in refusal(root, test_fraction=0.5)


def test_a_single_class_is_refused_with_the_folder_below_where_that_has_several(make: Make) -> None:
    root = make(f"photos/{name}" for name in TREE)
    inside = root / "photos"
    assert refusal(root, test_fraction=0.34) == (
        f"{root} has one class, photos; a net needs two or more to tell apart; if cat, dog are the "
        f"classes, take {inside}"
    )
    shutil.rmtree(inside / "dog")
    one = f"{inside} has one class, cat; a net needs two or more to tell apart"
    assert refusal(inside, test_fraction=0.34) == one


def test_files_beside_the_classes_are_refused(make: Make) -> None:
    root = make((*SPLIT, "val/ILSVRC2012_val_00000001.JPEG"))
    assert "belong to no class: ILSVRC2012_val_00000001.JPEG" in refusal(root)


def test_an_empty_class_is_refused(make: Make) -> None:
    root = make(SPLIT)
    (root / "val" / "eel").mkdir()
    assert f"{root}/val has no file of the class eel; put its images there" in refusal(root)


def test_an_empty_split_is_refused(make: Make) -> None:
    root = make(SPLIT)
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    assert f"{root}/val holds no folder of a class" in refusal(root)


def test_more_images_than_a_class_has_are_refused(make: Make) -> None:
    assert refusal(make(SPLIT), per_class=2) == (
        "per_class: 2; the class 'dog' has 1 training images"
    )


# ---- of a run -----------------------------------------------------------------------------------
