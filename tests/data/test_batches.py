"""A batch is a function of the run and its step, whichever process makes it."""

from itertools import chain
from typing import Any

import pytest
import torch
from tests.data.ranks import at, digest, digits


def test_a_batch_has_the_promised_shapes_and_dtypes() -> None:
    images, targets = next(iter(at(digits()).train_dataloader()))
    assert (images.shape, images.dtype) == ((64, 1, 8, 8), torch.float32)
    assert (targets.shape, targets.dtype) == ((64,), torch.int64)
    exact = at(digits(precision="64-true"))
    assert next(iter(exact.train_dataloader()))[0].dtype == torch.float64
    assert next(iter(exact.val_dataloader()))[0].dtype == torch.float64


def test_seeds_give_different_batches_and_equal_runs_equal_ones() -> None:
    loaders = (at(digits(seed=seed)).train_batches() for seed in (0, 0, 1))
    one, same, other = (digest(loader.batch(5)) for loader in loaders)
    assert one == same != other


EVERYTHING = {
    "crop_padding": 1, "fill": "reflect", "flip": True, "cutout": 2, "randaugment": 1,
    "color_jitter": {"brightness": 0.4, "contrast": 0.4}, "rotation": 15.0, "shear": 10.0,
    "zoom": 0.2, "erasing": 0.5,
}  # fmt: skip
TRIVIAL = {"trivial_augment": True, "rotation": 15.0, "fill": "edge"}
AUGMENTATIONS = [
    {},
    EVERYTHING,
    TRIVIAL,
    {"mixup": 0.4},
    {"cutmix": 1.0, **EVERYTHING, "mixup": 1.0},
]


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda a: " ".join(a) or "recipe")
@pytest.mark.parametrize("ranks", [2, 4])
def test_the_ranks_batches_joined_are_the_global_batch(
    ranks: int, augmentation: dict[str, Any]
) -> None:
    config = digits(recipe={"name": "digits", "augmentation": augmentation})
    places = [at(config, rank, ranks) for rank in range(ranks)]
    for step in (0, 22, 23):  # step 22 is in two epochs
        parts = [place.train_batches().batch(step) for place in places]
        joined = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        assert digest(joined) == digest(at(config).train_batches().batch(step))


def test_a_mixed_batch_is_of_the_step_alone_and_keeps_its_targets() -> None:
    config = digits(recipe={"name": "digits", "augmentation": {"mixup": 1.0}})
    data, plain = at(config), at(digits())
    torch.manual_seed(0)
    first = [data.train_batches().batch(step) for step in (0, 22, 40)]
    again = [at(config).train_batches().batch(step) for step in (40, 22, 0)][::-1]
    assert [digest(batch) for batch in first] == [digest(batch) for batch in again]
    for step, (images, targets, probabilities) in zip((0, 22, 40), first, strict=True):
        unmixed = plain.train_batches().batch(step)
        assert torch.equal(targets, unmixed[1])
        own = targets != targets.roll(1)
        share = probabilities[range(64), targets][own][0]
        expected = share * unmixed[0] + (1 - share) * unmixed[0].roll(1, 0)
        torch.testing.assert_close(images, expected)
        assert (probabilities.shape, probabilities.dtype) == ((64, 10), torch.float32)
    assert len({float(batch[2].max(1).values.min()) for batch in first}) == 3


def test_augmentation_changes_neither_the_order_nor_evaluation() -> None:
    plain, changed = digits(), digits(recipe={"name": "digits", "augmentation": AUGMENTATIONS[-1]})
    one, other = (at(config).train_batches().batch(3)[1] for config in (plain, changed))
    assert torch.equal(one, other)
    for split in (0, 1):
        before, after = (at(c).test_dataloader()[split] for c in (plain, changed))
        assert [digest(b) for b in before] == [digest(b) for b in after]


def test_batches_of_earlier_versions_are_the_same() -> None:
    """Golden digests: crops, flips and their streams never change."""
    flipped = digits(recipe={"name": "digits", "augmentation.flip": True})
    assert [digest(at(c).train_batches().batch(22))[:16] for c in (digits(), flipped)] == [
        "2cdeb203ac4fd804",
        "a9bc1c7e69504b29",
    ]


CROPS: list[dict[str, Any]] = [
    {},
    {"crop_padding": 2},
    {"flip": True},
    {"crop_padding": 2, "flip": True},
    {"crop_padding": 2, "flip": True, "padding": "before_normalization"},
    {"crop_padding": 2, "flip": True, "fill": "reflect"},
    {"crop_padding": 2, "fill": "edge", "padding": "before_normalization"},
    {"crop_padding": 2, "flip": True, "cutout": 3},
]
GOLDEN = {
    "channel": [
        "fa4b9a73c458469f",
        "d400309f40a5048b",
        "d7c63431017d0e95",
        "5e08fd1800b116be",
        "c4da77bb4c9883ac",
        "d79d3c0fc97941f0",
        "cc99120b67339b4e",
        "15b9bb43bbe0e9a9",
    ],
    "pixel_mean": [
        "e7b4670f6dbc6776",
        "b3cbefef06d00067",
        "db19795f82144d51",
        "80691852d69395dc",
        "ac90464191b33090",
        "3772c8bc772eb70e",
        "c272080c68b771de",
        "0489dba0061d896a",
    ],
    "pixel_mean_global_std": [
        "7369569380e63ae1",
        "43fd05350d7002b8",
        "6a2a95dd12f2cebd",
        "b661001f7c052f30",
        "237cb8100a488f65",
        "9b03af3e7f6a1add",
        "606cf2204422689a",
        "3b73869b10adf8aa",
    ],
}
"""Digests of the batches of commit 8ab48ce, by normalisation, in the order of `CROPS`."""


@pytest.mark.parametrize("kind", GOLDEN)
def test_batches_are_bit_for_bit_those_of_commit_8ab48ce(kind: str) -> None:
    """Of a whole batch and of a rank's micro-batch, also where epochs meet: in step 22."""
    for crop, expected in zip(CROPS, GOLDEN[kind], strict=True):
        augmentation = {"crop_padding": 0, **crop}
        recipe = {"name": "digits", "normalization": kind, "augmentation": augmentation}
        whole, part = (at(digits(recipe=recipe), *place) for place in [(0, 1, 0, 1), (3, 4, 0, 2)])
        batches = [whole.train_batches().batch(step) for step in (0, 22, 23)]
        batches += [part.train_batches().batch(step, 1) for step in (0, 22, 23)]
        assert digest(tuple(chain.from_iterable(batches)))[:16] == expected, crop


def test_what_is_drawn_for_a_batch_is_left_as_it_was() -> None:
    """The table's rows are handed out as they lie there."""
    loader = at(digits(recipe={"name": "digits", "augmentation": EVERYTHING})).train_dataloader()
    before = {name: column.clone() for name, column in loader.draws(0, 0).items()}
    loader.batch(0)
    after = loader.draws(0, 0)
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 32])
def test_evaluation_counts_every_example_once_for_any_number_of_ranks(ranks: int) -> None:
    config = digits()
    alone = at(config)
    for split, loader in ((0, "train"), (1, "test")):
        shown = []
        for rank in range(ranks):
            batches = at(config, rank, ranks).test_dataloader()[split]
            assert len(list(batches)) == len(batches)
            shown += [image for images, _ in batches for image in images.numpy()]
        expected = alone.normalization(getattr(alone, loader).images).numpy()
        assert sorted(map(bytes, shown)) == sorted(map(bytes, expected))
