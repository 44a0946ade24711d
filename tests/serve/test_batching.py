"""Pictures that come while the model works are asked about together; those whose clients left are not."""

import asyncio
import threading

import numpy as np
import pytest

from lightning_flowers.serve.batching import Batcher


class Gate:
    """A model that answers with the pictures' first values once it is opened; keeps the sizes of its batches."""

    def __init__(self):
        self.open, self.began, self.seen = threading.Event(), threading.Event(), []

    def compute(self, pixels):
        self.seen.append(pixels[:, 0, 0, 0].tolist())
        self.began.set()
        assert self.open.wait(10)
        return pixels[:, :1, 0, 0].astype(np.float32)


def pixels(value):
    return np.full((2, 2, 3), value, np.uint8)


async def asked(gate, most, values, leaving=()):
    noted = []
    batcher = Batcher(gate.compute, most, noted.append)
    running = asyncio.create_task(batcher.run())
    tasks = [asyncio.create_task(batcher.ask(pixels(0)))]
    await asyncio.to_thread(gate.began.wait, 10)
    tasks += [asyncio.create_task(batcher.ask(pixels(value))) for value in values]
    await asyncio.sleep(0)
    for place in leaving:
        tasks[place].cancel()
    gate.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    running.cancel()
    return found, noted


def test_pictures_gather_while_the_model_works():
    gate = Gate()
    found, noted = asyncio.run(asked(gate, 3, [1, 2, 3, 4]))
    assert gate.seen == [[0], [1, 2, 3], [4]]
    assert noted == [1, 3, 1]
    assert [np.asarray(row).tolist() for row in found] == [[0], [1], [2], [3], [4]]


def test_they_gather_too_while_something_else_is_computed():
    gate = Gate()

    async def ask():
        batcher = Batcher(gate.compute, 8, lambda count: None)
        running = asyncio.create_task(batcher.run())
        alone = asyncio.create_task(batcher.between_batches(gate.compute, pixels(9)[None]))
        await asyncio.to_thread(gate.began.wait, 10)
        tasks = []
        for value in (1, 2):  # one after the other, as from two clients
            tasks.append(asyncio.create_task(batcher.ask(pixels(value))))
            await asyncio.sleep(0.01)
        gate.open.set()
        await asyncio.gather(alone, *tasks)
        running.cancel()

    asyncio.run(ask())
    assert gate.seen == [[9], [1, 2]]


def test_a_client_that_leaves_is_dropped_from_the_queue():
    gate = Gate()
    found, _ = asyncio.run(asked(gate, 8, [1, 2, 3], leaving=(0, 2)))
    assert gate.seen == [[0], [1, 3]]
    assert [isinstance(one, asyncio.CancelledError) for one in found] == [True, False, True, False]


def test_a_fault_is_each_ones_of_its_batch_and_the_next_batch_is_answered():
    calls = []

    def compute(some):
        calls.append(len(some))
        if len(calls) == 1:
            raise ValueError("broken")
        return np.zeros((len(some), 1), np.float32)

    async def ask_twice():
        batcher = Batcher(compute, 8, lambda count: None)
        running = asyncio.create_task(batcher.run())
        with pytest.raises(ValueError, match="broken"):
            await batcher.ask(pixels(0))
        await batcher.ask(pixels(0))
        running.cancel()

    asyncio.run(ask_twice())
    assert calls == [1, 1]
