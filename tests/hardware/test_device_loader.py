"""The thread that sends batches to the cores, with a host that plays the cores."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_flowers.errors import DataError
from lightning_flowers.hardware.xla.device_loader import AHEAD, DeviceLoader

BATCHES = 6


class Loader:
    """Yields numbered batches, and knows how many it has given out."""

    def __init__(self, fails_at=None):
        self.sampler, self.split, self.fails_at = SimpleNamespace(batch_size=2), "train", fails_at
        self.given = self.closed = 0

    def __len__(self):
        return BATCHES

    def __iter__(self):
        try:
            for number in range(self.given, BATCHES):
                if number == self.fails_at:
                    raise DataError("00-8x8-6.tfrec: record 3")
                self.given += 1
                image = torch.full((2, 8, 8, 3), number, dtype=torch.uint8).permute(0, 3, 1, 2)
                yield {"image": image, "index": torch.tensor([2 * number, 2 * number + 1])}
        finally:
            self.closed += 1

    def state_dict(self):
        return {"batches": self.given % BATCHES}

    def load_state_dict(self, state):
        self.given = state["batches"]


class Cores:
    """Remembers what was sent, and how often it was told to begin."""

    def __init__(self):
        self.sent, self.syncs, self.threads = [], 0, set()

    def send(self, tensor):
        self.threads.add(threading.current_thread().name)
        self.sent.append(tensor)
        return tensor.clone()

    def sync(self):
        self.syncs += 1


@pytest.fixture
def cores():
    return Cores()


def feed(loader, cores):
    return DeviceLoader(loader, cores.send, cores.sync)


def test_batches_come_in_order_as_they_were(cores):
    batches = list(feed(Loader(), cores))
    assert [batch["index"][0].item() for batch in batches] == [0, 2, 4, 6, 8, 10]
    assert all(batch["image"].shape == (2, 3, 8, 8) for batch in batches)
    assert [batch["image"].max().item() for batch in batches] == list(range(BATCHES))


def test_pictures_are_sent_in_the_order_they_are_stored_in(cores):
    list(feed(Loader(), cores))
    assert {tuple(tensor.shape) for tensor in cores.sent if tensor.ndim == 4} == {(2, 8, 8, 3)}
    assert all(tensor.is_contiguous() for tensor in cores.sent)


def test_the_pending_work_is_sent_off_before_each_batch(cores):
    batches: Any = iter(feed(Loader(), cores))
    for number in range(BATCHES):
        next(batches)
        assert cores.syncs == number + 1
    assert next(batches, None) is None


def test_another_thread_sends_and_only_so_far_ahead(cores):
    loader = Loader()
    batches: Any = iter(feed(loader, cores))
    next(batches)
    time.sleep(0.3)
    assert cores.threads == {"device-loader_0"}
    assert loader.given == 1 + AHEAD
    batches.close()


def test_what_fails_in_the_thread_is_raised_where_the_batch_would_have_come(cores):
    batches: Any = iter(feed(Loader(fails_at=3), cores))
    assert [next(batches)["index"][0].item() for _ in range(3)] == [0, 2, 4]
    with pytest.raises(DataError, match="record 3"):
        next(batches)


def test_a_loader_that_cannot_begin_is_told_too(cores):
    class Broken(Loader):
        def __iter__(self):
            raise DataError("no shards")

    with pytest.raises(DataError, match="no shards"):
        list(feed(Broken(), cores))


def test_what_fails_while_sending_is_raised_too(cores):
    def send(tensor):
        raise RuntimeError("a tensor (2,) was not split over 8 cores")

    with pytest.raises(RuntimeError, match="was not split"):
        list(DeviceLoader(Loader(), send, cores.sync))


def test_a_consumer_that_leaves_early_ends_the_thread_and_the_loader(cores):
    loader = Loader()
    batches: Any = iter(feed(loader, cores))
    next(batches)
    batches.close()
    assert loader.closed == 1
    assert not any(thread.name.startswith("device-loader") for thread in threading.enumerate())


def test_the_state_is_that_of_the_consumer_not_of_the_thread(cores):
    fed = feed(Loader(), cores)
    assert fed.state_dict() == {"batches": 0}
    batches: Any = iter(fed)
    for number in range(1, BATCHES):
        next(batches)
        assert fed.state_dict() == {"batches": number}
    next(batches)
    assert fed.state_dict() == {"batches": 0}
    batches.close()


def test_it_goes_on_where_the_state_was_taken(cores):
    fed = feed(Loader(), cores)
    fed.load_state_dict({"batches": 4})
    assert [batch["index"][0].item() for batch in fed] == [8, 10]


def test_waiting_is_counted(cores):
    class Slow(Loader):
        def __iter__(self):
            for batch in super().__iter__():
                time.sleep(0.02)
                yield batch

    fed = feed(Slow(), cores)
    list(fed)
    assert 0.08 < fed.waited < 5
