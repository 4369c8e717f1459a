"""A batch is a function of (data size, seed, step)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reslab.data.order import (
    Draws,
    Order,
    Stream,
    Tables,
    bounds,
    joined,
    permutation,
    seed_of,
    table,
)
from reslab.errors import UserError

sizes = st.integers(1, 60)
seeds = st.integers(0, 2**40)
ALL = tuple(bounds(0))
laws = settings(deadline=None, max_examples=60)


def order_of(examples: int, batch_size: int, seed: int = 0, padding: int = 2) -> Order:
    return Order(Tables(examples, seed, padding, ALL), batch_size)


orders = st.builds(order_of, sizes, sizes, seeds, st.integers(0, 4))


def row(order: Order, steps: int) -> Draws:
    """The first `steps` batches, one after another."""
    return joined([order.batch(step) for step in range(steps)])


def are_equal(one: Draws, other: Draws) -> bool:
    return list(one) == list(other) and all(map(torch.equal, one.values(), other.values()))


def of_all(examples: int, seed: int, epoch: int, *sight: int) -> Draws:
    """An epoch's table with every column."""
    return table(Tables(examples, seed, 4, ALL), epoch, *sight)


def by_example(drawn: Draws) -> Draws:
    """A table's rows in the order of their examples."""
    return {name: column[drawn["examples"].argsort()] for name, column in drawn.items()}


@laws
@given(orders)
def test_each_epoch_is_a_permutation(order: Order) -> None:
    examples = order.tables.examples
    steps = -(-3 * examples // order.batch_size)
    epochs = row(order, steps)["examples"][: 3 * examples].reshape(3, examples)
    assert (epochs.sort(1).values == torch.arange(examples)).all()


@laws
@given(orders, st.integers(0, 50))
def test_every_batch_is_full_and_a_slice_of_the_endless_row(order: Order, step: int) -> None:
    batch = order.batch(step)
    assert len(batch["examples"]) == order.batch_size
    for place in range(order.batch_size):
        epoch, position = divmod(step * order.batch_size + place, order.tables.examples)
        drawn = table(order.tables, epoch)
        # A batch that spans two epochs takes each part's own draws.
        assert list(batch) == list(drawn)
        assert all(batch[name][place] == drawn[name][position] for name in drawn)


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_the_ranks_slices_are_the_global_batch(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = order_of(examples, share * ranks, seed)
    parts = [order.batch(step, rank, ranks) for rank in range(ranks)]
    assert are_equal(joined(parts), order.batch(step))


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_every_image_stands_after_its_partner_on_any_rank(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = order_of(examples, share * ranks, seed)
    whole = order.batch(step)
    for rank in range(ranks):
        rows, mine = order.with_partner(step, rank, ranks), order.batch(step, rank, ranks)
        for name, column in rows.items():
            assert torch.equal(column[1:], mine[name])
            assert column[0] == whole[name][rank * share - 1]


@laws
@given(sizes, st.integers(1, 12), st.integers(1, 5), seeds, st.integers(0, 50))
def test_the_ranks_see_their_share_of_the_batch_twice_with_other_draws(
    examples: int, share: int, ranks: int, seed: int, step: int
) -> None:
    order = order_of(examples, share * ranks, seed)
    second = order.batch(step, 0, 1, 1)
    for rank in range(ranks):
        twice, mine = order.seen_twice(step, rank, ranks), order.batch(step, rank, ranks)
        here = slice(rank * share, (rank + 1) * share)
        for name, column in twice.items():
            assert torch.equal(column[:share], mine[name])
            assert torch.equal(column[share:], second[name][here])
        assert torch.equal(twice["examples"][:share], twice["examples"][share:])


def test_what_an_image_draws_when_it_is_seen_again_is_of_its_own() -> None:
    one, other = of_all(90_000, 0, 0), of_all(90_000, 0, 0, 1)
    for name in bounds(4):
        both = np.corrcoef(one[name], other[name])
        assert abs(both[0, 1]) < 5 / np.sqrt(90_000), name


@laws
@given(orders, st.integers(0, 500), st.integers(1, 200))
def test_rows_are_those_of_the_endless_row_wherever_they_begin(
    order: Order, first: int, count: int
) -> None:
    whole = order.rows(0, first + count)
    assert are_equal(order.rows(first, count), {n: c[first:] for n, c in whole.items()})


@laws
@given(orders, st.integers(0, 50), st.sets(st.sampled_from(ALL)))
def test_a_column_is_the_same_whichever_others_are_drawn(
    order: Order, step: int, columns: set[str]
) -> None:
    few = Order(replace(order.tables, columns=tuple(columns)), order.batch_size).batch(step)
    whole = order.batch(step)
    assert are_equal(few, {name: whole[name] for name in ("examples", *columns)})


@laws
@given(orders, st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_a_restart_anywhere_gives_the_same_batch(order: Order, steps: list[int]) -> None:
    first = [order.batch(step) for step in steps]
    table.cache_clear()
    for step, batch in zip(steps, first, strict=True):
        assert are_equal(order.batch(step), batch)


def test_an_examples_augmentation_does_not_depend_on_its_place() -> None:
    whole, small = order_of(50, 50, seed=3, padding=4), order_of(50, 10, seed=3, padding=4)
    drawn = by_example(whole.batch(0))
    for step in range(5):
        batch = small.batch(step)
        assert are_equal(batch, {n: column[batch["examples"]] for n, column in drawn.items()})


def test_seeds_and_epochs_draw_different_tables() -> None:
    tables = [of_all(1000, seed, epoch) for seed in (0, 1, 2**32) for epoch in (0, 1)]
    for name in ("examples", *ALL):
        assert len({drawn[name].numpy().tobytes() for drawn in tables}) == len(tables)


def test_what_is_drawn_is_below_its_bound() -> None:
    drawn, limits = of_all(10_000, 0, 0), bounds(4)
    assert ["examples", *limits] == list(drawn)
    for name, (_, bound) in limits.items():
        column = drawn[name]
        assert column.min() >= 0 and 0.99 * (bound - 1) <= int(column.max()) < bound
        assert column.dtype == torch.int64
    assert len({stream for stream, _ in limits.values()}) == len(limits)


def test_offsets_and_flips_are_uniform() -> None:
    drawn = of_all(90_000, 0, 0)
    for offsets in (drawn["dy"], drawn["dx"]):
        counts = np.bincount(offsets, minlength=9)
        assert len(counts) == 9
        assert np.abs(counts - 10_000).max() < 5 * np.sqrt(10_000)  # five standard deviations
    assert abs(int(drawn["flip"].sum()) - 45_000) < 5 * np.sqrt(90_000) / 2
    for name in (name for name, (_, bound) in bounds(4).items() if bound == 2**32):
        words = drawn[name].numpy()
        assert words.min() >= 0 and 2**32 - 2**20 < words.max() < 2**32
        assert np.abs(np.bincount(words * 9 >> 32) - 10_000).max() < 5 * np.sqrt(10_000)
    together = np.corrcoef(torch.stack(list(drawn.values())))
    assert np.abs(together - np.eye(len(drawn))).max() < 5 / np.sqrt(90_000)


def test_a_batch_that_the_ranks_cannot_share_names_the_numbers_that_can() -> None:
    with pytest.raises(UserError, match=r"128.*3 processes.*use 1, 2, 4, 8, 16, 32, 64, 128 "):
        order_of(1000, 128).batch(0, part=0, parts=3)


def test_two_epochs_are_kept_for_each_sight_of_an_image() -> None:
    order = order_of(10, 4)
    for step in range(100):
        order.seen_twice(step)
    assert table.cache_info().currsize == 4
    drawn = table.cache_info().misses
    order.seen_twice(99)
    assert table.cache_info().misses == drawn


def test_seeds_for_torch_differ_in_the_32_bits_that_it_reads() -> None:
    """torch's CPU generator reads only the low 32 bits of a seed."""
    keys = [(0, 1), (1, 0), (0, 1, 0), (0, 1, 1), (2**32, 1), (2**32 + 1, 0), (2**64, 1)]
    drawn = [seed_of(Stream.STEP, *key) for key in keys]
    drawn += [seed_of(Stream.INIT, seed) for seed in (0, 1, 2**32)]
    for stream in (Stream.MIX, Stream.DEPTHS):
        drawn += [seed_of(stream, *key) for key in ((0, 1), (1, 0), (0, 0))]
    assert len({seed % 2**32 for seed in drawn}) == len(drawn)
    assert len({seed_of(Stream.STEP, 0, step) % 2**32 for step in range(1000)}) == 1000


def test_the_draws_are_part_of_every_result_and_never_change() -> None:
    """Golden values: if they change, no earlier run can be resumed or repeated."""
    in_order = of_all(50_000, 0, 0)
    assert in_order["examples"][:4].tolist() == GOLDEN["order"]
    drawn = by_example(in_order)
    for name in ("dy", "dx", "flip"):
        assert drawn[name][:8].tolist() == GOLDEN[name]
    assert permutation(10, Stream.HOLD_OUT, 0).tolist() == GOLDEN["held"]
    assert (seed_of(Stream.INIT, 0), seed_of(Stream.STEP, 0, 0)) == GOLDEN["seeds"]
    for name in set(ALL) - {"view", "dy", "dx", "flip"}:
        assert drawn[name][:2].tolist() == GOLDEN[name]
    of_a_step = tuple(seed_of(stream, 0, 0) for stream in (Stream.MIX, Stream.DEPTHS))
    assert of_a_step == GOLDEN["of a step"]
    assert seed_of(Stream.OBJECTIVE, 0) == GOLDEN["objective"]
    again = of_all(50_000, 0, 0, 1)
    assert torch.equal(again["examples"], in_order["examples"])
    drawn = by_example(again)
    assert drawn["dy"][:8].tolist() == GOLDEN["dy, seen twice"]
    assert drawn["color_jitter"][:2].tolist() == GOLDEN["color_jitter, seen twice"]


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
