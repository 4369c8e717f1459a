"""A batch is a function of (data size, seed, step)."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reslab.data.order import (
    Draws,
    Ints,
    Order,
    Stream,
    bounds,
    depths_seed,
    init_seed,
    mix_seed,
    objective_seed,
    permutation,
    second_table,
    step_seed,
    table,
)
from reslab.errors import UserError

sizes = st.integers(1, 60)
seeds = st.integers(0, 2**40)
orders = st.builds(Order, sizes, sizes, seeds, st.integers(0, 4))
laws = settings(deadline=None, max_examples=60)


def row(order: Order, steps: int) -> Draws[Ints]:
    """The first `steps` batches, one after another."""
    batches = [order.batch(step) for step in range(steps)]
    return Draws(*(np.concatenate(columns) for columns in zip(*batches, strict=True)))


@laws
@given(orders)
def test_each_epoch_is_a_permutation(order: Order) -> None:
    steps = -(-3 * order.examples // order.batch_size)
    epochs = row(order, steps).examples[: 3 * order.examples].reshape(3, order.examples)
    assert (np.sort(epochs, axis=1) == np.arange(order.examples)).all()


@laws
@given(orders, st.integers(0, 50))
def test_every_batch_is_full_and_a_slice_of_the_endless_row(order: Order, step: int) -> None:
    batch = order.batch(step)
    assert len(batch.examples) == order.batch_size
    for place in range(order.batch_size):
        epoch, position = divmod(step * order.batch_size + place, order.examples)
        drawn = table(order.examples, order.seed, epoch, order.crop_padding)
        # A batch that spans two epochs takes each part's own draws.
        assert all(mine[place] == row[position] for mine, row in zip(batch, drawn, strict=True))


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_the_ranks_slices_are_the_global_batch(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = Order(examples, share * ranks, seed, crop_padding=2)
    parts = [order.batch(step, rank, ranks) for rank in range(ranks)]
    joined = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    assert all((a == b).all() for a, b in zip(joined, order.batch(step), strict=True))


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_every_image_stands_after_its_partner_on_any_rank(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = Order(examples, share * ranks, seed, crop_padding=2)
    whole = order.batch(step)
    for rank in range(ranks):
        rows, mine = order.with_partner(step, rank, ranks), order.batch(step, rank, ranks)
        for column, own, all_rows in zip(rows, mine, whole, strict=True):
            assert (column[1:] == own).all()
            assert column[0] == all_rows[rank * share - 1]


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_the_ranks_see_their_share_of_the_batch_twice_with_other_draws(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = Order(examples, share * ranks, seed, crop_padding=2)
    second = order.rows(step, np.arange(share * ranks), second_table)
    for rank in range(ranks):
        twice, mine = order.seen_twice(step, rank, ranks), order.batch(step, rank, ranks)
        here = slice(rank * share, (rank + 1) * share)
        for column, own, other in zip(twice, mine, second, strict=True):
            assert (column[:share] == own).all()
            assert (column[share:] == other[here]).all()
        assert (twice.examples[:share] == twice.examples[share:]).all()


def test_what_an_image_draws_when_it_is_seen_again_is_of_its_own() -> None:
    one, other = table(90_000, 0, 0, 4), second_table(90_000, 0, 0, 4)
    for name in bounds(4):
        both = np.corrcoef(getattr(one, name), getattr(other, name))
        assert abs(both[0, 1]) < 5 / np.sqrt(90_000), name


@laws
@given(orders, st.integers(0, 50), st.randoms())
def test_rows_are_fetched_by_position_in_any_order(order: Order, step: int, random: Random) -> None:
    positions = [random.randrange(order.batch_size) for _ in range(10)]
    fetched, whole = order.rows(step, np.array(positions)), order.batch(step)
    assert all((a == b[positions]).all() for a, b in zip(fetched, whole, strict=True))


@laws
@given(orders, st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_a_restart_anywhere_gives_the_same_batch(order: Order, steps: list[int]) -> None:
    first = [order.batch(step) for step in steps]
    table.cache_clear()
    for step, batch in zip(steps, first, strict=True):
        assert all((a == b).all() for a, b in zip(order.batch(step), batch, strict=True))


def test_an_examples_augmentation_does_not_depend_on_its_place() -> None:
    whole, small = Order(50, 50, seed=3, crop_padding=4), Order(50, 10, seed=3, crop_padding=4)
    drawn = {e: rest for e, *rest in zip(*whole.batch(0), strict=True)}
    for step in range(5):
        assert all(drawn[e] == rest for e, *rest in zip(*small.batch(step), strict=True))


def test_seeds_and_epochs_draw_different_tables() -> None:
    tables = [table(1000, seed, epoch, 4) for seed in (0, 1, 2**32) for epoch in (0, 1)]
    for field in table(1000, 0, 0, 4)._fields:
        assert len({getattr(drawn, field).tobytes() for drawn in tables}) == len(tables)


def test_what_is_drawn_is_below_its_bound() -> None:
    drawn, limits = table(10_000, 0, 0, 4), bounds(4)
    assert list(limits) == list(drawn._fields[1:])
    for name, (_, bound) in limits.items():
        column = getattr(drawn, name)
        assert column.min() >= 0 and 0.99 * (bound - 1) <= column.max() < bound
        assert column.dtype == (np.int64 if bound > 2**32 else np.uint32)
    assert len({stream for stream, _ in limits.values()}) == len(limits)


def test_offsets_and_flips_are_uniform() -> None:
    drawn = table(90_000, 0, 0, 4)
    for offsets in (drawn.dy, drawn.dx):
        counts = np.bincount(offsets, minlength=9)
        assert len(counts) == 9
        assert np.abs(counts - 10_000).max() < 5 * np.sqrt(10_000)  # five standard deviations
    assert abs(int(drawn.flip.sum()) - 45_000) < 5 * np.sqrt(90_000) / 2
    for name in (name for name, (_, bound) in bounds(4).items() if bound == 2**32):
        words = getattr(drawn, name).astype(np.int64)
        assert words.min() >= 0 and 2**32 - 2**20 < words.max() < 2**32
        assert np.abs(np.bincount(words * 9 >> 32) - 10_000).max() < 5 * np.sqrt(10_000)
    together = np.corrcoef(drawn)
    assert np.abs(together - np.eye(len(drawn))).max() < 5 / np.sqrt(90_000)


def test_a_batch_that_the_ranks_cannot_share_names_the_numbers_that_can() -> None:
    with pytest.raises(UserError, match=r"128.*3 processes.*use 1, 2, 4, 8, 16, 32, 64, 128 "):
        Order(1000, 128, 0).batch(0, part=0, parts=3)


def test_two_tables_are_kept() -> None:
    order = Order(10, 4, 0)
    for step in range(100):
        order.batch(step)
    assert table.cache_info().currsize == 2
    with pytest.raises(ValueError, match="read-only"):
        table(10, 0, 0, 0).examples[0] = 1


def test_seeds_for_torch_differ_in_the_32_bits_that_it_reads() -> None:
    """torch's CPU generator reads only the low 32 bits of a seed."""
    keys = [(0, 1), (1, 0), (0, 1, 0), (0, 1, 1), (2**32, 1), (2**32 + 1, 0), (2**64, 1)]
    seeds = [step_seed(*key) for key in keys] + [init_seed(seed) for seed in (0, 1, 2**32)]
    seeds += [kind(*key) for kind in (mix_seed, depths_seed) for key in [(0, 1), (1, 0), (0, 0)]]
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)
    assert len({step_seed(0, step) % 2**32 for step in range(1000)}) == 1000


def test_the_draws_are_part_of_every_result_and_never_change() -> None:
    """Golden values: if they change, no earlier run can be resumed or repeated."""
    in_order = table(50_000, 0, 0, 4)
    assert in_order.examples[:4].tolist() == GOLDEN["order"]
    drawn = Draws(*(column[np.argsort(in_order.examples)] for column in in_order))  # by example
    assert drawn.dy[:8].tolist() == GOLDEN["dy"]
    assert drawn.dx[:8].tolist() == GOLDEN["dx"]
    assert drawn.flip[:8].tolist() == GOLDEN["flip"]
    assert permutation(10, Stream.HOLD_OUT, 0).tolist() == GOLDEN["held"]
    assert (init_seed(0), step_seed(0, 0)) == GOLDEN["seeds"]
    assert drawn.cut_y[:2].tolist() == GOLDEN["cut_y"]
    assert drawn.cut_x[:2].tolist() == GOLDEN["cut_x"]
    assert drawn.randaugment[:2].tolist() == GOLDEN["randaugment"]
    for name in ("rotation", "shear", "zoom", "trivial_augment", "color_jitter", "erasing"):
        assert getattr(drawn, name)[:2].tolist() == GOLDEN[name]
    for name in ("resized_crop", "grayscale"):
        assert getattr(drawn, name)[:2].tolist() == GOLDEN[name]
    assert (mix_seed(0, 0), depths_seed(0, 0)) == GOLDEN["of a step"]
    assert objective_seed(0) == GOLDEN["objective"]
    again = second_table(50_000, 0, 0, 4)
    assert (again.examples == in_order.examples).all()
    drawn = Draws(*(column[np.argsort(again.examples)] for column in again))
    assert drawn.dy[:8].tolist() == GOLDEN["dy, seen twice"]
    assert drawn.color_jitter[:2].tolist() == GOLDEN["color_jitter, seen twice"]


GOLDEN = {
    "order": [27677, 15597, 42006, 41038],
    "dy": [7, 7, 5, 3, 0, 4, 2, 8],
    "dx": [6, 6, 0, 5, 8, 0, 8, 7],
    "flip": [0, 0, 1, 0, 1, 1, 1, 0],
    "held": [0, 9, 4, 8, 6, 1, 2, 7, 5, 3],
    "seeds": (14153166575370824094, 9489810283428522141),
    "cut_y": [289894072, 1912251041],
    "cut_x": [1775884013, 2957354647],
    "randaugment": [136129909, 3002338968],
    "rotation": [1766500984, 2134554231],
    "shear": [3605079414, 1158603503],
    "zoom": [1712937386, 3511851276],
    "trivial_augment": [1215468794, 1857775789],
    "color_jitter": [282653639, 3001445867],
    "erasing": [168854955, 2142939931],
    "resized_crop": [1036916285, 134069157],
    "grayscale": [2494481200, 115260150],
    "of a step": (13939082542264680988, 13268144585377253886),
    "objective": 3456087972498050714,
    "dy, seen twice": [3, 6, 0, 4, 5, 6, 1, 7],
    "color_jitter, seen twice": [991803376, 3831996449],
}
