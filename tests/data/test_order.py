"""The order of records: every record once over all processes, from (seed, epoch) alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_flowers.data.order import Order, balanced
from lightning_flowers.errors import UserError

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


GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda groups: np.sort(np.array(groups)))


@settings(max_examples=80, deadline=None)
@given(GROUPS, PER_RANK, WORLD, st.integers(0, 1))
def test_grouped_or_not_all_ranks_together_cover_every_record_once(
    groups: np.ndarray, per_rank: int, world: int, epoch: int
) -> None:
    size, read = per_rank * world, []
    for rank in range(world):
        order = Order(len(groups), size, shuffle=True, rank=rank, world=world, groups=groups)
        found = batches(order, epoch)
        assert len(found) == len(order)
        read += [position for positions, mask in found for position, real in zip(positions, mask, strict=True) if real]
    assert sorted(read) == list(range(len(groups)))


def changes(groups: np.ndarray, order: Order, epoch: int) -> int:
    """How often an epoch goes from one group to another."""
    read = np.concatenate([positions for positions, _ in batches(order, epoch)])
    return int((np.diff(groups[read]) != 0).sum())


def test_shards_and_their_records_are_shuffled_and_later_all_are_mixed() -> None:
    groups = np.repeat(np.arange(5), 20)
    first, other = (Order(100, 10, shuffle=True, seed=seed, groups=groups) for seed in (0, 1))
    assert changes(groups, first, 0) == changes(groups, other, 0) == 4
    assert changes(groups, first, 1) > 40
    shards = [[groups[positions[0]] for positions, _ in batches(order)][::2] for order in (first, other)]
    assert sorted(shards[0]) == sorted(shards[1]) == [0, 1, 2, 3, 4]
    assert shards[0] != shards[1]
    assert (np.diff(batches(first)[0][0]) < 0).any()


def test_an_order_says_how_many_batches_were_given_out_and_begins_there_once() -> None:
    order, other = Order(10, 3), Order(10, 3)
    assert order.begin() == 0
    for done in (1, 2, 3):
        order.advance()
        assert order.state_dict() == {"batches": done, "batch_size": 3, "records": 10}
    other.load_state_dict(order.state_dict())
    assert other.begin() == 3
    assert other.state_dict() == order.state_dict()
    other.advance()
    assert other.state_dict()["batches"] == 0  # the epoch is over
    assert other.begin() == 0


@pytest.mark.parametrize("now", [(10, 4), (11, 3)])
def test_going_on_inside_an_epoch_of_other_batches_is_refused(now: tuple[int, int]) -> None:
    order = Order(10, 3)
    order.begin()
    order.advance()
    with pytest.raises(UserError, match="--resume: the run stopped inside an epoch of 10 records in batches of 3"):
        Order(*now).load_state_dict(order.state_dict())
    Order(*now).load_state_dict({"batches": 0, "batch_size": 3, "records": 10})  # between epochs they may change


@pytest.mark.parametrize(("balance", "places"), [(1.0, (20, 20, 20)), (0.5, (36, 15, 9)), (0.0, (48, 9, 3))])
def test_small_classes_have_their_part_of_an_epoch_that_is_as_long_as_ever(
    balance: float, places: tuple[int, int, int]
) -> None:
    labels = np.repeat([0, 2, 3], [48, 9, 3])  # none of class 1
    epochs = [balanced(labels, balance, np.random.default_rng(seed)) for seed in range(40)]
    for positions in epochs:
        assert len(positions) == len(labels)
        for label, wanted in zip((0, 2, 3), places, strict=True):
            own = positions[labels[positions] == label]
            assert abs(len(own) - wanted) <= 1
            shown = np.bincount(own, minlength=len(labels))[labels == label]
            assert shown.max() - shown.min() <= 1  # in turn
    assert len({tuple(np.sort(positions)) for positions in epochs}) > 1 or not balance
    exact = 60 * 9 ** (1 - balance) / sum(count ** (1 - balance) for count in (48, 9, 3))
    mean = np.mean([(labels[positions] == 2).sum() for positions in epochs])
    assert abs(mean - exact) < 0.3  # rounded without favour


def test_balanced_batches_of_all_ranks_are_those_of_one() -> None:
    labels = np.repeat([0, 1], [20, 4])

    def drawn(epoch: int, rank: int, world: int) -> list[list[int]]:
        order = Order(24, 6, shuffle=True, seed=1, rank=rank, world=world, labels=labels, balance=1.0)
        return [positions for positions, _ in batches(order, epoch)]

    whole, left, right = np.array(drawn(0, 0, 1)), np.array(drawn(0, 0, 2)), np.array(drawn(0, 1, 2))
    assert np.array_equal(np.sort(whole), np.sort(np.hstack([left, right])))
    assert sorted(whole.ravel()) != sorted(np.array(drawn(1, 0, 1)).ravel())
    assert np.bincount(labels[whole.ravel()]).tolist() == [12, 12]


def test_records_that_cannot_be_used_have_no_place_where_classes_are_balanced() -> None:
    found = balanced(np.array([0, -1, 1, 1, -1]), 1.0, np.random.default_rng(0))
    assert len(found) == 5
    assert set(found.tolist()) <= {0, 2, 3}
