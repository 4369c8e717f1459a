"""The data sets are the official ones, read as their formats say."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.arrays import GREY, LABELS, saved

from reslab.config.data import Data
from reslab.config.datasets import DATASETS, Facts
from reslab.config.resolve import resolve
from reslab.data import files, sources
from reslab.data.files import File
from reslab.data.sources import Source, Split, hold_out, open_part, open_source
from reslab.errors import UserError

# digits


def test_digits_are_scikit_learns() -> None:
    """Class counts, first label and sum of grey values as `load_digits` of 1.9.1 gives them."""
    with np.load(sources.DIGITS, allow_pickle=False) as arrays:
        values, targets = arrays["images"], arrays["targets"]
    assert values.shape == (1797, 8, 8)
    assert np.bincount(targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert targets[:5].tolist() == [0, 1, 2, 3, 4] and targets[-1] == 8
    assert values[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]  # in its documentation
    assert (values.min(), values.max(), int(values.sum())) == (0, 16, 561_718)


def test_digits_reach_from_black_to_white_and_are_split_evenly() -> None:
    source = open_source("digits")
    for split in (source.train, source.test):
        assert (int(split.images.min()), int(split.images.max())) == (0, 255)
    assert source.test.targets.bincount().tolist() == [36] * 10
    grey = {round(255 * value / 16) for value in range(17)}
    assert set(source.train.images.unique().tolist()) == grey
    assert source.class_names == tuple("0123456789")


def test_the_split_of_digits_never_changes() -> None:
    """Golden: a new split would make old and new results incomparable."""
    held = hashlib.sha256(open_source("digits").test.images.numpy().tobytes()).hexdigest()
    assert held == HELD


HELD = "a95fd83ea66eeb151fe9327a9bd7cbb0ddbde354974b8f5a81553dcf221acc95"


# Hold-out


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_a_hold_out_is_stratified_and_keeps_the_order(
    labels: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(labels)))
    marks = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1)
    split = Split(marks, torch.tensor(labels))
    rest, held = hold_out(split, count)
    kept, taken = rest.images.flatten().tolist(), held.images.flatten().tolist()
    assert len(taken) == count and sorted(kept + taken) == list(range(len(labels)))
    assert kept == sorted(kept) and taken == sorted(taken)
    assert torch.equal(split.targets[held.images.flatten().long()], held.targets)
    left, gone = (np.bincount(part.targets, minlength=5) for part in (rest, held))
    # A class gives less than another only by one, or because it has no more.
    assert all(n >= gone.max() - 1 or not left[label] for label, n in enumerate(gone))


def test_he_2015s_45k_5k_split_of_cifar10(official: Callable[[str], Source]) -> None:
    rest, held = hold_out(official("cifar10").train, 5000)
    assert rest.targets.bincount().tolist() == [4500] * 10
    assert held.targets.bincount().tolist() == [500] * 10


# Official files


def test_mnist_is_complete_and_in_the_official_order(official: Callable[[str], Source]) -> None:
    """The first labels are 5 0 4 1 9 and 7 2 1 0 4 (LeCun's page shows them)."""
    source = official("mnist")
    assert source.train.images.shape == (60_000, 1, 28, 28)
    assert source.train.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert source.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert source.test.images.dtype == torch.uint8 and source.test.targets.dtype == torch.int64


def test_cifar10_is_complete_and_in_the_official_order(official: Callable[[str], Source]) -> None:
    """5,000 and 1,000 of each class; the first images are a frog and a cat."""
    source = official("cifar10")
    assert source.train.images.shape == (50_000, 3, 32, 32)
    assert source.train.targets.bincount().tolist() == [5000] * 10
    assert source.test.targets.bincount().tolist() == [1000] * 10
    assert source.class_names[source.train.targets[0]] == "frog"
    assert source.class_names[source.test.targets[0]] == "cat"
    # Upper left pixel of the first image, as torchvision's CIFAR10 has it: (59, 62, 63).
    assert source.train.images[0, :, 0, 0].tolist() == [59, 62, 63]


@pytest.fixture
def cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A small archive in CIFAR-100's binary format: coarse label, fine label, R, G and B planes."""
    generator = np.random.default_rng(0)
    records = {
        name: generator.integers(0, 256, (count, 3074), dtype=np.uint8)
        for name, count in (("train", 300), ("test", 200))
    }
    for part in records.values():
        part[:, 0] %= 20
        part[:, 1] = np.arange(len(part)) % 100
    members = {f"{name}.bin": part.tobytes() for name, part in records.items()}
    members["coarse_label_names.txt"] = b"".join(b"coarse_%d\n" % n for n in range(20))
    members["fine_label_names.txt"] = b"".join(b"fine_%d\n" % n for n in range(100))
    path = tmp_path / "cifar-100-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("cifar-100-binary")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    packed = path.read_bytes()
    file = File(path.name, len(packed), hashlib.sha256(packed).hexdigest())
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path))
    download = files.Download("https://example.org", file.size, file.sha256, (file,))
    monkeypatch.setitem(files.DOWNLOADS, "cifar100", (download,))
    monkeypatch.setitem(DATASETS, "cifar100", Facts(3, 32, classes=100, train=300, test=200))
    return records


def test_cifar100_is_read_from_its_archive(cifar100: dict[str, np.ndarray]) -> None:
    source = open_source("cifar100")
    for split, records in ((source.train, cifar100["train"]), (source.test, cifar100["test"])):
        assert split.targets.tolist() == records[:, 1].tolist()
        assert split.images.flatten(1).numpy().tobytes() == records[:, 2:].tobytes()
    assert source.class_names == tuple(f"fine_{label}" for label in range(100))


def test_the_known_cifar100_archive_is_the_official_one() -> None:
    """Size and SHA-256 as in TensorFlow Datasets' list of checksums."""
    [archive] = files.files_of("cifar100")
    assert archive.size == 168_513_733
    assert archive.sha256.startswith("58a81ae192c23a4be8b1804d68e518ed")


def test_an_altered_cifar100_archive_is_refused(
    cifar100: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / "cifar-100-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"cifar-100-binary.tar.gz.*not the official file"):
        open_source("cifar100")


# What does not fit is refused


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (Facts(3, 32, classes=100, train=301, test=200), r"train: expected .*\(301, 3, 32, 32\)"),
        (Facts(3, 32, classes=100, train=300, test=199), r"test: expected .*\(199, 3, 32, 32\)"),
        (Facts(3, 32, classes=99, train=300, test=200), "from 0 to 99, expected 0 to 98"),
        (Facts(3, 32, classes=101, train=300, test=200), "101 class names, found 100"),
    ],
)
def test_counts_shapes_and_labels_are_compared_with_the_facts(
    cifar100: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, facts: Facts, message: str
) -> None:
    monkeypatch.setitem(DATASETS, "cifar100", facts)
    with pytest.raises(UserError, match=message):
        open_source("cifar100")


def test_there_is_a_reader_and_a_download_for_every_data_set() -> None:
    resident = {name for name, facts in DATASETS.items() if not facts.photographs}
    assert set(sources.READERS) == set(files.DOWNLOADS) == resident


def test_a_data_set_that_can_only_be_planned_with_is_refused() -> None:
    with pytest.raises(UserError, match="imagenet: photographs are not downloaded"):
        open_source("imagenet")


# ---- parts --------------------------------------------------------------------------------------


def test_a_part_has_the_chosen_classes_under_new_labels_in_the_old_order() -> None:
    whole = open_source("digits")
    found = open_part(Data(name="digits", classes=("3", "7")))
    for split, of in ((found.train, whole.train), (found.test, whole.test)):
        chosen = (of.targets == 3) | (of.targets == 7)
        assert torch.equal(split.images, of.images[chosen])
        assert torch.equal(split.targets, (of.targets[chosen] == 7).long())
    assert found.class_names == ("3", "7")


@pytest.mark.parametrize("part", [{"per_class": 4}, {"label_fraction": 0.03}], ids=str)
def test_of_each_class_the_first_images_are_trained_on_and_all_are_tested_on(
    part: dict[str, Any],
) -> None:
    whole, found = open_source("digits"), open_part(Data(name="digits", **part))
    assert torch.bincount(found.train.targets).tolist() == [4] * 10  # 3 % of 138 to 147
    first = (whole.train.targets == 2).nonzero()[:4, 0]
    assert torch.equal(found.train.images[found.train.targets == 2], whole.train.images[first])
    assert torch.equal(found.test.images, whole.test.images)


def test_the_described_counts_are_those_of_the_images() -> None:
    """`config.datasets` says what the files hold, so that plans need none."""
    source = open_source("digits")
    splits = [torch.bincount(split.targets).tolist() for split in (source.train, source.test)]
    assert list(zip(*splits, strict=True)) == list(DATASETS["digits"].of_class)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_described_classes_are_those_of_the_official_files(
    official: Callable[[str], Source], name: str
) -> None:
    source = official(name)
    splits = [torch.bincount(split.targets).tolist() for split in (source.train, source.test)]
    assert list(zip(*splits, strict=True)) == list(DATASETS[name].of_class)
    assert source.class_names == DATASETS[name].class_names


# ---- a file of one's own ------------------------------------------------------------------------


def arrays(file: Path, **fields: Any) -> Source:
    tree = {"model": "resnet8_w8", "data": {"name": "arrays", "file": str(file), **fields}}
    return open_part(resolve({**tree, "recipe": {"name": "digits", "batch_size": 2}}, "").data)


def test_arrays_are_read_as_they_stand_in_the_file(tmp_path: Path) -> None:
    colour = np.stack([GREY, GREY + 1, GREY + 2], -1)
    test = {"x_test": colour[6:], "y_test": LABELS[6:][:, None]}
    file = saved(tmp_path / "my.npz", x_train=colour, y_train=LABELS, **test)
    source = arrays(file)
    assert torch.equal(source.train.images, torch.from_numpy(colour).permute(0, 3, 1, 2))
    assert torch.equal(source.test.images, source.train.images[6:])
    assert source.test.targets.tolist() == LABELS[6:].tolist()
    assert source.class_names == ("0", "1", "2")


def test_the_part_that_is_tested_on_is_of_every_class_and_never_changes(tmp_path: Path) -> None:
    """Golden: a new split would make old and new results incomparable."""
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS)
    source = arrays(file, test_fraction=0.25)
    corners = GREY[:, 0, 0].tolist()
    chosen = [corners.index(int(image[0, 0, 0])) for image in source.test.images]
    assert (chosen, source.test.targets.tolist()) == (CHOSEN, [0, 1, 2])
    both = torch.cat([source.train.images, source.test.images])[:, 0, 0, 0].sort().values
    assert both.tolist() == sorted(GREY[:, 0, 0].tolist())
    other = arrays(file, test_fraction=0.25, split_seed=1)
    assert not torch.equal(source.test.images, other.test.images)


CHOSEN = [3, 4, 5]


def test_of_a_file_as_of_other_data_a_part_is_taken(tmp_path: Path) -> None:
    file = saved(tmp_path / "my.npz", images=GREY, labels=LABELS, classes=["a", "b", "c"])
    source = arrays(file, test_fraction=0.25, classes=["a", "c"], per_class=2)
    assert source.class_names == ("a", "c")
    assert source.train.targets.tolist() == [0, 1, 0, 1]
    assert source.test.targets.tolist() == [0, 1]
    whole = arrays(file, test_fraction=0.25)
    chosen = whole.train.images[whole.train.targets != 1][:4]
    assert torch.equal(source.train.images, chosen)
    two_thirds = arrays(file, test_fraction=0.25, label_fraction=0.67)  # of three of each class
    assert torch.bincount(two_thirds.train.targets).tolist() == [2, 2, 2]
    assert torch.equal(two_thirds.test.images, whole.test.images)
