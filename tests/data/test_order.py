"""The order of records: every record once over all processes, from (seed, epoch) alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.data.order import Order

RECORDS = st.integers(1, 60)
WORLD = st.integers(1, 8)
PER_RANK = st.integers(1, 9)


def batches(order: Order, epoch: int = 0) -> list[tuple[list[int], list[bool]]]:
    order.set_epoch(epoch)
    return [(positions.tolist(), mask.tolist()) for positions, mask in order]


@settings(max_examples=80, deadline=None)
@given(RECORDS, PER_RANK, WORLD, st.booleans(), st.integers(0, 3))
def test_all_ranks_together_cover_every_record_once(
    records: int, per_rank: int, world: int, shuffle: bool, epoch: int
) -> None:
    read: list[int] = []
    for rank in range(world):
        order = Order(records, per_rank * world, shuffle=shuffle, seed=3, rank=rank, world=world)
        for positions, mask in batches(order, epoch):
            read += [position for position, real in zip(positions, mask, strict=True) if real]
    assert sorted(read) == list(range(records))


@settings(max_examples=80, deadline=None)
@given(RECORDS, PER_RANK, WORLD, st.booleans())
def test_all_ranks_have_equally_many_batches_of_equal_shape(
    records: int, per_rank: int, world: int, shuffle: bool
) -> None:
    for rank in range(world):
        order = Order(records, per_rank * world, shuffle=shuffle, rank=rank, world=world)
        found = list(order)
        assert len(found) == len(order) == math.ceil(records / (per_rank * world))
        for positions, mask in found:
            assert positions.shape == mask.shape == (per_rank,)
            assert (positions.dtype, mask.dtype) == (np.int64, np.bool_)
            assert ((positions >= 0) & (positions < records)).all()  # padding too is a real record's picture


@settings(max_examples=40, deadline=None)
@given(RECORDS, PER_RANK, WORLD)
def test_the_ranks_rows_interleave_to_the_batch_of_one_process(records: int, per_rank: int, world: int) -> None:
    size = per_rank * world
    alone = batches(Order(records, size, shuffle=True, seed=1))
    ranks = [batches(Order(records, size, shuffle=True, seed=1, rank=rank, world=world)) for rank in range(world)]
    for number, (positions, mask) in enumerate(alone):
        for rank in range(world):
            assert ranks[rank][number] == (positions[rank::world], mask[rank::world])


def test_every_record_is_read_once_by_8_ranks() -> None:
    read = [
        positions[mask]
        for rank in range(8)
        for positions, mask in Order(12753, 128, shuffle=True, seed=7, rank=rank, world=8)
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(read)), np.arange(12753))


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(1, 20), st.integers(0, 2**32), st.integers(0, 50))
def test_the_order_depends_on_seed_and_epoch_alone(records: int, size: int, seed: int, epoch: int) -> None:
    order = Order(records, size, shuffle=True, seed=seed)
    first = batches(order, epoch)
    batches(order, epoch + 1)
    np.random.seed(epoch)
    assert batches(order, epoch) == first == batches(Order(records, size, shuffle=True, seed=seed), epoch)


def test_other_seeds_and_other_epochs_have_other_orders() -> None:
    orders = [
        batches(Order(50, 10, shuffle=True, seed=seed), epoch) for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    assert all(orders[a] != orders[b] for a in range(4) for b in range(a))


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(1, 20), st.integers(0, 3))
def test_without_shuffling_the_records_keep_their_own_order(records: int, size: int, epoch: int) -> None:
    found = batches(Order(records, size), epoch)
    positions = [position for batch, _ in found for position in batch]
    mask = [real for _, batch in found for real in batch]
    assert positions[:records] == list(range(records))
    assert mask == [True] * records + [False] * (len(found) * size - records)


def test_a_batch_larger_than_the_data_set_is_filled_by_going_round() -> None:
    assert batches(Order(2, 5)) == [([0, 1, 0, 1, 0], [True, True, False, False, False])]


@pytest.mark.parametrize(
    ("records", "size", "rank", "world"),
    [(0, 4, 0, 1), (5, 0, 0, 1), (5, -2, 0, 1), (5, 4, 0, 3), (5, 4, 2, 2), (5, 4, -1, 2), (5, 4, 0, 0)],
)
def test_arguments_that_cannot_be_are_refused(records: int, size: int, rank: int, world: int) -> None:
    with pytest.raises(ValueError, match="no order of"):
        Order(records, size, rank=rank, world=world)
