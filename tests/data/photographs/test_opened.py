"""Photographs in batches: the same whatever reads them."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from tests.conftest import DECODING, WORKERS
from tests.data.photographs.reading import assert_equal, first, open_pictures, run
from tests.data.ranks import at
from torch import Tensor

from reslab.config.recipe import Normalizing
from reslab.config.run import RunConfig
from reslab.data.modules import data_module
from reslab.data.normalize import Normalization
from reslab.data.photographs import crops
from reslab.data.photographs.opened import Pictures
from reslab.data.sources import hold_out
from reslab.errors import UserError

pytestmark = [DECODING, WORKERS]


def centre_crops(pictures: Pictures) -> Tensor:
    images = map(pictures.image, range(len(pictures)))
    return torch.stack([crops.test_crop(image, pictures.photographs) for image in images])


def test_a_batch_has_the_promised_shapes_and_dtypes(photographs: Path) -> None:
    images, targets = at(run(photographs)).train_batches().batch(0)
    assert (images.shape, images.dtype) == ((6, 3, 24, 24), torch.float32)
    assert (targets.shape, targets.dtype) == ((6,), torch.int64)
    exact = at(run(photographs, precision="64-true"))
    assert exact.train_batches().batch(0)[0].dtype == next(iter(exact.val_dataloader()))[0].dtype
    assert exact.train_batches().batch(0)[0].dtype == torch.float64


@pytest.mark.process
def test_batches_do_not_depend_on_the_number_of_workers_or_on_where_a_run_goes_on(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run(photographs)
    alone = first(at(config), 5)  # an epoch has three batches
    assert_equal(alone, [at(config).train_batches().batch(step) for step in range(5)])
    monkeypatch.setenv("RESLAB_WORKERS", "2")
    state = torch.get_rng_state()
    assert_equal(alone, first(at(config), 5))
    assert_equal(alone[2:], first(at(config, step=2), 3))
    for loader in (0, 1):
        monkeypatch.setenv("RESLAB_WORKERS", "0")
        without = list(at(config).test_dataloader()[loader])
        monkeypatch.setenv("RESLAB_WORKERS", "2")
        assert_equal(without, list(at(config).test_dataloader()[loader]))
    assert torch.equal(state, torch.get_rng_state())


def test_an_examples_crop_follows_from_seed_epoch_and_example_alone(photographs: Path) -> None:
    def crops_of(config: RunConfig, steps: range) -> dict[int, Tensor]:
        data = at(config)
        rows = [data.train_dataloader().draws(step, 0) for step in steps]
        batches = [data.train_batches().batch(step)[0] for step in steps]
        return {
            int(example): image
            for row, images in zip(rows, batches, strict=True)
            for example, image in zip(row["examples"], images, strict=True)
        }

    by_6 = crops_of(run(photographs), range(3))
    by_9 = crops_of(run(photographs, recipe={"batch_size": 9}), range(2))
    assert by_6.keys() == by_9.keys() == set(range(18))
    assert all(torch.equal(by_6[i], by_9[i]) for i in by_6)
    for other in (
        crops_of(run(photographs), range(3, 6)),
        crops_of(run(photographs, seed=1), range(3)),
    ):
        assert not any(torch.equal(by_6[i], other[i]) for i in by_6)


TURNED = {
    "augmentation": {
        "trivial_augment": True, "rotation": 20.0, "shear": 10.0, "zoom": 0.2, "fill": "edge",
        "color_jitter": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1},
        "erasing": 0.5,
    },
    "photographs": {"size": 24, "crop": "center", "test_shorter_side": 28},
}  # fmt: skip
RECIPES = [{}, {"augmentation": {"mixup": 0.4, "randaugment": 1}}, TURNED]


@pytest.mark.parametrize("recipe", RECIPES, ids=["flipped", "mixed", "turned"])
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_ranks_batches_joined_are_the_global_batch(
    photographs: Path, ranks: int, recipe: dict[str, Any]
) -> None:
    config = run(photographs, recipe=recipe)
    places = [at(config, rank, ranks) for rank in range(ranks)]
    for step in (0, 2):
        parts = [place.train_batches().batch(step) for place in places]
        joined = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        assert_equal([joined], [at(config).train_batches().batch(step)])


def test_the_micro_batches_of_all_ranks_joined_are_the_global_batch(photographs: Path) -> None:
    config = run(photographs)
    ranks = [first(at(config, rank, 2, step=1, micro_batches=3), 6) for rank in range(2)]
    for step in (0, 1):
        parts = [part for rank in ranks for part in rank[3 * step : 3 * step + 3]]
        joined = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        assert_equal([joined], [at(config).train_batches().batch(1 + step)])


@pytest.mark.parametrize("ranks", [1, 2, 4, 10])
def test_evaluation_shows_every_example_once_for_any_number_of_ranks(
    photographs: Path, ranks: int
) -> None:
    config = run(photographs)
    alone = at(config)
    for split, pictures in enumerate((alone.train, alone.test)):
        expected = centre_crops(pictures)
        shown = []
        for rank in range(ranks):
            batches = at(config, rank, ranks).test_dataloader()[split]
            assert len(list(batches)) == len(batches)
            shown += [image for images, _ in batches for image in images]
        normalized = alone.normalization(expected)
        assert sorted(i.numpy().tobytes() for i in shown) == sorted(
            i.numpy().tobytes() for i in normalized
        )


@pytest.mark.parametrize("kind", sorted({*get_args(Normalizing)} - {"gcn_zca"}))
def test_the_normalisation_is_that_of_the_training_images_centre_crops(
    photographs: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run(photographs, recipe={"normalization": kind})
    data = at(config)
    expected = Normalization.fit(kind, centre_crops(data.train))
    for fitted in (data.normalization, at(config).normalization):
        assert fitted.kind == kind
        assert torch.equal(fitted.mean, expected.mean)
        assert torch.equal(fitted.std, expected.std)


def test_a_second_run_decodes_nothing_before_it_trains(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(run(photographs))

    def decode(path: Path) -> Tensor:
        raise AssertionError(path)

    for module in ("survey", "opened"):
        monkeypatch.setattr(f"reslab.data.photographs.{module}.decode", decode)
    assert len(at(run(photographs, seed=1)).train) == 18
    with pytest.raises(AssertionError):
        at(run(photographs, recipe={"normalization": "pixel_mean"}))


def test_held_out_images_are_tested_on_and_not_fitted_on(photographs: Path) -> None:
    data = at(run(photographs, data={"holdout": 4}))
    rest, held = hold_out(open_pictures(data.config.data)[0], 4)
    assert (len(data.train), len(data.test)) == (14, 4)
    assert data.train.names.tolist() == rest.names.tolist()
    assert data.test.names.tolist() == held.names.tolist()
    images = [crops.test_crop(rest.image(i), data.photographs) for i in range(14)]
    assert torch.equal(
        data.normalization.mean, Normalization.fit("channel", torch.stack(images)).mean
    )


def test_classes_are_the_folders_in_order(photographs: Path) -> None:
    train, test, names = open_pictures(run(photographs).data)
    assert names == ("Fuchs", "chat", "狐")
    assert train.targets.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert test.targets.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert train.image(0).shape == (3, 48, 64)


# ---- dirt -------------------------------------------------------------------------------------


def test_a_split_of_which_nothing_can_be_decoded_is_refused(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_MAX_UNDECODABLE", "1")
    for file in (photographs / "val").rglob("*.*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 9 files of a split can be decoded"):
        data_module(run(photographs)).prepare_data()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_in_mid_run_ends_it_by_name(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("RESLAB_WORKERS", str(workers))
    data = at(run(photographs))
    broken = photographs / "train" / "狐" / "3.jpg"
    broken.write_bytes(broken.read_bytes()[:-60])
    with pytest.raises(UserError, match=f"^{broken}: .*; it was an image when it was looked at$"):
        first(data, 3)


def test_the_number_of_workers_is_a_whole_number(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said, expected in (("all", "a whole number, 0 or more"), ("9" * 20, "at most 512")):
        monkeypatch.setenv("RESLAB_WORKERS", said)
        with pytest.raises(UserError, match=f"RESLAB_WORKERS={said}: expected {expected}"):
            data_module(run(photographs)).prepare_data()
